package reports

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"sort"
	"strings"

	"github.com/seed-8025779b/shakedown/reports/html"
)

// WriteHTML writes the one-file report.
func WriteHTML(w io.Writer, r *Result) error { return html.Write(w, page(r)) }

func page(r *Result) *html.Page {
	p := &html.Page{
		Title: r.Name, Lead: r.About, Verdict: string(r.Verdict), Tone: tone(r.Verdict), Reasons: r.Reasons,
		Footer: fmt.Sprintf("shakedown %s, %s, %s with %d CPUs, started %s. Reproduce: %s",
			r.Environment.Version, r.Environment.GoVersion, r.Environment.OS, r.Environment.CPUs,
			r.Environment.StartedAt.Format("2006-01-02 15:04:05 MST"), r.Environment.Command),
	}
	errorRate := 0.
	if n := r.Totals.Sent + r.Totals.Dropped; n > 0 {
		errorRate = 100 * float64(r.Totals.Failed+r.Totals.Dropped) / float64(n)
	}
	world := map[string]string{"live": "on real sockets and processes", "sim": "simulated, in virtual time", WorldVegeta: "by vegeta"}[r.World]
	l := r.Latency.Response
	p.Facts = []html.Fact{
		{Label: "Requests", Value: count(r.Totals.Planned), Note: fmt.Sprintf("in %s, %s", duration(r.DurationMS), world)},
		{Label: "Error rate", Value: Quantity(errorRate, "%"), Note: fmt.Sprintf("%s failed, %s dropped", count(r.Totals.Failed), count(r.Totals.Dropped))},
		{Label: "Response time p50", Value: l.Percentile(.5, l.P50), Note: "of succeeded requests"},
		{Label: "p99", Value: l.Percentile(.99, l.P99), Note: "max " + l.Milliseconds(l.Max)},
		{Label: "Succeeded rate", Value: Quantity(r.Rates.Succeeded, "/s"), Note: "planned " + Quantity(r.Rates.Planned, "/s")},
	}
	if r.World == "sim" {
		p.Facts = append(p.Facts, html.Fact{Label: "Seed", Value: fmt.Sprint(r.Seed), Note: "one seed, one result"})
	} else if r.World != WorldVegeta {
		p.Facts = append(p.Facts, html.Fact{Label: "Generator lag p99", Value: r.Validity.Lag.Milliseconds(r.Validity.Lag.P99), Note: "trusted up to " + Quantity(r.Validity.LagLimitMS, "ms")})
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

func gatesSection(r *Result) html.Section {
	t := &html.Table{Head: []string{"", "gate", "observed", "limit", "margin"}}
	for _, g := range r.Gates {
		verdict, margin := html.Cell{Text: "passed", Tone: html.Good}, ""
		if !g.Passed {
			verdict = html.Cell{Text: "failed", Tone: html.Bad}
		}
		if g.Observed != nil && g.Limit != 0 {
			share := 100 * (g.Limit - *g.Observed) / g.Limit
			if strings.HasPrefix(g.Op, ">") {
				share = -share
			}
			margin = fmt.Sprintf("%+.0f %% of the limit", share)
		}
		t.Rows = append(t.Rows, []html.Cell{verdict, html.Text(g.Expr), html.Num(g.ObservedText()), html.Num(g.Op + " " + Quantity(g.Limit, g.Unit)), html.Num(margin)})
	}
	return html.Section{ID: "gates", Title: "Gates", Blocks: []html.Block{{Table: t}}}
}

func trustSection(r *Result) html.Section {
	s := html.Section{ID: "trust", Title: "Can this run be trusted?"}
	v := r.Validity
	if r.World == WorldVegeta {
		s.Text = append([]string{"Not known: vegeta does not record when a request was due."}, r.Warnings...)
		return s
	}
	if v.Valid {
		s.Text = append(s.Text, "Yes: the load left on time and every judged window holds requests.")
	} else {
		s.Text = append(s.Text, "No: "+strings.Join(v.Reasons, "; ")+".")
	}
	if r.World == "sim" {
		s.Text = append(s.Text, "A simulated generator is never late. The figures leave out the time that balancer and backends themselves take.")
	}
	t := &html.Table{Head: []string{"", "observed", "limit"}}
	t.Rows = [][]html.Cell{
		{html.Text("generator lateness (offered − due), p50 / p99 / max"), html.Num(fmt.Sprintf("%s / %s / %s", v.Lag.Milliseconds(v.Lag.P50), v.Lag.Milliseconds(v.Lag.P99), v.Lag.Milliseconds(v.Lag.Max))), html.Num("p99 ≤ " + Quantity(v.LagLimitMS, "ms"))},
		{html.Text("CPU of the generator, of what it may use"), html.Num(Quantity(v.GeneratorCPU*100, "%")), html.Num("80 %")},
		{html.Text("planned = sent + dropped + cancelled"), html.Num(fmt.Sprintf("%d = %d + %d + %d", r.Totals.Planned, r.Totals.Sent, r.Totals.Dropped, r.Totals.Cancelled)), html.Text("")},
	}
	if v.Ceiling > 0 {
		peak := 0.
		for _, w := range r.Windows {
			peak = max(peak, w.Rates.Planned)
		}
		t.Rows = append(t.Rows, []html.Cell{
			html.Text("peak of the plan; what the generator reached beforehand against a server that does nothing"),
			html.Num(Quantity(peak, "/s") + "; " + Quantity(v.Ceiling, "/s")), html.Num("70 % of it"),
		})
	}
	if b := r.Balancer; b != nil {
		var attempts uint64
		for _, x := range r.Targets {
			attempts += x.Requests
		}
		t.Rows = append(t.Rows, []html.Cell{html.Text("attempts that the balancer counted at its targets; sent + retries"), html.Num(fmt.Sprintf("%d; %d + %d", attempts, r.Totals.Sent, b.Retries)), html.Text("")})
		if b.Limited+b.Waited+b.Overflow > 0 {
			t.Rows = append(t.Rows, []html.Cell{
				html.Text("beyond a rate limit; waited for a target with room; found the queue full"), html.Num(fmt.Sprintf("%d; %d; %d", b.Limited, b.Waited, b.Overflow)), html.Text(""),
			})
		}
	}
	s.Blocks = append(s.Blocks, html.Block{Table: t})
	s.Text = append(s.Text, r.Warnings...)
	return s
}

func ratesSection(r *Result) html.Section {
	return html.Section{
		ID: "rate", Title: "Load",
		Text:   []string{"Requests by when they were due. Where the lines part, requests failed or were never offered."},
		Blocks: []html.Block{{Figure: rateFigure(r)}},
	}
}

func latencySection(r *Result) html.Section {
	l := r.Latency
	row := func(name string, f Figures) []html.Cell {
		c := []html.Cell{html.Text(name)}
		for _, v := range []float64{f.Mean, f.P50, f.P90, f.P95, f.P99, f.P999, f.Max} {
			c = append(c, html.Num(f.Milliseconds(v)))
		}
		return append(c, html.Num(fmt.Sprint(f.Count)))
	}
	rows := [][]html.Cell{row("response time", l.Response), row("service time", l.Service), row("all, with failures", l.All)}
	if g := r.Parts; g != nil {
		for _, x := range []struct {
			name string
			Figures
		}{{"until the first byte", g.FirstByte}, {"connecting", g.Connect}, {"TLS handshake", g.TLS}} {
			if x.Count > 0 {
				rows = append(rows, row(x.name, x.Figures))
			}
		}
	}
	return html.Section{
		ID: "latency", Title: "Response time",
		Text: []string{
			"Response time runs from when a request was due: what a user waits, queueing included. Service time runs from the first byte sent: what a tool would say that waits for its own connections. Failures are in neither; the row of all holds them, at the moment the client gave up. Connecting and TLS are counted by connection made.",
		},
		Blocks: []html.Block{
			{Figure: latencyFigure(r)},
			{Table: &html.Table{
				Head: []string{"", "mean", "p50", "p90", "p95", "p99", "p99.9", "max", "requests"},
				Rows: rows,
			}},
			{Figure: percentileFigure(r)},
		},
	}
}

func errorsSection(r *Result) html.Section {
	s := html.Section{ID: "errors", Title: "Errors"}
	classes := errorClasses(r)
	if len(classes) == 0 {
		s.Text = []string{"None: every request that was judged succeeded."}
		return s
	}
	t := &html.Table{Head: []string{"class", "requests", "for example"}}
	for _, c := range classes {
		t.Rows = append(t.Rows, []html.Cell{html.Text(c), html.Num(count(r.Errors[c])), html.Text(r.Examples[c])})
	}
	s.Blocks = []html.Block{{Figure: errorFigure(r, classes)}, {Table: t}}
	return s
}

// errorClasses lists the classes, most frequent first.
func errorClasses(r *Result) []string {
	var classes []string
	for c := range r.Errors {
		classes = append(classes, c)
	}
	sort.Slice(classes, func(i, j int) bool {
		a, b := classes[i], classes[j]
		return r.Errors[a] > r.Errors[b] || (r.Errors[a] == r.Errors[b] && a < b)
	})
	return classes
}

func targetsSection(r *Result) html.Section {
	t := &html.Table{Head: []string{"target", "address", "requests", "share", "processes", "states"}}
	for _, x := range r.Targets {
		var gens, states []string
		for _, g := range x.Generations {
			s := fmt.Sprintf("#%d from %s", g.Generation, at(g.LaunchedMS))
			if g.Exit != "" {
				s += ": " + g.Exit + " at " + at(*g.ExitedMS)
			}
			if g.Served != nil {
				s += fmt.Sprintf(", served %d", *g.Served)
			}
			gens = append(gens, s)
		}
		for _, c := range x.Changes {
			states = append(states, fmt.Sprintf("%s %s", at(c.AtMS), c.To))
		}
		t.Rows = append(t.Rows, []html.Cell{
			html.Text(x.ID), html.Text(x.Address), html.Num(count(x.Requests)), html.Num(fmt.Sprintf("%.1f %%", x.Share*100)),
			html.Text(strings.Join(gens, "; ")), html.Text(strings.Join(states, ", ")),
		})
	}
	s := html.Section{ID: "targets", Title: "Targets", Text: []string{"Requests as the balancer counted them: every attempt, retries included, discarded phases left out of the table."}}
	for _, f := range targetFigures(r) {
		s.Blocks = append(s.Blocks, html.Block{Figure: f})
	}
	s.Blocks = append(s.Blocks, html.Block{Table: t})
	return s
}

func faultsSection(r *Result) html.Section {
	t := &html.Table{Head: []string{"fault", "kind", "on", "injected", "ended", "hits", "detected", "ejected", "recovered", "after its end", "lost"}}
	opt := func(v *float64) html.Cell {
		if v == nil {
			return html.Num("—")
		}
		return html.Num(Quantity(*v, "ms"))
	}
	when := func(v *float64) html.Cell {
		if v == nil {
			return html.Num("—")
		}
		return html.Num(at(*v))
	}
	for _, f := range r.Faults {
		t.Rows = append(t.Rows, []html.Cell{
			html.Text(f.ID), html.Text(f.Kind), html.Text(strings.Join(f.Targets, ", ")), when(f.InjectedMS), when(f.RevertedMS), html.Num(count(f.Hits)),
			opt(f.DetectMS), opt(f.EjectMS), opt(f.RecoverMS), opt(f.ResidualMS), html.Num(fmt.Sprintf("%.1f", f.Lost)),
		})
	}
	return html.Section{
		ID: "faults", Title: "Faults",
		Text: []string{
			"Detected: the balancer saw the first failed probe or exchange. Ejected: the last request was routed to the victim. Recovered: the scenario's objective held again; 0 when it never broke. Lost: failed requests until then, less those that would have failed anyway. A dash: it never happened.",
		},
		Blocks: []html.Block{{Table: t}},
	}
}

func scalingSection(r *Result) html.Section {
	s := html.Section{ID: "scaling", Title: "Scaling"}
	for _, x := range r.Scaling {
		stages := &html.Table{Head: []string{"server of " + x.Group, "breach", "decided", "launched", "booted", "in service", "first request", "breach to service"}}
		when := func(v *float64) html.Cell {
			if v == nil {
				return html.Num("—")
			}
			return html.Num(at(*v))
		}
		for _, w := range x.Waterfall {
			total := "—"
			if w.BreachMS != nil && w.InServiceMS != nil {
				total = Quantity(*w.InServiceMS-*w.BreachMS, "ms")
			}
			stages.Rows = append(stages.Rows, []html.Cell{
				html.Text(w.Server), when(w.BreachMS), when(w.DecidedMS), when(w.LaunchedMS), when(w.BootedMS), when(w.InServiceMS), when(w.FirstRequest), html.Num(total),
			})
		}
		if len(stages.Rows) == 0 {
			s.Text = append(s.Text, fmt.Sprintf("Group %s was never scaled out.", x.Group))
		} else {
			s.Blocks = append(s.Blocks, html.Block{Table: stages})
		}
		decisions := &html.Table{Head: []string{"at", "in service", "warming", "desired", "vote", "reason"}}
		for _, d := range x.Decisions {
			decisions.Rows = append(decisions.Rows, []html.Cell{
				html.Num(at(d.AtMS)), html.Num(fmt.Sprint(d.Signal.InService)), html.Num(fmt.Sprint(d.Signal.Warming)),
				html.Num(fmt.Sprintf("%d → %d", d.Signal.Desired, d.Desired)), html.Text(string(d.Vote)), html.Text(d.Reason),
			})
		}
		s.Blocks = append(s.Blocks, html.Block{Table: decisions, Fold: fmt.Sprintf("%d decisions of %s", len(x.Decisions), x.Group)})
	}
	return s
}

func phasesSection(r *Result) html.Section {
	periods := func(first string, list []Period, times bool) *html.Table {
		t := &html.Table{Head: []string{first, "planned", "succeeded", "failed", "dropped", "p50", "p99", "max"}}
		if times {
			t.Head = append([]string{first, "from", "to"}, t.Head[1:]...)
		}
		for _, p := range list {
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
				html.Num(f.Milliseconds(f.P50)), html.Num(f.Milliseconds(f.P99)), html.Num(f.Milliseconds(f.Max))))
		}
		return t
	}
	return html.Section{ID: "phases", Title: "Phases and requests", Blocks: []html.Block{
		{Table: periods("phase", r.Phases, true)},
		{Table: periods("request", r.Requests, false)},
		{Table: periods("window", r.Windows, true), Fold: "every window"},
	}}
}

func eventsSection(r *Result) html.Section {
	t := &html.Table{Head: []string{"at", "event", "on", "detail"}}
	for _, e := range r.Events {
		on := e.Target
		if on == "" {
			on = e.Fault
		}
		t.Rows = append(t.Rows, []html.Cell{html.Num(at(e.AtMS)), html.Text(e.Kind), html.Text(on), html.Text(e.Detail)})
	}
	return html.Section{ID: "events", Title: "Events", Blocks: []html.Block{{Table: t, Fold: fmt.Sprintf("%d events", len(t.Rows))}}}
}

func scenarioSection(r *Result) html.Section {
	var b bytes.Buffer
	text := string(r.Scenario)
	if json.Indent(&b, r.Scenario, "", "  ") == nil {
		text = b.String()
	}
	return html.Section{
		ID: "scenario", Title: "Scenario", Text: []string{fmt.Sprintf("Seed %d. Every value as it was in force, defaults filled in.", r.Seed)},
		Blocks: []html.Block{{Pre: text, Fold: "the resolved scenario"}},
	}
}

func at(ms float64) string { return fmt.Sprintf("%.2f s", ms/1000) }

func duration(ms float64) string { return fmt.Sprintf("%.0f s", ms/1000) }

// count writes a number with thin spaces between thousands.
func count(n uint64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}
