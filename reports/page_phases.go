package reports

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/seed-8025779b/shakedown/reports/html"
)

func phasesSection(r *Result) html.Section {
	s := html.Section{ID: "phases", Title: "Phases and requests", Blocks: []html.Block{{Table: r.periods("phase", r.Phases, true)}}}
	if len(r.Requests) > 0 {
		s.Blocks = append(s.Blocks, html.Block{Table: r.periods("request, "+r.requestsIn(), r.Requests, false)})
	}
	intervals := r.periods("interval", r.Windows, true)
	if r.byEnd() {
		intervals.Notes = append(intervals.Notes, intervalNote)
	}
	s.Blocks = append(s.Blocks, html.Block{Table: intervals, Fold: "all time intervals"})
	return s
}

// intervalNote says which requests the columns of an interval count: it may be shorter than a response takes.
const intervalNote = "Requests count in the interval in which they were due. Only the column “succeeded rate” counts those that ended in it, so that an interval in which none was due may have a rate."

// requestsIn says of which phases the figures by request are: older versions counted the discarded ones too.
func (r *Result) requestsIn() string {
	var n uint64
	for i := range r.Requests {
		n += r.Requests[i].Totals.Planned
	}
	if n > r.Totals.Planned {
		return "all phases"
	}
	return "judged phases"
}

// periods is a table of phases, windows or requests. Those of requests have the time of the judged phases in common.
func (r *Result) periods(first string, list []Period, times bool) *html.Table {
	m := r.remarks()
	t := &html.Table{Head: []string{first}}
	if times {
		t.Head = append(t.Head, "from", "to")
	}
	t.Head = append(t.Head, "planned", "succeeded", "failed", "dropped", "error rate", "succeeded rate", "p50", "p99", "max")
	for i := range list {
		p := &list[i]
		name := p.Name
		if p.Discarded {
			name += " (not judged)"
		}
		row := []html.Cell{html.Text(name)}
		if times {
			row = append(row, html.Num(at(p.StartMS)), html.Num(at(p.EndMS)))
		}
		f := p.Latency.Response
		t.Rows = append(t.Rows, append(row,
			html.Num(count(p.Totals.Planned)), html.Num(count(p.Totals.Succeeded)), html.Num(count(p.Totals.Failed)), html.Num(count(p.Totals.Dropped)),
			html.Num(p.Totals.errorRate()), html.Num(p.succeededRate()),
			html.Num(m.percentile(f, .5, f.P50)), html.Num(m.percentile(f, .99, f.P99)), html.Num(m.max(f))))
	}
	t.Notes = m.notes("succeeded")
	return t
}

func eventsSection(r *Result) html.Section {
	t := &html.Table{Head: []string{"at", "event", "of", "detail"}}
	for _, e := range r.Events {
		of := e.Target
		if of == "" {
			of = e.Fault
		}
		t.Rows = append(t.Rows, []html.Cell{html.Num(at(e.AtMS)), html.Text(e.Kind), html.Text(of), html.Text(e.Detail)})
	}
	return html.Section{ID: "events", Title: "Events", Blocks: []html.Block{{Table: t, Fold: Plural(int64(len(t.Rows)), "event")}}}
}

func scenarioSection(r *Result) html.Section {
	var b bytes.Buffer
	text := string(r.Scenario)
	if json.Indent(&b, r.Scenario, "", "  ") == nil {
		text = b.String()
	}
	return html.Section{
		ID: "scenario", Title: "Scenario", Text: []string{fmt.Sprintf("Seed %d.", r.Seed)},
		Blocks: []html.Block{{Pre: text, Fold: "Effective configuration, with every default"}},
	}
}
