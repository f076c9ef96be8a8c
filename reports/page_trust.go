package reports

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-8025779b/shakedown/reports/html"
)

func gatesSection(r *Result) html.Section {
	t := &html.Table{Head: []string{"", "criterion", "observed", "limit", "headroom", "note"}}
	for i := range r.Gates {
		g := &r.Gates[i]
		verdict := html.Cell{Text: "passed", Tone: html.Good}
		switch {
		case g.unjudged():
			verdict = html.Cell{Text: "not judged", Tone: html.Warn}
		case !g.Passed:
			verdict = html.Cell{Text: "failed", Tone: html.Bad}
		}
		observed := Dash
		if g.Observed != nil {
			observed = Quantity(*g.Observed, g.Unit)
		}
		t.Rows = append(t.Rows, []html.Cell{
			verdict, html.Text(g.Expr), html.Num(observed), html.Num(g.Op + " " + Quantity(g.Limit, g.Unit)), html.Num(r.headroom(g)), html.Text(strings.Join(r.gateNotes(g), "; ")),
		})
	}
	return html.Section{
		ID: "gates", Title: "Pass/fail criteria (gates)",
		Text:   []string{"Each is a condition on the figures of this run. The run has passed when all of them hold."},
		Blocks: []html.Block{{Table: t}},
	}
}

// manifold is by how many times its limit a gate is missed before that reads better than a percentage.
const manifold = 5

// headroom says how far what was observed is from its limit.
func (r *Result) headroom(g *Gate) string {
	if g.Observed == nil || g.Limit == 0 || g.unjudged() {
		return ""
	}
	share := (g.Limit - *g.Observed) / g.Limit
	if strings.HasPrefix(g.Op, ">") {
		share = -share
	}
	switch {
	case !g.Passed && share < -manifold:
		return fmt.Sprintf("%.0f times the limit", 1-share)
	case !g.Passed:
		return "missed by " + roundedPercent(share)
	}
	side := "below"
	if strings.HasPrefix(g.Op, ">") {
		side = "above"
	}
	return roundedPercent(share) + " " + side + " the limit"
}

// roundedPercent writes a share without its sign in whole percent, and to a tenth, rounded down, where that would read as none or as all
// of it.
func roundedPercent(share float64) string {
	exact := 100 * math.Abs(share)
	percent := math.Round(exact)
	if exact < 1 || (exact > 99 && exact < 100) {
		percent = math.Floor(10*exact) / 10
	}
	return strconv.FormatFloat(percent, 'f', -1, 64) + " %"
}

// gateNotes is what there is to say of an observation.
func (r *Result) gateNotes(g *Gate) (notes []string) {
	switch {
	case g.unjudged():
		return []string{r.whyUnjudged(g)}
	case g.Note != "":
		notes = append(notes, g.Note)
	case g.Observed == nil:
		notes = append(notes, g.ObservedText())
	}
	if g.bracketed() {
		notes = append(notes, g.between())
	}
	if n, few := r.fewFor(g); few && g.Observed != nil {
		notes = append(notes, fmt.Sprintf("of only %s", Plural(n, "request")))
	}
	return notes
}

func trustSection(r *Result) html.Section {
	s := html.Section{ID: "trust", Title: "Can this run be trusted?"}
	v := r.Validity
	if r.World == WorldVegeta {
		s.Text = append([]string{"Not known: vegeta does not record when a request was due."}, r.notes()...)
		return s
	}
	isSimulated := r.World == "sim"
	s.Text = append(s.Text, trustText(r))
	if text := r.stallText(); text != "" {
		s.Text = append(s.Text, text)
	}
	if isSimulated {
		s.Text = append(s.Text, "A simulated load generator is never late. The figures leave out the time that balancer and backends themselves take.")
	}
	t := &html.Table{Head: []string{"", "observed", "tolerated"}}
	row := func(name, observed, tolerated string) {
		t.Rows = append(t.Rows, []html.Cell{html.Text(name), html.Text(observed), html.Num(tolerated)})
	}
	delay := v.tolerated() + " of a request"
	if isSimulated {
		delay = ""
	}
	row("Delay between scheduled and actual send, p50 / p99 / max",
		fmt.Sprintf("%s / %s / %s", v.Lag.Milliseconds(v.Lag.P50), v.Lag.Milliseconds(v.Lag.P99), v.Lag.Milliseconds(v.Lag.Max)), delay)
	if v.StalledMS > 0 {
		row("Load generator stood still, in all; worked off what had piled up meanwhile", Quantity(v.StalledMS, "ms")+"; "+Quantity(v.DrainedMS, "ms"), "")
	}
	if v.StalledRequests > 0 {
		row("Requests that the load generator itself delayed", count(v.StalledRequests), "")
	}
	if b := v.Bracket; b != nil {
		row(percentileName(b.Percentile)+" of the response time without that time; as measured", Quantity(b.LowerMS, "ms")+"; "+Quantity(b.UpperMS, "ms"), "")
	}
	if !isSimulated {
		row("Load generator CPU (% of its allowance)", percent(v.GeneratorCPU), "80 %")
	}
	row("planned = sent + dropped + cancelled", fmt.Sprintf("%s = %s + %s + %s", count(r.Totals.Planned), count(r.Totals.Sent), count(r.Totals.Dropped), count(r.Totals.Cancelled)), "")
	if v.Ceiling > 0 {
		peak := 0.
		for i := range r.Windows {
			if w := &r.Windows[i]; w.StartMS < r.DurationMS { // the rest was not played
				peak = max(peak, w.Rates.Planned)
			}
		}
		row("Peak planned rate; load generator capacity, measured before the run", Quantity(peak, "/s")+"; "+Quantity(v.Ceiling, "/s"), "70 % of the capacity")
	}
	balancerRows(r, row)
	s.Blocks = append(s.Blocks, html.Block{Table: t})
	s.Text = append(s.Text, r.notes()...)
	return s
}

// tolerated is how much delay of a single request by the load generator counts as none.
func (v *Validity) tolerated() string { return "up to " + Quantity(v.LagLimitMS, "ms") }

// trustText is the short answer. What stood still is told beside it, and drawn in the figures.
func trustText(r *Result) string {
	switch v := r.Validity; {
	case !v.Valid:
		return "No: " + strings.Join(v.Reasons, "; ") + "."
	case r.Verdict == Interrupted || r.Verdict == Aborted:
		return "Only for the time until the run was stopped. Gates marked “not judged” were left open."
	case v.StalledRequests > 0 || len(v.Stalls) > 0:
		return "Yes, within the bounds below. Every period checked has data."
	}
	return "Yes. Requests were sent on schedule, and every period checked has data."
}

// inAllPhases is added to the name of a figure that counts the discarded phases too, where there are any.
func (r *Result) inAllPhases() string {
	if slices.ContainsFunc(r.Phases, func(p Period) bool { return p.Discarded }) {
		return " (in all phases, those that are not judged included)"
	}
	return ""
}

// balancerRows tells what the balancer counted, where it did.
func balancerRows(r *Result, row func(name, observed, tolerated string)) {
	b := r.Balancer
	if b == nil {
		return
	}
	var attempts uint64
	for _, x := range r.Targets {
		attempts += x.Requests
	}
	all := r.inAllPhases()
	sent, what := r.Totals.Sent, "sent"
	if len(r.Retried) > 0 {
		sent, what = r.Totals.Attempts, "attempts of the client"
	}
	row("Attempts that the balancer counted at its targets; "+what+" + retries", fmt.Sprintf("%s; %s + %s", count(attempts), count(sent), count(b.Retries)), "")
	if b.Unrouted > 0 {
		row("Requests for which the balancer had no target or no rule: sent, but at no target"+all, count(b.Unrouted), "")
	}
	if b.Limited+b.Waited+b.Overflow > 0 {
		row("Requests beyond a rate limit; attempts that waited for a target with room; attempts that found the queue full"+all,
			fmt.Sprintf("%s; %s; %s", count(b.Limited), count(b.Waited), count(b.Overflow)), "")
	}
}
