package scenarios

import (
	"cmp"
	"slices"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/reports"
	"github.com/seed-8025779b/shakedown/reports/gate"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
)

// Whether a run can be trusted is judged where its gates are judged. Each request has a figure as measured, from its due
// time to its end, and one at best, that less the time in which the generator itself was late or stood still. The truth lies
// between, but for requests that missed a fault because they were sent late: what would have become of them is told at worst,
// see missed.go. A gate that comes out the same on all three sides is right, however busy the machine was.
const (
	// cpuLimit is the share of the CPU it may use above which a generator is likely to be late.
	cpuLimit = .8
	// bracketLimit is how far the upper side may exceed the lower one where no gate says what matters.
	bracketLimit = 1.2
	// keptStalls bounds the stalls that a result lists: the longest ones.
	keptStalls = 100
	// worthTelling is how far the sides lie apart for a warning to tell of it.
	worthTelling = 1.05
)

// validity tells how the generator did, and what makes a run invalid apart from its gates. What the system did never
// makes it invalid.
func (p *player) validity(r *reports.Result, judged *measure.Tally) {
	v := &r.Validity
	v.Reasons = []string{}
	v.Lag, v.GeneratorCPU, v.Ceiling = reports.LagOf(&judged.Lag), p.played.CPU, p.ceiling
	v.LagLimitMS, v.StalledRequests = reports.MS(p.played.LagLimit), judged.Delayed()
	v.Stalls, v.StalledMS, v.DrainedMS = longestStalls(p.played.Stalls)
	v.Bracket = p.bracket(judged)
	if p.s.HasClosed() {
		p.warn("a closed loop sends its next request when the last was answered: its figures tell of throughput, not of the response time at a rate")
	}
	if b := v.Bracket; b != nil && b.UpperMS > worthTelling*b.LowerMS {
		p.warn(reports.DelayedWarning+"%d of the judged requests: p%.5g lies between %s and %s", v.StalledRequests, b.Percentile, reports.Quantity(b.LowerMS, "ms"), reports.Quantity(b.UpperMS, "ms"))
	}
	if p.played.CPU > cpuLimit && !p.s.HasClosed() { // a closed loop takes what it can get
		p.warn("the generator used %.0f %% of the CPU it may use: above %.0f %% it is likely to be late", p.played.CPU*100, cpuLimit*100)
	}
	if n := judged.Errors[measure.Resources]; n > 0 {
		p.warn("%s failed because the load generator's machine had no port, descriptor or memory left for a connection, which says nothing about the system: raise ulimit -n, or lower client.connections", reports.Plural(int64(n), "request"))
	}
	t := r.Totals
	if t.Planned != t.Sent+t.Dropped+t.Cancelled {
		p.distrust(r, "%d requests were planned, but %d have an outcome", t.Planned, t.Sent+t.Dropped+t.Cancelled)
	}
	if p.cause != nil {
		return
	}
	if t.Planned > 0 {
		if share := measure.Share(judged.Offered, t.Planned); share < p.s.Validity.Offered {
			p.distrust(r, "the generator offered only %.2f %% of the requests that were due in time for them to be of use", share*100)
		}
	}
	for _, f := range p.faults {
		if f.hits == 0 {
			p.doubt("fault %s hit nothing: no exchange, probe or process was touched", f.ID)
		}
	}
	if judged.Finished() == 0 {
		p.distrust(r, "no request was due in the judged phases")
	}
}

// bracket returns both sides of the percentile at which they are furthest apart in proportion, of those that a result
// reports and the highest with enough requests beyond it; nil when the generator delayed none. A closed loop that
// drives the generator itself to its limit tells of throughput: it is only held to what is common in it, and not at all
// where open loops are judged besides.
func (p *player) bracket(judged *measure.Tally) *reports.Bracket {
	if !p.closedAtLimit() {
		return bracketOf(judged, openQuantiles(judged))
	}
	open := &measure.Tally{}
	for i, ph := range p.s.Load.Phases {
		if ph.Users == 0 && !ph.Discard {
			open.Merge(p.rec.recorder.Phase(i))
		}
	}
	if open.Finished() > 0 {
		return bracketOf(open, openQuantiles(open))
	}
	return bracketOf(judged, []float64{.5, .9})
}

// closedAtLimit reports whether a closed loop is judged that took whatever processor time the generator may use.
func (p *player) closedAtLimit() bool {
	return p.played.CPU > cpuLimit && slices.ContainsFunc(p.s.Load.Phases, func(ph plan.Phase) bool { return ph.Users > 0 && !ph.Discard })
}

func openQuantiles(t *measure.Tally) []float64 {
	n := max(t.Lower().Response.Count(), 1)
	highest := 1 - gate.Beyond/float64(n)
	out := []float64{.5}
	for _, q := range []float64{.9, .95, .99, .999} {
		if uint64(n) >= gate.Needed(q) {
			out = append(out, q)
		}
	}
	if highest > .5 && highest < .999 {
		out = append(out, highest)
	}
	return out
}

func bracketOf(t *measure.Tally, quantiles []float64) *reports.Bracket {
	low := t.Lower()
	if low == t || low.Response.Count() == 0 || t.Response.Count() == 0 {
		return nil
	}
	var b reports.Bracket
	upper, lower := t.Response.Dense(), low.Response.Dense()
	for _, q := range quantiles {
		up := reports.MS(upper.Quantile(q))
		down := min(reports.MS(lower.Quantile(q)), up)
		if b.Percentile == 0 || up*b.LowerMS > b.UpperMS*down {
			b = reports.Bracket{Percentile: 100 * q, UpperMS: up, LowerMS: down}
		}
	}
	return &b
}

// distrustFigures makes a run without gates invalid when a figure that stands for it may be wrong by too much: the
// bracket, the mean, the number of failures, or the time in which a closed loop ran.
func (p *player) distrustFigures(r *reports.Result, all *sides) {
	measured, lower := all[asMeasured], all[atBest]
	if b := r.Validity.Bracket; b != nil && p.apart(r, b.UpperMS, b.LowerMS) {
		p.doubt("the generator itself was late or stood still: p%.5g is %s as measured, and %s without that time", b.Percentile, reports.Quantity(b.UpperMS, "ms"), reports.Quantity(b.LowerMS, "ms"))
	}
	if why := p.otherCourse(&gate.Gate{}, measured); why != "" {
		p.doubt("%s", why)
	}
	p.distrustPhases(r)
	up, low := measured.judged, lower.judged
	if up, down := reports.MS(up.Response.Mean()), reports.MS(low.Response.Mean()); !p.closedAtLimit() && p.apart(r, up, down) {
		p.doubt("the generator itself was late or stood still: the mean is %s as measured, and %s without that time", reports.Quantity(up, "ms"), reports.Quantity(down, "ms"))
	}
	if failed, least := up.Failed+up.Dropped, low.Failed+low.Dropped; float64(failed) > bracketLimit*float64(least) && failed-least >= gate.Beyond {
		p.doubt("%d of the %d failed requests may not have failed without %s", failed-least, failed, p.ownPart())
	}
	if failed, most := up.Failed+up.Dropped, all[atWorst].judged.Failed+up.Dropped; float64(most) > bracketLimit*float64(failed) && most-failed >= gate.Beyond {
		p.doubt("%d requests failed, and %d if %s", failed, most, p.whatMissedFaults(&gate.Gate{}, all[atWorst]))
	}
	if seconds, ran := measured.judgedSeconds(), lower.judgedSeconds(); seconds > bracketLimit*ran {
		p.doubt("the generator stood still, or worked off what had piled up meanwhile, for %.2f of the %.2f s that are judged", seconds-ran, seconds)
	}
}

// ownPart names what the load generator itself had a part in.
func (p *player) ownPart() string {
	late, lacked := "the time in which the load generator itself was late or stood still", "what the load generator's machine had no port, descriptor or memory left for"
	switch {
	case !p.rec.recorder.Lacked():
		return late
	case len(p.played.Stalls) == 0:
		return lacked
	}
	return late + ", and " + lacked
}

// distrustPhases looks at each judged phase by itself: a short one has its own percentiles in the report, and hardly
// weighs in those of the whole run. One that a closed loop drives to the generator's limit is left out.
func (p *player) distrustPhases(r *reports.Result) {
	if len(p.doubts) > 0 { // of the whole run, or worse: it is known already
		return
	}
	for i, ph := range p.s.Load.Phases {
		if ph.Discard || (ph.Users > 0 && p.closedAtLimit()) {
			continue
		}
		t := p.rec.recorder.Phase(i)
		if b := bracketOf(t, openQuantiles(t)); b != nil && p.apart(r, b.UpperMS, b.LowerMS) {
			p.doubt("the generator itself was late or stood still in phase %s: p%.5g is %s as measured, and %s without that time", ph.Name, b.Percentile, reports.Quantity(b.UpperMS, "ms"), reports.Quantity(b.LowerMS, "ms"))
		}
	}
}

// apart reports whether two sides of a figure lie further apart than is tolerated.
func (p *player) apart(r *reports.Result, up, down float64) bool {
	return up > bracketLimit*down && up-down > r.Validity.LagLimitMS
}

// longestStalls returns the longest stalls in order of time, for how long the generator stood still in all, and for how
// long what had piled up meanwhile drained.
func longestStalls(stalls []measure.Stall) (out []reports.Stall, stopped, drained float64) {
	out = []reports.Stall{}
	for _, s := range stalls {
		stopped += reports.MS(s.Stopped)
		drained += reports.MS(s.Drained())
	}
	longest := slices.SortedFunc(slices.Values(stalls), func(a, b measure.Stall) int { return cmp.Compare(b.Length(), a.Length()) })
	longest = longest[:min(len(longest), keptStalls)]
	slices.SortFunc(longest, func(a, b measure.Stall) int { return cmp.Compare(a.From, b.From) })
	for _, s := range longest {
		out = append(out, reports.Stall{
			FromMS: reports.MS(s.From), ResumedMS: reports.MS(s.Resumed), ToMS: reports.MS(s.To), StoppedMS: reports.MS(s.Stopped), RanMS: reports.MS(s.Ran), Cause: string(s.Cause),
		})
	}
	return out, stopped, drained
}
