package reports

import (
	"strings"

	"github.com/seed-8025779b/shakedown/reports/gate"
)

// unjudged reports whether a gate was left open: what it says of having passed means nothing. See whyUnjudged.
func (g *Gate) unjudged() bool { return !g.Judged }

// whyUnjudged is why a gate was left open: the run was stopped, no request was in its window, or it comes out
// otherwise without the time in which the load generator itself was late or stood still.
func (r *Result) whyUnjudged(g *Gate) string {
	side := func(v *float64) string {
		if v == nil {
			return "no figure"
		}
		return Quantity(*v, g.Unit)
	}
	switch {
	case r.Verdict == Interrupted || r.Verdict == Aborted:
		return "the run was stopped early"
	case g.Why != "":
		return g.Why
	case g.Observed != nil || g.Lower != nil:
		return side(g.Observed) + " as measured, but " + side(g.Lower) + " without what the load generator itself delayed"
	case g.Note != "":
		return g.Note
	}
	return "nothing was observed"
}

// reasons are the verdict's, without those about gates that were not judged.
func (r *Result) reasons() (reasons []string) {
	for _, reason := range r.Reasons {
		if g := r.gateOf(reason); g == nil || !g.unjudged() {
			reasons = append(reasons, reason)
		}
	}
	return reasons
}

// gateOf returns the gate that a reason is about; nil when it is about none.
func (r *Result) gateOf(reason string) *Gate {
	for i := range r.Gates {
		if strings.HasPrefix(reason, r.Gates[i].Expr+": ") {
			return &r.Gates[i]
		}
	}
	return nil
}

// ObservedText is what was observed, for a person: a value with its unit, and what there is to say of it.
func (g *Gate) ObservedText() string {
	if g.Observed == nil {
		if g.Note != "" {
			return g.Note
		}
		return "did not happen"
	}
	s := Quantity(*g.Observed, g.Unit)
	if g.bracketed() {
		s = g.between()
	}
	if g.Note != "" {
		s += " (" + g.Note + ")"
	}
	return s
}

// between tells both values of a gate that is bracketed, the smaller one first.
func (g *Gate) between() string {
	from, to := min(*g.Lower, *g.Observed), max(*g.Lower, *g.Observed)
	return "between " + Quantity(from, g.Unit) + " and " + Quantity(to, g.Unit) + ": the load generator was late or stood still"
}

// bracketed reports whether the truth lies between two values that a person can tell apart, because the load generator
// was late or stood still.
func (g *Gate) bracketed() bool {
	return g.Observed != nil && g.Lower != nil && Quantity(*g.Lower, g.Unit) != Quantity(*g.Observed, g.Unit)
}

// observed is what a gate observed, for a person. A percentile of too few requests tells of how many it is.
func (r *Result) observed(g *Gate) string {
	switch {
	case g.unjudged():
		return "not judged: " + r.whyUnjudged(g)
	case g.Observed == nil:
		return g.ObservedText()
	}
	s := g.ObservedText()
	if n, few := r.fewFor(g); few {
		s += " (of " + Plural(n, "request") + ")"
	}
	return s
}

// observation is what a gate observed, or that there was nothing to observe, as the end of a sentence.
func (r *Result) observation(g *Gate) string {
	if g.Observed == nil {
		return r.observed(g)
	}
	return "observed " + r.observed(g)
}

// fewFor returns how many requests a gate's percentile is of, and whether they are too few for it. Windows of which
// the result holds no such figures, such as a phase and a request at once, are left out.
func (r *Result) fewFor(g *Gate) (n int64, few bool) {
	q, isPercentile := gate.Quantile(g.Metric)
	l, known := r.latencyIn(g.Window)
	if !isPercentile || !known || g.Request != "" {
		return 0, false
	}
	n = l.Response.Count
	if strings.HasSuffix(g.Metric, "_all") {
		n = l.All.Count
	}
	return n, !Reliable(q, n)
}

// latencyIn returns the latency of a gate's window: a phase, a fault, a request, or all judged phases.
func (r *Result) latencyIn(window string) (*Latency, bool) {
	if window == "" {
		return &r.Latency, true
	}
	for _, list := range [][]Period{r.Phases, r.Requests} {
		for i := range list {
			if list[i].Name == window {
				return &list[i].Latency, true
			}
		}
	}
	for i := range r.Faults {
		if f := &r.Faults[i]; f.ID == window && f.Window != nil {
			return &f.Window.Latency, true
		}
	}
	return nil, false
}
