package reports

import (
	"fmt"
	"strings"

	"github.com/seed-8025779b/shakedown/reports/html"
)

// ANSI codes of the summary's colours.
const (
	green = "32"
	red   = "31"
	amber = "33"
)

// Summary says what a run came to, for a terminal: the verdict, the gates, what was measured and what is to be kept in
// mind. paint colours a text by an ANSI code.
func Summary(r *Result, paint func(code, s string) string) string {
	var b strings.Builder
	color := amber
	switch tone(r.Verdict) {
	case html.Good:
		color = green
	case html.Bad:
		color = red
	}
	fmt.Fprintf(&b, "%s\n", paint("1;"+color, strings.ToUpper(string(r.Verdict))))
	summaryGates(&b, r, paint)
	summaryFigures(&b, r)
	if text := r.stallText(); text != "" {
		fmt.Fprintf(&b, "  %s %s\n", paint(amber, "warning:"), text)
	}
	for _, note := range r.notes() {
		fmt.Fprintf(&b, "  note: %s\n", note)
	}
	return b.String()
}

func summaryGates(b *strings.Builder, r *Result, paint func(code, s string) string) {
	width := 0
	for _, g := range r.Gates {
		width = max(width, len(g.Expr))
	}
	for i := range r.Gates {
		g := &r.Gates[i]
		mark := paint(green, "pass")
		switch {
		case g.unjudged():
			mark = paint(amber, "skip")
		case !g.Passed:
			mark = paint(red, "FAIL")
		}
		fmt.Fprintf(b, "  %s  %-*s  %s\n", mark, width, g.Expr, r.observed(g))
	}
	for _, reason := range r.Reasons {
		if r.gateOf(reason) == nil { // the gates stand above
			fmt.Fprintf(b, "  %s\n", reason)
		}
	}
}

// summaryFigures writes what was measured, a name before each line.
func summaryFigures(b *strings.Builder, r *Result) {
	t, l := &r.Totals, r.Latency.Response
	requests := fmt.Sprintf("%d planned, %d succeeded, %d failed, %d dropped, %d cancelled", t.Planned, t.Succeeded, t.Failed, t.Dropped, t.Cancelled)
	if t.Reconnects > 0 {
		requests += fmt.Sprintf(", %d sent again on a new connection", t.Reconnects)
	}
	lines := [][2]string{
		{"requests", requests + ", " + r.measuredFor()},
	}
	if text := r.attemptsText(); text != "" {
		lines = append(lines, [2]string{"attempts", text})
	}
	lines = append(lines, [][2]string{
		{"rate", fmt.Sprintf("%s succeeded of %s planned", r.rate(r.Rates.Succeeded), r.rate(r.Rates.Planned))},
		{"response time", l.line() + r.suffix()},
	}...)
	if s := r.statusText(); s != "" {
		lines = append(lines, [2]string{"statuses", s})
	}
	for _, c := range r.errorClasses() {
		line := fmt.Sprintf("%d %s", r.Errors[c], c)
		if example := r.Examples[c]; example != "" {
			line += ", for example: " + example
		}
		lines = append(lines, [2]string{"errors", line})
	}
	for i := range r.Phases {
		lines = append(lines, [2]string{"phase " + r.Phases[i].Name, r.Phases[i].line()})
	}
	width := 0
	for _, x := range lines {
		width = max(width, len(x[0]))
	}
	for _, x := range lines {
		fmt.Fprintf(b, "  %-*s  %s\n", width, x[0], x[1])
	}
}

// line writes the figures in a line.
func (f Figures) line() string {
	if f.Empty() {
		return Dash + " (no request succeeded)"
	}
	return fmt.Sprintf("p50 %s, p90 %s, p95 %s, p99 %s, max %s",
		f.Percentile(.5, f.P50), f.Percentile(.9, f.P90), f.Percentile(.95, f.P95), f.Percentile(.99, f.P99), f.Milliseconds(f.Max))
}

// suffix is the timeout's note in brackets.
func (r *Result) suffix() string {
	if note := r.timeoutNote(); note != "" {
		return " (" + note + ")"
	}
	return ""
}

// line writes what a phase came to.
func (p *Period) line() string {
	l := p.Latency.Response
	s := fmt.Sprintf("%s, p99 %s, errors %s", p.succeededRate(), l.Percentile(.99, l.P99), p.Totals.errorRate())
	if p.Discarded {
		s += ", not judged"
	}
	return s
}
