package reports

import (
	"fmt"
	"io"

	"github.com/seed-8025779b/shakedown/reports/html"
)

// WriteHTML writes the one-file report.
func WriteHTML(w io.Writer, r *Result) error { return html.Write(w, page(r)) }

func page(r *Result) *html.Page {
	p := &html.Page{
		Title: r.Name, Lead: r.About, Verdict: string(r.Verdict), Tone: tone(r.Verdict), Reasons: r.reasons(), Facts: facts(r),
		Footer: fmt.Sprintf("shakedown %s, %s, %s with %d CPUs, started %s. Reproduce: %s",
			r.Environment.Version, r.Environment.GoVersion, r.Environment.OS, r.Environment.CPUs,
			r.Environment.StartedAt.Format("2006-01-02 15:04:05 MST"), r.Environment.Command),
	}
	add := func(s html.Section, there bool) {
		if there {
			p.Sections = append(p.Sections, s)
		}
	}
	add(gatesSection(r), len(r.Gates) > 0)
	add(trustSection(r), true)
	add(ratesSection(r), true)
	add(latencySection(r), true)
	add(errorsSection(r), true)
	add(targetsSection(r), len(r.Targets) > 0)
	add(faultsSection(r), len(r.Faults) > 0)
	add(scalingSection(r), len(r.Scaling) > 0)
	add(phasesSection(r), true)
	add(eventsSection(r), len(r.Events) > 0)
	add(scenarioSection(r), r.World != WorldVegeta)
	return p
}

func tone(v Verdict) html.Tone {
	switch v {
	case Passed:
		return html.Good
	case Failed, Aborted:
		return html.Bad
	}
	return html.Warn
}

// worlds is what a world is called on a page.
var worlds = map[string]string{"live": "live run", "sim": "simulated", WorldVegeta: "run by vegeta"}

// facts are the figures at the top of the page.
func facts(r *Result) []html.Fact {
	l, m := r.Latency.Response, r.remarks()
	few := "of succeeded requests"
	if !l.Empty() && !Reliable(.5, l.Count) {
		few = "of only " + Plural(l.Count, "request")
	}
	tail := "max " + l.Milliseconds(l.Max)
	if !l.Empty() && !Reliable(.99, l.Count) {
		tail += ", of only " + Plural(l.Count, "request")
	}
	if note := r.timeoutNote(); note != "" {
		tail += ", " + note
	}
	requests := html.Fact{Label: "Requests", Value: count(r.Totals.Planned), Note: r.measuredFor() + ", " + worlds[r.World]}
	if t := r.Totals; t.Cancelled > 0 {
		requests.Value, requests.Note = count(t.Sent+t.Dropped), fmt.Sprintf("of %s planned, %s", count(t.Planned), requests.Note)
	}
	facts := []html.Fact{
		requests,
		{Label: "Error rate", Value: r.Totals.errorRate(), Note: fmt.Sprintf("%s failed, %s dropped", count(r.Totals.Failed), count(r.Totals.Dropped))},
		{Label: "Response time p50", Value: m.limited(l.Milliseconds(l.P50), l, l.P50), Note: few},
		{Label: "Response time p99", Value: l.Milliseconds(l.P99), Note: tail},
		{Label: "Succeeded rate", Value: r.rate(r.Rates.Succeeded), Note: "planned " + r.rate(r.Rates.Planned)},
	}
	switch r.World {
	case WorldVegeta:
		return facts
	case "sim":
		return append(facts, html.Fact{Label: "Seed", Value: fmt.Sprint(r.Seed), Note: "one seed, one result"})
	}
	v := r.Validity
	return append(facts, html.Fact{Label: "Load generator delay p99", Value: v.Lag.Milliseconds(v.Lag.P99), Note: v.tolerated() + " of a request tolerated"})
}

// measuredFor says in how much time the judged requests were due.
func (r *Result) measuredFor() string {
	judged := r.judgedMS()
	if judged == r.DurationMS {
		return "in " + duration(judged)
	}
	return fmt.Sprintf("in the %s that are judged", duration(judged))
}

// judgedMS is how long the judged phases lasted; results of older versions do not say it.
func (r *Result) judgedMS() float64 {
	if r.JudgedMS > 0 {
		return r.JudgedMS
	}
	sum := 0.
	for i := range r.Phases {
		if p := &r.Phases[i]; !p.Discarded {
			sum += max(0, min(p.EndMS, r.DurationMS)-p.StartMS)
		}
	}
	return sum
}

// errorRate is, for a person, the share of the finished requests that failed; a dash when none finished.
func (t *Totals) errorRate() string {
	n := t.Sent + t.Dropped
	if n == 0 {
		return Dash
	}
	return percent(float64(t.Failed+t.Dropped) / float64(n))
}
