package reports

import (
	"fmt"
	"io"
	"strings"
)

// WriteMarkdown writes a summary for a CI job's page.
func WriteMarkdown(w io.Writer, r *Result) error {
	var b strings.Builder
	fmt.Fprintf(&b, "## shakedown: %s %s\n\n", r.Name, r.Verdict)
	for _, reason := range r.reasons() {
		fmt.Fprintf(&b, "- %s\n", reason)
	}
	markdownGates(&b, r)
	t, l := &r.Totals, r.Latency.Response
	figures := [][]string{
		{"planned, " + r.measuredFor(), fmt.Sprint(t.Planned), "p50", l.Percentile(.5, l.P50)},
		{"succeeded", fmt.Sprint(t.Succeeded), "p90", l.Percentile(.9, l.P90)},
		{"failed", fmt.Sprint(t.Failed), "p95", l.Percentile(.95, l.P95)},
		{"dropped", fmt.Sprint(t.Dropped), "p99", l.Percentile(.99, l.P99)},
		{"cancelled", fmt.Sprint(t.Cancelled), "p99.9", l.Percentile(.999, l.P999)},
		{"succeeded rate", r.rate(r.Rates.Succeeded), "max", l.Milliseconds(l.Max) + r.suffix()},
	}
	if t.Reconnects > 0 {
		figures = append(figures, []string{"sent again on a new connection", fmt.Sprint(t.Reconnects), "", ""})
	}
	if t.Attempts > t.Sent {
		figures = append(figures, []string{"attempts of the client", fmt.Sprint(t.Attempts), "", ""})
	}
	markdownTable(&b, []string{"requests", "", "response time", ""}, figures)
	var rows [][]string
	for i := range r.Phases {
		p := &r.Phases[i]
		f, name := p.Latency.Response, p.Name
		if p.Discarded {
			name += " (not judged)"
		}
		rows = append(rows, []string{name, fmt.Sprint(p.Totals.Planned), p.succeededRate(), p.Totals.errorRate(), f.Percentile(.5, f.P50), f.Percentile(.99, f.P99), f.Milliseconds(f.Max)})
	}
	markdownTable(&b, []string{"phase", "planned", "succeeded rate", "error rate", "p50", "p99", "max"}, rows)
	rows = nil
	for _, c := range r.errorClasses() {
		rows = append(rows, []string{r.className(c), fmt.Sprint(r.Errors[c]), r.Examples[c]})
	}
	markdownTable(&b, []string{"error", "requests", "for example"}, rows)
	if s := r.statusText(); s != "" {
		fmt.Fprintf(&b, "\nResponses by HTTP status: %s.\n", s)
	}
	if text := r.stallText(); text != "" {
		fmt.Fprintf(&b, "\n> %s\n", text)
	}
	for _, note := range r.notes() {
		fmt.Fprintf(&b, "\n> %s\n", note)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func markdownGates(b *strings.Builder, r *Result) {
	var rows [][]string
	for i := range r.Gates {
		g := &r.Gates[i]
		mark := "pass"
		switch {
		case g.unjudged():
			mark = "not judged"
		case !g.Passed:
			mark = "**fail**"
		}
		rows = append(rows, []string{"`" + g.Expr + "`", r.observed(g), r.headroom(g), mark})
	}
	markdownTable(b, []string{"pass/fail criterion (gate)", "observed", "headroom", ""}, rows)
}

// cellText keeps a text within its cell.
var cellText = strings.NewReplacer("|", `\|`, "\r", " ", "\n", " ")

// markdownTable writes a table; nothing when it has no rows.
func markdownTable(b *strings.Builder, head []string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	line := func(cells []string) {
		b.WriteString("|")
		for _, c := range cells {
			b.WriteString(" " + cellText.Replace(c) + " |")
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
	line(head)
	b.WriteString("|" + strings.Repeat("---|", len(head)) + "\n")
	for _, row := range rows {
		line(row)
	}
}
