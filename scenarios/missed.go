package scenarios

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/reports/gate"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
)

// What was measured is no upper bound where the system changes with time: a request that was due while a fault was in force,
// and that the generator itself sent only after it, succeeds. Gates on failures are therefore judged at worst too, as if
// each such request had failed. A closed loop does not even send while the generator stands still.

const (
	// leastMissed is how much of a fault's time a request must have been delayed by to have missed something while the fault
	// was in force all the time: as long as the narrowest bins, so as precisely as it is known at all when the system changed.
	leastMissed = 50 * time.Millisecond
	// unseenShare is the share of a fault's time that a closed loop may stand still: it misses at most that share of what
	// would have failed, no more than chance moves a count of a few hundred (1/√400).
	unseenShare = .05
)

// missed is what is known of the successes that missed a fault because the generator was late.
type missed struct {
	n      uint64
	before uint64        // those that should have been sent before the fault was injected, itself late
	first  time.Duration // when the first of them should have been sent, in the fault's time
}

// inForce is the time in which a fault was in force, or should have been by the scenario: a generator that stands still
// injects and ends faults late. It has no end while that is not known.
func (r *faultRun) inForce() (from, to time.Duration) {
	from, to = r.At, forever
	if end, ok := r.End(); ok {
		to = end
	}
	if r.injected == nil {
		return from, to
	}
	if r.ended == nil {
		return min(from, *r.injected), forever
	}
	return min(from, *r.injected), max(to, *r.ended)
}

// missFaults notes a success that missed a fault: the generator itself delayed it, and it was sent after the fault's end, or
// so much later in the fault's time that the system may have changed.
func (r *record) missFaults(s *measure.Sample) {
	if s.Outcome != measure.Succeeded || s.Stalled <= 0 {
		return
	}
	sent, late := s.SentLate()
	for _, f := range r.scheduled {
		from, to := f.inForce()
		due := max(sent-late, from)
		if late <= 0 || sent < from || due >= to || (sent < to && late < leastMissed) {
			continue
		}
		s.MayHaveFailed = true
		if f.missed.n == 0 || due < f.missed.first {
			f.missed.first = due
		}
		f.missed.n++
		if f.injected == nil || s.Due < *f.injected {
			f.missed.before++
		}
	}
}

// worstImpacts takes the measures of every fault as if each request that missed it had failed when it should have been
// sent: the balancer might have noticed it then, and the objective might have broken.
func (p *player) worstImpacts() []impact {
	out := make([]impact, len(p.faults))
	for i, f := range p.faults {
		if f.injected == nil {
			continue
		}
		m := p.measureFault(f, atWorst)
		if f.missed.n > 0 {
			m.Detect, m.Eject = sooner(m.Detect, f.missed.first-*f.injected), sooner(m.Eject, f.missed.first-*f.injected)
		}
		if f.missed.before > 0 { // nobody looked at the objective yet
			m.Recover, m.Residual = nil, nil
		}
		t := *m.tally.Worst()
		t.Failed += f.missed.before
		t.MayBeBad += f.missed.before
		m.tally, m.Empty = &t, t.Finished() == 0
		out[i] = m
	}
	p.charge(out, p.rec.recorder.Bins(), false)
	for i, f := range p.faults {
		m := &out[i]
		m.charged += f.missed.n
		m.Lost = max(float64(m.charged)-m.expected, 0)
	}
	return out
}

// sooner returns the earlier one of two times since an injection, of which the first may not have come.
func sooner(d *time.Duration, other time.Duration) *time.Duration {
	other = max(other, 0)
	if d != nil && *d < other {
		return d
	}
	return &other
}

// whatMissedFaults says which requests of a gate's window, or of its fault, would have failed at worst.
func (p *player) whatMissedFaults(g *gate.Gate, worst *figures) string {
	var n uint64
	var ids []string
	for _, f := range p.faults {
		if f.missed.n > 0 && (g.ID == f.ID || !aboutAFault(g)) {
			ids = append(ids, f.ID)
			n += f.missed.n
		}
	}
	if !aboutAFault(g) {
		w, _ := worst.window(g.Window)
		n = w.MayBeBad
	}
	return fmt.Sprintf("%d requests had failed that were due while fault %s was in force, and were sent only afterwards or much later because the load generator itself stood still", n, strings.Join(ids, ", "))
}

// aboutAFault reports whether a gate asks about a fault by its id.
func aboutAFault(g *gate.Gate) bool {
	return slices.Contains([]string{"detect", "eject", "recover", "residual", "lost"}, g.Metric)
}

// unseenByUsers says why a gate on failures is not judged although it comes out the same on all sides: while a fault was in
// force users sent nothing, because the generator stood still. It is empty when the gate is judged. A gate that has failed
// has failed on what was seen, but for detect and eject: the balancer notices a fault by requests.
func (p *player) unseenByUsers(g *gate.Gate, passed bool, f *figures) string {
	notices := g.Metric == "detect" || g.Metric == "eject"
	if !notices && (!passed || !(aboutAFault(g) || slices.Contains([]string{"error_rate", "failed", "dropped", "status", "rate"}, g.Metric))) {
		return ""
	}
	for i, r := range p.faults {
		if r.injected == nil || (aboutAFault(g) && g.ID != r.ID) {
			continue
		}
		if stood, of := p.stoodStill(r, &f.impacts[i], p.judgedBy(g, f)); stood > time.Duration(unseenShare*float64(of)) {
			return fmt.Sprintf("the load generator stood still, or worked off what had piled up meanwhile, for %.2f s of the %.2f s in which users would have met fault %s: they sent nothing then", stood.Seconds(), of.Seconds(), r.ID)
		}
	}
	return ""
}

// judgedBy returns what tells whether a gate looks at the requests of a phase between two instants of it.
func (p *player) judgedBy(g *gate.Gate, f *figures) func(ph int) (from, to time.Duration) {
	isPhase := slices.ContainsFunc(p.s.Load.Phases, func(ph plan.Phase) bool { return ph.Name == g.Window })
	window := slices.IndexFunc(p.faults, func(r *faultRun) bool { return r.ID == g.Window && r.injected != nil })
	return func(i int) (from, to time.Duration) {
		ph := &p.s.Load.Phases[i]
		switch from, to = ph.Start, ph.End; {
		case aboutAFault(g):
			return from, to
		case isPhase && ph.Name != g.Window, !isPhase && window < 0 && ph.Discard:
			return from, from
		case !isPhase && window >= 0:
			return max(from, f.impacts[window].from), min(to, f.impacts[window].to)
		}
		return from, to
	}
}

// stoodStill is for how long the generator stood still while a fault was in force on closed loops, in the time that a gate
// looks at; and how long that time is. A fault without an end counts until its targets
// had been taken out of service, and for the objective's window at least: what comes later is the system without them.
func (p *player) stoodStill(r *faultRun, m *impact, judged func(ph int) (from, to time.Duration)) (stood, of time.Duration) {
	begin, end := r.inForce()
	if _, ends := r.End(); !ends && m.Eject != nil {
		end = min(end, *r.injected+max(*m.Eject, p.s.Objective.Window))
	}
	for i, ph := range p.s.Load.Phases {
		if ph.Users == 0 {
			continue
		}
		if from, to := judged(i); max(from, begin) < min(to, end) {
			of += min(to, end) - max(from, begin)
			stood += p.stalledBetween(max(from, begin), min(to, end))
		}
	}
	return stood, of
}
