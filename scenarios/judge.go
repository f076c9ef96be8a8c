package scenarios

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/reports"
	"github.com/seed-8025779b/shakedown/reports/gate"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
)

// figures are what gates are judged on, on one side: as measured; at best, without what the generator itself delayed; or at
// worst, had each request failed that missed a fault because the generator was late.
type figures struct {
	p           *player
	judged      *measure.Tally
	impacts     []impact
	on          int
	otherCourse *courseChange // the first change that the generator itself may have caused; nil when there is none. Only as measured
}

// side returns a tally as this side sees it; of tells which of the bins' successes that may have missed faults belong to it.
func (f *figures) side(t *measure.Tally, of func(b *measure.Bin, m *measure.Missed) bool) *measure.Tally {
	switch f.on {
	case atBest:
		return t.Lower()
	case atWorst:
		return t.Worst(f.p.misses(of))
	}
	return t
}

// isJudged reports whether a bin is part of a phase that is judged.
func (p *player) isJudged(b *measure.Bin, _ *measure.Missed) bool {
	return !p.s.Load.Phases[b.Phase].Discard
}

// window returns the figures of a phase, a fault, a request's name or, for "", of all judged phases.
func (f *figures) window(name, request string) (gate.Window, bool) {
	p := f.p
	if name == "" {
		return gate.Window{Tally: f.judged, Seconds: f.judgedSeconds()}, true
	}
	for i, ph := range p.s.Load.Phases {
		if ph.Name == name {
			tally := p.rec.recorder.Phase(i)
			if request != "" {
				tally = p.rec.recorder.PhaseRequest(i, request)
			}
			inPhase := func(b *measure.Bin, m *measure.Missed) bool {
				return b.Phase == i && (request == "" || m.Request == request)
			}
			return gate.Window{Tally: f.side(tally, inPhase), Seconds: f.length(ph.Start, ph.Start+p.lengthOf(ph), ph.Users > 0).Seconds()}, true
		}
	}
	for i, r := range p.faults {
		if r.ID == name && r.injected != nil {
			m := &f.impacts[i]
			from, to := m.from, min(m.to, p.ended)
			closed := slices.ContainsFunc(p.s.Load.Phases, func(ph plan.Phase) bool { return ph.Users > 0 && ph.Start < to && ph.End > from })
			return gate.Window{Tally: m.tally, Seconds: f.length(from, to, closed).Seconds()}, true
		}
	}
	if t := p.rec.recorder.Requests()[name]; t != nil {
		named := func(b *measure.Bin, m *measure.Missed) bool { return m.Request == name && p.isJudged(b, m) }
		return gate.Window{Tally: f.side(t, named), Seconds: f.judgedSeconds()}, true
	}
	return gate.Window{}, false
}

func (f *figures) judgedSeconds() float64 {
	var sum time.Duration
	for _, ph := range f.p.s.Load.Phases {
		if !ph.Discard {
			sum += f.length(ph.Start, ph.Start+f.p.lengthOf(ph), ph.Users > 0)
		}
	}
	return sum.Seconds()
}

// length is how long a stretch is. A closed loop that stands still sends nothing, so on the lower side only the
// time in which it ran counts.
func (f *figures) length(from, to time.Duration, closed bool) time.Duration {
	d := to - from
	if f.on == atBest && closed {
		d = max(d-f.p.stalledBetween(from, to), time.Millisecond)
	}
	return d
}

// fault returns a fault's measures. Nothing is known of its recovery when it was to end within the load, which ended sooner than a window
// of the objective after that.
func (f *figures) fault(id string) (gate.Fault, bool) {
	for i, r := range f.p.faults {
		if r.ID == id && r.injected != nil {
			x := f.impacts[i].Fault
			if r.watch.ends && len(r.targets) > 0 && (r.ended == nil || *r.ended+f.p.s.Objective.Window > f.p.ended) {
				x.Recover, x.Residual, x.RecoverOver, x.ResidualOver = nil, nil, 0, 0
			}
			return x, true
		}
	}
	return gate.Fault{}, false
}

// scaleOut is the slowest scale-out of a group from breach to service; ok is false when none came into service. One that
// was still under way at the end counts as long as it had taken by then.
func (f *figures) scaleOut(group string) (slowest time.Duration, ok bool) {
	f.scaleOuts(group, func(st *stages, until time.Duration, came bool) {
		d := until - st.breach
		if f.on == atBest {
			d = max(d-f.p.stalledBetween(st.breach, until), 0)
		}
		slowest, ok = max(slowest, d), ok || came
	})
	return slowest, ok
}

// scaledOutAt is when the last server of a group's scale-outs came into service: what comes then changes none of them. It is the end of the
// load where one never came, or there was none.
func (f *figures) scaledOutAt(group string) (last time.Duration) {
	f.scaleOuts(group, func(_ *stages, until time.Duration, _ bool) { last = max(last, until) })
	if last == 0 {
		return f.p.ended
	}
	return last
}

// scaleOuts goes through the servers that scaling added to a group: until when each was on its way, and whether it came into service.
func (f *figures) scaleOuts(group string, each func(st *stages, until time.Duration, came bool)) {
	for _, sc := range f.p.scalers {
		if sc.cfg.Group != group {
			continue
		}
		for _, st := range sc.waterfall {
			if m := f.p.fleet.byID[st.id]; m != nil && m.inServiceAt != nil {
				each(st, *m.inServiceAt, true)
			} else {
				each(st, f.p.ended, false)
			}
		}
	}
}

func (f *figures) facts() *gate.Facts {
	return &gate.Facts{
		Window: f.window, Fault: f.fault, ScaleOut: f.scaleOut,
		Imbalance: func() (float64, bool) { return imbalance(f.p.stats) },
	}
}

// sides are all figures that gates are judged on: as measured, at best and at worst.
type sides [3]*figures

// judge decides the gates on all sides of what is known: where they disagree the run can't be trusted, unless it has
// failed on all of them by something else. When the run was stopped early they are judged on what there is.
func (p *player) judge(r *reports.Result, all *sides) {
	failed := len(p.broken) > 0 // for certain
	excused := [len(sides{})]bool{}
	for i := range p.s.Gates {
		g := gate.Gate(p.s.Gates[i])
		var on [len(sides{})]gate.Judgement
		for i, f := range all {
			on[i] = g.Judge(f.facts())
			excused[i] = excused[i] || (g.Metric == "error_rate" && g.Window == "" && on[i].Passed)
		}
		out := p.judgeGate(g, &on, all)
		failed = failed || (out.Judged && !out.Passed)
		r.Gates = append(r.Gates, out)
	}
	failed = p.judgeTheRest(r, all, &excused) || failed
	p.settleDoubts(r, failed)
	r.Validity.Valid = len(r.Validity.Reasons) == 0
}

// hitNothing tells that the fault that a gate is about touched nothing: nothing can be said of it, whatever the gate came to.
func (p *player) hitNothing(g *gate.Gate) string {
	for _, r := range p.faults {
		if r.hits == 0 && g.About(r.ID) {
			return "fault " + r.ID + " hit nothing"
		}
	}
	return ""
}

// lateFor tells what of the fault that a gate is about came late; it is empty when nothing did.
func (p *player) lateFor(g *gate.Gate) string {
	for _, r := range p.faults {
		if r.late != "" && g.About(r.ID) {
			return r.late
		}
	}
	return ""
}

// judgeGate makes a gate's result of what it came to on each side, and notes why it is not judged.
func (p *player) judgeGate(g gate.Gate, on *[len(sides{})]gate.Judgement, all *sides) reports.Gate {
	j, low, worst := &on[asMeasured], &on[atBest], &on[atWorst]
	out := reports.Gate{Expr: g.Expr, Metric: g.Metric, Window: g.Window, Request: g.Request, Limit: g.Limit, Op: g.Op, Unit: string(j.Unit), Passed: j.Passed, Judged: p.cause == nil && !j.Empty, Note: j.Note}
	switch {
	case j.Happened:
		out.Observed = &j.Observed
	case j.Note == "":
		out.Note = "did not happen"
	case j.Note == gate.BrokenBefore:
		out.Note = "did not happen; " + j.Note
	}
	if low.Happened && (!j.Happened || low.Observed != j.Observed) {
		out.Lower = &low.Observed
	}
	if p.cause != nil {
		return out
	}
	why := ""
	switch {
	case !agree(j, low):
		why = fmt.Sprintf("%s as measured, and %s without %s", observed(j), observed(low), p.ownPart())
	case !agree(j, worst):
		why = fmt.Sprintf("%s as measured, and %s if %s", observed(j), observed(worst), p.whatMissedFaults(&g, all[atWorst]))
		out.Why = why
	case j.Empty:
		p.doubt("gate %s has nothing to judge: %s", g.Expr, j.Note)
	default:
		why = cmp.Or(p.hitNothing(&g), p.unseen(&g, j.Passed, all[asMeasured]), p.lateFor(&g), p.otherCourse(&g, all[asMeasured]))
		out.Why = why
	}
	if why != "" {
		out.Judged = false
		p.doubt("gate %s can't be judged: %s", g.Expr, why)
	}
	if !j.Happened && !low.Happened { // no figures tell it
		out.Why = why
	}
	if j.Few > 0 && out.Judged {
		p.warn("gate %s is judged on %s: %d are needed for that percentile to be more than chance", g.Expr, reports.Plural(int64(j.Few), "request"), j.Needed)
	}
	return out
}

// agree reports whether a gate comes out the same on two sides.
func agree(a, b *gate.Judgement) bool { return a.Passed == b.Passed && a.Empty == b.Empty }

// observed is what a side of a gate came to.
func observed(j *gate.Judgement) string {
	switch {
	case j.Happened:
	case j.Empty:
		return "no figure"
	case j.Note == "", j.Note == gate.BrokenBefore:
		return "did not happen"
	default:
		return j.Note
	}
	return reports.Quantity(j.Observed, string(j.Unit))
}

// judgeTheRest judges what no gate asks: that the system did not collapse, unless a gate on the error rate excuses it on
// that side, and, where nothing is asked at all, that the figures are right. It reports whether the run has failed for
// certain.
func (p *player) judgeTheRest(r *reports.Result, all *sides, excused *[len(sides{})]bool) (failed bool) {
	asked := slices.ContainsFunc(r.Gates, func(g reports.Gate) bool { return g.Metric == "error_rate" && g.Window == "" })
	collapsed := 0
	for i, f := range all {
		if reports.Collapse(f.judged) != "" && !excused[i] {
			collapsed++
		}
	}
	other := all[asMeasured].otherCourse
	switch failed = collapsed == len(all); {
	case failed && other != nil && other.retries:
		failed = false
		p.doubt("%s", other)
	case failed:
		p.collapsed = reports.Collapse(all[asMeasured].judged)
	case collapsed > 0 && p.cause == nil && !asked: // a gate that asks for it is judged by itself
		p.doubt("%.1f %% of the requests failed as measured, %.1f %% without failures that may be the generator's own doing, and %.1f %% with successes that may be",
			100*all[asMeasured].judged.ErrorRate(), 100*all[atBest].judged.ErrorRate(), 100*all[atWorst].judged.ErrorRate())
	}
	if len(p.s.Gates) == 0 && p.cause == nil {
		p.distrustFigures(r, all)
	}
	return failed
}

// doubt notes that something that is judged may come out otherwise without the generator's own delays.
func (p *player) doubt(format string, args ...any) {
	p.doubts = append(p.doubts, fmt.Sprintf(format, args...))
}

// settleDoubts makes a run with doubts invalid, unless it has failed for certain: then they change nothing, and are
// warnings.
func (p *player) settleDoubts(r *reports.Result, failed bool) {
	if failed && len(r.Validity.Reasons) == 0 {
		p.warnings = append(p.warnings, p.doubts...)
		return
	}
	r.Validity.Reasons = append(r.Validity.Reasons, p.doubts...)
}

func (p *player) distrust(r *reports.Result, format string, args ...any) {
	r.Validity.Reasons = append(r.Validity.Reasons, fmt.Sprintf(format, args...))
}

// leastExpected is how many requests a target should have had at least for its share to be more than chance.
const leastExpected = 20

// imbalance is how far the most loaded target's requests exceed those that it should have had by its weight while
// it took traffic, as a share of these: with equal weights the largest share over the mean share, less 1. Targets that
// should have had fewer than 20 do not count.
func imbalance(stats *plan.Stats) (worst float64, ok bool) {
	if stats == nil {
		return 0, false
	}
	for _, x := range stats.Targets {
		if x.Expected >= leastExpected {
			worst, ok = max(worst, (float64(x.Requests)-x.Expected)/x.Expected), true
		}
	}
	return worst, ok
}
