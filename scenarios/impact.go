package scenarios

import (
	"slices"
	"sort"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/reports/gate"
)

// forever is later than every run.
const forever = time.Duration(1 << 62)

// impact is the measures of one fault.
type impact struct {
	gate.Fault
	lastRouted *time.Duration // since its injection
	from, to   time.Duration  // its window, between edges of bins; to is forever when the run ended within it
	tally      *measure.Tally // of the requests that belong to it
	planned    uint64
	charged    uint64
	expected   float64
}

// contains reports whether a bin lies in the fault's window.
func (m *impact) contains(b *measure.Bin) bool { return b.Start >= m.from && b.Start < m.to }

// impacts takes the measures of every fault from the run's events and bins, in the order of p.faults; a fault
// that was never injected has none. lower leaves out what the generator itself delayed.
//
// detect is the first failed probe or exchange of a target that the balancer noticed; eject, the moment when the
// last of its targets was taken out of service; recover and residual go by the scenario's objective; lost is the
// failed requests charged to the fault less those that were to be expected anyway.
//
// A fault's window begins with its injection and ends with the recovery and the end of the fault, whichever comes
// later; for a fault without an end, with the recovery, if the objective broke. What belongs to it are the
// requests due in it, and those that were under way at the injection and failed after it by the fault's doing.
func (p *player) impacts(lower bool) []impact {
	bins, side := p.rec.recorder.Bins(), asMeasured
	if lower {
		side = atBest
	}
	out := make([]impact, len(p.faults))
	for i, f := range p.faults {
		if f.injected != nil {
			out[i] = p.measureFault(f, side)
			if lower {
				p.shorten(&out[i], f)
				out[i].tally = out[i].tally.Lower()
			}
		}
	}
	p.charge(out, bins, lower)
	return out
}

func (p *player) measureFault(f *faultRun, side int) impact {
	t0, tr := *f.injected, p.ended
	ends := f.ended != nil && *f.ended < p.ended // a fault that is reverted after the load has none within it
	if ends {
		tr = *f.ended
	}
	m := impact{from: t0, to: forever}
	p.measureTargets(f, &m, p.rec.reach(f))
	bins, r := p.rec.recorder.Bins(), f.watch.recovery(side)
	m.Broken, m.Before = r.broken, r.broken && f.watch.before
	if !r.known {
		m.RecoverOver, m.ResidualOver = max(r.at-t0, 0), max(r.at-tr, 0)
	} else {
		d := r.at - t0
		m.Recover = &d
		if ends {
			residual := max(r.at-tr, 0)
			m.Residual = &residual
		}
		end := max(r.at, tr)
		if !ends && r.broken {
			end = r.at
		}
		if i := sort.Search(len(bins), func(i int) bool { return bins[i].Start >= end }); i < len(bins) && end < p.ended {
			m.to = bins[i].Start
		}
	}
	m.tally = p.rec.recorder.Between(m.from, min(m.to, p.ended)) // what drains after the load is no throughput
	m.tally.Merge(f.carried)
	m.planned = f.carried.Finished()
	for _, b := range bins {
		if m.contains(b) && b.Start < p.ended {
			m.planned += b.Planned
		}
	}
	if m.Empty = m.tally.Finished() == 0; m.Empty {
		m.Recover, m.Residual = nil, nil // of nothing nothing can be said
	}
	return m
}

// measureTargets looks at what the balancer made of the fault's targets within its reach. Those that were out of service
// already at the injection have nothing to be taken out of.
func (p *player) measureTargets(f *faultRun, m *impact, reach time.Duration) {
	t0 := *f.injected
	all := true
	for _, id := range f.targets {
		target := p.fleet.byID[id]
		if at, ok := target.firstTrouble(t0, reach); ok {
			if d := at - t0; m.Detect == nil || d < *m.Detect {
				m.Detect = &d
			}
		}
		if !target.healthyAt(t0) {
			continue
		}
		out := p.rec.outages(f, id)
		if len(out) == 0 {
			all = false
			continue
		}
		if d := out[0].left.at - t0; m.Eject == nil || d > *m.Eject {
			m.Eject = &d
		}
		if d := max(p.lastRouted(id, &out[0])-t0, 0); m.lastRouted == nil || d > *m.lastRouted {
			m.lastRouted = &d
		}
	}
	if !all {
		m.Eject = nil // one of them stayed in service
	}
}

// shorten takes the time in which the player itself stood still out of what that may have delayed: a fault's end, and
// what the generator noticed. What may have been noticed of its burst it leaves out.
func (p *player) shorten(m *impact, f *faultRun) {
	less := func(d *time.Duration, from time.Duration) *time.Duration {
		if d == nil {
			return nil
		}
		x := max(*d-p.stalledBetween(from, from+*d), 0)
		return &x
	}
	for _, d := range []**time.Duration{&m.Detect, &m.Eject} { // the burst may have done it to the target, unless that has no process
		if *d != nil && f.kind.Process == nil && p.inWake(*f.injected+**d) {
			*d = nil
		}
	}
	m.Detect, m.Eject, m.Recover = less(m.Detect, *f.injected), less(m.Eject, *f.injected), less(m.Recover, *f.injected)
	m.RecoverOver = *less(&m.RecoverOver, *f.injected)
	if f.ended != nil {
		m.Residual, m.ResidualOver = less(m.Residual, *f.ended), *less(&m.ResidualOver, *f.ended)
	}
}

// stalledBetween is how long the generator stood still from one instant to another.
func (p *player) stalledBetween(from, to time.Duration) (sum time.Duration) {
	for i := range p.played.Stalls {
		sum += p.played.Stalls[i].Within(from, to)
	}
	return sum
}

// charge counts each finished request for one fault at most, see countedFor, and charges the fault with those of them that
// failed. Requests go by when they ended. From what a fault is charged with go the failures that were to be expected: the
// error rate of the requests of the same phase that count for no fault, 0 where there are none, times the requests that
// count for it. A fault that does nothing while others do is so charged with what it is expected to be, and takes nothing
// from them.
func (p *player) charge(impacts []impact, bins []*measure.Bin, lower bool) {
	type period struct{ finished, failed uint64 }
	outside := make([]period, len(p.s.Load.Phases))
	inside := make([][]period, len(impacts)) // by fault and phase
	for i := range inside {
		inside[i] = make([]period, len(outside))
	}
	for _, b := range bins {
		owner := p.latest(impacts, b, func(*faultRun) bool { return true })
		count := func(fault int, finished, failed uint64) {
			x := &outside[b.Phase]
			if fault >= 0 {
				x = &inside[fault][b.Phase]
			}
			x.finished += finished
			x.failed += failed
		}
		untouched := b.Ended.Succeeded
		for _, s := range b.Served {
			hit := func(r *faultRun) bool { return slices.Contains(p.rec.hitBy[s.Hit], r) }
			count(p.countedFor(impacts, b, s.Fault, s.Group, hit, owner), s.N, 0)
			untouched -= s.N
		}
		count(owner, untouched, 0)
		for _, f := range b.Failures {
			failed := f.N
			if lower {
				failed -= f.Turned
			}
			hit := func(r *faultRun) bool { return f.Target != "" && slices.Contains(r.targets, f.Target) }
			count(p.countedFor(impacts, b, f.Fault, f.Group, hit, owner), f.N, failed)
		}
	}
	for i := range impacts {
		m := &impacts[i]
		for phase, x := range inside[i] {
			m.charged += x.failed
			m.expected += measure.Share(outside[phase].failed, outside[phase].finished) * float64(x.finished)
		}
		m.Lost = max(float64(m.charged)-m.expected, 0)
	}
}

// countedFor returns the index of the fault that requests which ended in a bin count for: the one that shaped their final
// attempt; else the latest injected of those that hit the attempt's target, or whose group the requests without one were for,
// while their window was open; else the owner, the latest injected of those whose window was open. It is -1 when there is none.
func (p *player) countedFor(impacts []impact, b *measure.Bin, shapedBy, group string, hit func(*faultRun) bool, owner int) int {
	if shapedBy != "" {
		if i := slices.IndexFunc(p.faults, func(r *faultRun) bool { return r.ID == shapedBy }); i >= 0 {
			return i
		}
	}
	if i := p.latest(impacts, b, hit); i >= 0 {
		return i
	}
	if group != "" {
		if i := p.latest(impacts, b, func(r *faultRun) bool { return r.Select.Group == group }); i >= 0 {
			return i
		}
	}
	return owner
}

// latest returns the index of the fault that was injected last of those whose window holds a bin and that fit;
// -1 when there is none.
func (p *player) latest(impacts []impact, b *measure.Bin, fits func(*faultRun) bool) int {
	best := -1
	for i, r := range p.faults {
		if r.injected != nil && impacts[i].contains(b) && fits(r) && (best < 0 || *r.injected >= *p.faults[best].injected) {
			best = i
		}
	}
	return best
}

// firstTrouble is when the balancer first saw the target fail in [from, to].
func (m *memberState) firstTrouble(from, to time.Duration) (time.Duration, bool) {
	for _, t := range m.troubles {
		if t.at >= from && t.at <= to {
			return t.at, true
		}
	}
	return 0, false
}

// healthyAt reports whether the target was in service just before an instant.
func (m *memberState) healthyAt(t time.Duration) bool {
	state := ""
	for _, c := range m.changes {
		if c.at >= t {
			break
		}
		state = c.to
	}
	return state == inServiceState
}

// lastRouted is the last request routed to a target before it was taken out of service. What the balancer tells with a change is the
// last request so far; a request chosen in the same instant shows when the target is back, or at the end.
func (p *player) lastRouted(target string, o *outage) time.Duration {
	switch {
	case o.back != nil:
		return o.back.lastRouted
	case p.stats != nil:
		return p.stats.Targets[target].LastRoute
	}
	return o.left.lastRouted
}
