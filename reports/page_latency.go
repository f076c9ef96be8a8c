package reports

import (
	"fmt"

	"github.com/seed-8025779b/shakedown/reports/html"
)

func ratesSection(r *Result) html.Section {
	text := "Requests by when they were due. Gaps between the lines are failed or unsent requests."
	if r.byEnd() {
		text = "Planned and offered: by when requests were due. Succeeded: by when they ended. Lasting gaps between the lines are failed or unsent requests."
	}
	if len(r.Retried) > 0 {
		text += " Attempts: each try of a request by the client, by when the request was due."
	}
	return html.Section{
		ID: "rate", Title: "Load", Text: []string{text},
		Blocks: []html.Block{{Figure: rateFigure(r)}, {Table: trafficTable(r)}},
	}
}

// trafficTable tells of the judged requests what their latency does not. What did not happen, or an older version did
// not record, is left out.
func trafficTable(r *Result) *html.Table {
	t := &html.Table{Head: []string{"judged phases", ""}}
	row := func(name, value string) {
		t.Rows = append(t.Rows, []html.Cell{html.Text(name), html.Text(value)})
	}
	row("Rate: planned, offered, succeeded", fmt.Sprintf("%s, %s, %s", r.rate(r.Rates.Planned), r.rate(r.Rates.Offered), r.rate(r.Rates.Succeeded)))
	if b := r.Bytes; b.In+b.Out > 0 {
		received := size(b.In)
		if r.World == "sim" && b.In == 0 { // simulated answers have no bodies
			received = Dash
		}
		row("Bodies: received, sent", received+", "+size(b.Out))
	}
	if g := r.Parts; g != nil {
		if f := g.Wait; !f.Empty() {
			row("Waited for a free connection", fmt.Sprintf("%s, p50 %s, p99 %s, max %s", Plural(f.Count, "request"), f.Percentile(.5, f.P50), f.Percentile(.99, f.P99), f.Milliseconds(f.Max)))
		}
		if n := g.Connect.Count; n > 0 {
			row("Connections made", count(uint64(n)))
		}
	}
	if text := r.attemptsText(); text != "" {
		row("Attempts of the client", text)
	}
	if n := r.Totals.Reconnects; n > 0 {
		row("Sent again by the load generator, because the server closed the connection just then", count(n))
	}
	if r.Balancer != nil {
		row("Retries by the balancer", count(r.Totals.Retries))
	}
	if r.DrainMS > 0 {
		row("From the end of the load until the last request ended", Quantity(r.DrainMS, "ms"))
	}
	return t
}

func latencySection(r *Result) html.Section {
	l, m := r.Latency, r.remarks()
	row := func(name string, f Figures, m *remarks) []html.Cell {
		c := []html.Cell{html.Text(name), html.Num(f.Milliseconds(f.Mean))}
		for _, x := range []struct{ q, v float64 }{{.5, f.P50}, {.9, f.P90}, {.95, f.P95}, {.99, f.P99}, {.999, f.P999}} {
			c = append(c, html.Num(m.percentile(f, x.q, x.v)))
		}
		return append(c, html.Num(m.max(f)), html.Num(count(uint64(f.Count))))
	}
	parts := &remarks{} // the timeout limits the exchange as a whole
	rows := [][]html.Cell{row("Response time", l.Response, m), row("Service time", l.Service, m), row("All, with failures", l.All, m)}
	if g := r.Parts; g != nil {
		for _, x := range []struct {
			name    string
			figures Figures
		}{{"Waiting for a connection", g.Wait}, {"Time to first byte", g.FirstByte}, {"Connecting", g.Connect}, {"TLS handshake", g.TLS}} {
			if !x.figures.Empty() {
				rows = append(rows, row(x.name, x.figures, parts))
			}
		}
	}
	m.few = m.few || parts.few
	s := html.Section{
		ID: "latency", Title: "Response time",
		Text: []string{
			"Response time runs from when a request was due: what a user waits, queueing included. Service time is measured from the send; it hides queueing. Both are of succeeded requests. “All” includes failures, timed until they ended. Waiting counts the requests that had to wait; connecting and TLS, the connections made.",
		},
	}
	if note := r.timeoutNote(); note != "" {
		s.Text = append(s.Text, "The slowest response times are "+note+": without it they would have been longer.")
	}
	s.Blocks = []html.Block{
		{Figure: latencyFigure(r)},
		{Table: &html.Table{
			Head: []string{"", "mean", "p50", "p90", "p95", "p99", "p99.9", "max", "requests"},
			Rows: rows, Notes: m.notes("requests"),
		}},
	}
	if f := percentileFigure(r); f != nil {
		s.Blocks = append(s.Blocks, html.Block{Figure: f})
	}
	return s
}

func errorsSection(r *Result) html.Section {
	s := html.Section{ID: "errors", Title: "Errors"}
	if statuses := r.statusText(); statuses != "" {
		s.Text = append(s.Text, "Responses by HTTP status: "+statuses+".")
	}
	classes := r.errorClasses()
	if len(classes) == 0 {
		none := "None: every request that was judged succeeded."
		switch {
		case r.Totals.Succeeded == 0:
			none = "None; no request succeeded either."
		case r.Totals.Cancelled > 0:
			none = "None: every judged request that ended succeeded; the others were cancelled when the run was stopped."
		}
		s.Text = append(s.Text, none)
		return s
	}
	t := &html.Table{Head: []string{"error", "requests", "for example", "class"}}
	for _, c := range classes {
		t.Rows = append(t.Rows, []html.Cell{html.Text(r.className(c)), html.Num(count(r.Errors[c])), html.Text(r.Examples[c]), html.Text(c)})
	}
	s.Blocks = []html.Block{{Figure: errorFigure(r, classes)}, {Table: t}}
	return s
}
