package scenarios

import (
	"fmt"
	"slices"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/reports"
	"github.com/seed-8025779b/shakedown/reports/gate"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
)

// figures are what gates are judged on: as measured, or the lower side, without what the generator itself delayed.
type figures struct {
	p       *player
	judged  *measure.Tally
	impacts []impact
	lower   bool
}

func (f *figures) side(t *measure.Tally) *measure.Tally {
	if f.lower {
		return t.Lower()
	}
	return t
}

// window returns the figures of a phase, a fault, a request's name or, for "", of all judged phases.
func (f *figures) window(name string) (gate.Window, bool) {
	p := f.p
	if name == "" {
		return gate.Window{Tally: f.judged, Seconds: f.judgedSeconds()}, true
	}
	for i, ph := range p.s.Load.Phases {
		if ph.Name == name {
			return gate.Window{Tally: f.side(p.rec.recorder.Phase(i)), Seconds: f.seconds(ph.Start, ph.Start+p.lengthOf(ph), ph.Users > 0)}, true
		}
	}
	for i, r := range p.faults {
		if r.ID == name && r.injected != nil {
			m := &f.impacts[i]
			from, to := m.from, min(m.to, p.ended)
			closed := slices.ContainsFunc(p.s.Load.Phases, func(ph plan.Phase) bool { return ph.Users > 0 && ph.Start < to && ph.End > from })
			return gate.Window{Tally: m.tally, Seconds: f.seconds(from, to, closed)}, true
		}
	}
	if t := p.rec.recorder.Requests()[name]; t != nil {
		return gate.Window{Tally: f.side(t), Seconds: f.judgedSeconds()}, true
	}
	return gate.Window{}, false
}

func (f *figures) judgedSeconds() (sum float64) {
	for _, ph := range f.p.s.Load.Phases {
		if !ph.Discard {
			sum += f.seconds(ph.Start, ph.Start+f.p.lengthOf(ph), ph.Users > 0)
		}
	}
	return sum
}

// seconds is the length of a stretch. A closed loop that stands still sends nothing, so on the lower side only the
// time in which it ran counts.
func (f *figures) seconds(from, to time.Duration, closed bool) float64 {
	d := to - from
	if f.lower && closed {
		d = max(d-f.p.stalledBetween(from, to), time.Millisecond)
	}
	return d.Seconds()
}

func (f *figures) fault(id string) (gate.Fault, bool) {
	for i, r := range f.p.faults {
		if r.ID == id && r.injected != nil {
			return f.impacts[i].Fault, true
		}
	}
	return gate.Fault{}, false
}

// scaleOut is the slowest scale-out of a group from breach to service; ok is false when none came into service. One that
// was still under way at the end counts as long as it had taken by then.
func (f *figures) scaleOut(group string) (slowest time.Duration, ok bool) {
	for _, sc := range f.p.scalers {
		if sc.cfg.Group != group {
			continue
		}
		for _, st := range sc.waterfall {
			until := f.p.ended
			if m := f.p.fleet.byID[st.id]; m != nil && m.inServiceAt != nil {
				until, ok = *m.inServiceAt, true
			}
			d := until - st.breach
			if f.lower {
				d = max(d-f.p.stalledBetween(st.breach, until), 0)
			}
			slowest = max(slowest, d)
		}
	}
	return slowest, ok
}

func (f *figures) facts() *gate.Facts {
	return &gate.Facts{
		Window: f.window, Fault: f.fault, ScaleOut: f.scaleOut,
		Imbalance: func() (float64, bool) { return imbalance(f.p.stats) },
	}
}

// judge decides the gates on both sides of what is known: where they disagree the run can't be trusted, unless it has
// failed on both sides by something else. When the run was stopped early they are judged on what there is.
func (p *player) judge(r *reports.Result, measured, lower *figures) {
	upperFacts, lowerFacts := measured.facts(), lower.facts()
	failed := false // for certain
	for _, g := range p.s.Gates {
		j, low := g.Judge(upperFacts), g.Judge(lowerFacts)
		out := reports.Gate{Expr: g.Expr, Metric: g.Metric, Window: g.Window, Limit: g.Limit, Op: g.Op, Unit: string(j.Unit), Passed: j.Passed, Judged: p.cause == nil, Note: j.Note}
		switch {
		case j.Happened:
			out.Observed = &j.Observed
		case j.Empty:
			out.Judged = false
			if p.cause == nil {
				p.distrust(r, "gate %s has nothing to judge: %s", g.Expr, j.Note)
			}
		case j.NoSuccess:
			out.Note = "no request succeeded"
		case j.Note != "":
			out.Note = "did not happen; " + j.Note
		default:
			out.Note = "did not happen"
		}
		if low.Happened && (!j.Happened || low.Observed != j.Observed) {
			out.Lower = &low.Observed
		}
		if p.cause == nil && low.Passed != j.Passed {
			out.Judged = false
			p.doubt("gate %s can't be judged: %s as measured, and %s without the time in which the load generator itself was late or stood still",
				g.Expr, observed(&j), observed(&low))
		} else if late := p.lateFor(&g); late != "" && out.Judged {
			out.Judged = false
			p.doubt("gate %s can't be judged: %s", g.Expr, late)
		}
		if d := p.scaledLate(&g); out.Judged && d > 0 {
			out.Judged = false
			p.doubt("gate %s can't be judged: the load generator's process stood still, and looked at the group up to %v late", g.Expr, d.Round(time.Millisecond))
		}
		if j.Few > 0 && out.Judged {
			p.warn("gate %s is judged on %d requests: %d are needed for that percentile to be more than chance", g.Expr, j.Few, j.Needed)
		}
		failed = failed || (out.Judged && !out.Passed)
		r.Gates = append(r.Gates, out)
	}
	failed = p.judgeTheRest(r, measured, lower) || failed
	p.settleDoubts(r, failed)
	r.Validity.Valid = len(r.Validity.Reasons) == 0
}

// scaledLate is by how much the scaling that a gate asks about may have come late by this process's own doing; 0 for other
// gates.
func (p *player) scaledLate(g *gate.Gate) (late time.Duration) {
	for _, sc := range p.scalers {
		if g.Metric == "scale_out" && g.ID == sc.cfg.Group {
			late = max(late, p.stoodStill(sc))
		}
	}
	return late
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

// observed is what a side of a gate came to.
func observed(j *gate.Judgement) string {
	if !j.Happened {
		return "no figure"
	}
	return reports.Quantity(j.Observed, string(j.Unit))
}

// judgeTheRest judges what no gate asks: that the system did not collapse and, where nothing is asked at all, that
// the figures are right. It reports whether the run has failed for certain.
func (p *player) judgeTheRest(r *reports.Result, measured, lower *figures) (failed bool) {
	asked, passed := false, false
	for _, g := range r.Gates {
		if g.Metric == "error_rate" && g.Window == "" {
			asked, passed = true, passed || g.Passed
		}
	}
	if reason := reports.Collapse(measured.judged); reason != "" && !passed {
		p.collapsed = reason
		failed = reports.Collapse(lower.judged) != ""
		if !failed && p.cause == nil && !asked { // a gate that asks for it is judged by itself
			p.doubt("%.1f %% of the requests failed as measured, and %.1f %% without failures that may be the generator's own doing",
				100*measured.judged.ErrorRate(), 100*lower.judged.ErrorRate())
		}
	}
	if len(p.s.Gates) == 0 && p.cause == nil {
		p.distrustFigures(r, measured, lower)
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
			worst, ok = max(worst, float64(x.Requests)/x.Expected-1), true
		}
	}
	return worst, ok
}
