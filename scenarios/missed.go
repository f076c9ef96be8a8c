package scenarios

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/reports"
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

// missed is what is known of the successes that may have missed a fault because the generator was late, and would have failed
// by it.
type missed struct {
	n      uint64
	before uint64        // those that should have been sent before the fault was injected, itself late
	first  time.Duration // when the first of them should have been sent, in the fault's time
	slower uint64        // those that would not have failed, but would have taken longer
}

// missedFault is a fault that a success may have missed.
type missedFault struct {
	*faultRun
	before bool // it was due before the fault's injection, which may itself have come late
	beyond bool // it was sent only when the fault had ended
}

// inForce is the time in which a fault was in force, or should have been by the scenario: a generator that stands still
// injects and ends faults late. It has no end while that is not known. What the fault's targets being out of service means
// for it is told by quiet.
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

// over is when a fault ended, or should have: the earlier one of the two.
func (r *faultRun) over() time.Duration {
	end := forever
	if at, ok := r.End(); ok {
		end = at
	}
	if r.ended != nil {
		end = min(end, *r.ended)
	}
	return end
}

// missFaults notes which faults a success may have missed: the generator itself delayed it, and it was sent after the fault's
// end, or so much later in the fault's time that the system may have changed. Whether it had changed, and whether the fault
// would have failed the request at all, is known only later: see fails.
func (r *record) missFaults(s *measure.Sample) {
	if s.Outcome != measure.Succeeded || s.Stalled <= 0 {
		return
	}
	sent, late := s.SentLate()
	group := r.groupOf(s)
	r.scratch = r.scratch[:0]
	for _, f := range r.scheduled {
		from, to := f.inForce()
		due, beyond := max(sent-late, from), sent >= to
		if end, ok := f.End(); ok && f.ended == nil { // it may have ended, and nobody has told yet
			beyond = sent >= end
		}
		if late <= 0 || sent < from || due >= to || (!beyond && late < leastMissed) || (group != "" && group != f.Select.Group) {
			continue
		}
		r.scratch = append(r.scratch, missedFault{f, f.injected == nil || s.Due < *f.injected, beyond})
	}
	if len(r.scratch) > 0 {
		s.Missed = r.numberOf(r.scratch)
	}
}

// groupOf is the group that a request is for; empty where that is not known.
func (r *record) groupOf(s *measure.Sample) string {
	if r.groups != nil {
		return r.groups.of(s.Seq)
	}
	if m := r.fleet.byID[s.Target]; m != nil {
		return m.Group
	}
	return ""
}

// numberOf returns the number that stands for missed faults in samples and bins, from 1 on. There are few: only faults that
// overlap are missed together.
func (r *record) numberOf(list []missedFault) int {
	i := slices.IndexFunc(r.missable, func(known []missedFault) bool { return slices.Equal(known, list) })
	if i < 0 {
		i = len(r.missable)
		r.missable = append(r.missable, slices.Clone(list))
	}
	return i + 1
}

// fails reports whether successes may have failed had the generator not sent them late, between two instants: whether one
// of the faults that they missed could fail them, and the system may have changed before they were sent.
func (r *record) fails(faults int, first, last time.Duration) bool {
	return slices.ContainsFunc(r.missable[faults-1], func(m missedFault) bool { return r.failedBy(m.faultRun, first, last) })
}

func (r *record) failedBy(f *faultRun, first, last time.Duration) bool {
	from, _ := f.inForce()
	return r.canFail(f) && !r.quietFor(f, max(first, from), last)
}

// delays is by how much successes may have taken longer had they not missed the faults that they did: those that do nothing
// but delay, and had ended when these were sent.
func (r *record) delays(faults int) (sum time.Duration) {
	for _, m := range r.missable[faults-1] {
		if m.beyond {
			sum += m.kind.Delays
		}
	}
	return sum
}

// shortOfTimeout is the share of the shortest timeout that a delay must reach to fail requests by itself: with less, a
// request must have taken longer than the delay without it.
const shortOfTimeout = .5

// canFail reports whether a fault can fail requests. One that does nothing but delay them can when its longest delay is
// half as long as the shortest timeout of a request or longer, when one of its targets was taken out of service while it was in
// force, or when a request failed by its doing, as where a queue overflows.
func (r *record) canFail(f *faultRun) bool {
	if f.kind.Delays == 0 || f.failed || float64(f.kind.Delays) >= shortOfTimeout*float64(r.shortestTimeout(f)) {
		return true
	}
	return f.injected != nil && r.courseOf(f).left
}

// shortestTimeout is the shortest time after which somebody gives up a request to a fault's targets.
func (r *record) shortestTimeout(f *faultRun) time.Duration {
	limits := []time.Duration{r.s.Client.Timeout, r.s.Client.Stages.FirstByte}
	if retry := r.s.Client.Retry; retry != nil {
		limits = append(limits, retry.Timeout)
	}
	if r.s.Topology != nil {
		if g := r.s.Group(f.Select.Group); g != nil {
			limits = append(limits, g.Timeouts.Response, g.Timeouts.Exchange)
		}
	}
	shortest := forever
	for _, d := range limits {
		if d > 0 {
			shortest = min(shortest, d)
		}
	}
	return shortest
}

// noteFailure notes which faults that only delay may have failed a request all the same.
func (r *record) noteFailure(s *measure.Sample) {
	for _, f := range r.faults {
		if f.kind.Delays > 0 && !f.failed && !s.TooLate() {
			f.failed = f.mayHaveShaped(s)
		}
	}
}

// misses counts the successes of some bins that may have failed had the generator not sent them late.
func (p *player) misses(of func(b *measure.Bin, m *measure.Missed) bool) *measure.Misses {
	out := &measure.Misses{}
	for _, b := range p.rec.recorder.Bins() {
		for i := range b.Missed {
			if m := &b.Missed[i]; of(b, m) && p.rec.fails(m.Faults, m.First, m.Last) {
				out.Add(m.Status, m.N)
			}
		}
	}
	return out
}

// countMissed finds out of each fault what missed it and would have failed by it.
func (p *player) countMissed() {
	for _, f := range p.faults {
		f.missed = missed{}
	}
	for _, b := range p.rec.recorder.Bins() {
		for i := range b.Missed {
			m := &b.Missed[i]
			for _, x := range p.rec.missable[m.Faults-1] {
				switch from, _ := x.inForce(); {
				case p.rec.failedBy(x.faultRun, m.First, m.Last):
					x.missed.add(m.N, max(m.First, from), x.before)
				case x.beyond && x.kind.Delays > 0:
					x.missed.slower += m.N
				}
			}
		}
	}
}

func (m *missed) add(n uint64, first time.Duration, before bool) {
	if m.n == 0 || first < m.first {
		m.first = first
	}
	m.n += n
	if before {
		m.before += n
	}
}

// worstImpacts takes the measures of every fault as if each request that missed it had failed when it should have been
// sent: the balancer might have noticed it then, and the objective might have broken.
//
// Requests that were due before the injection break the objective at the injection, with which the watch begins. What then
// was broken may have been since the fault should have been injected.
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
		if f.missed.before > 0 && m.Broken && m.Recover != nil {
			since := *m.Recover + max(*f.injected-f.At, 0)
			m.Recover = &since
		}
		t := *m.tally.Worst(p.misses(func(b *measure.Bin, _ *measure.Missed) bool { return b.Start < p.ended && m.contains(b) }))
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

// whatMissedFaults says which requests would have failed at worst of those that a gate is about: those of its window, of its
// fault, or, where it asks about the objective, of every fault; else which would have taken longer.
func (p *player) whatMissedFaults(g *gate.Gate, worst *figures) string {
	var n, slower uint64
	var failing, delaying []string
	own := aboutAFault(g) && g.Metric != "recover" && g.Metric != "residual"
	for _, f := range p.faults {
		if own && g.ID != f.ID {
			continue
		}
		if n += f.missed.n; f.missed.n > 0 {
			failing = append(failing, f.ID)
		}
		if slower += f.missed.slower; f.missed.slower > 0 {
			delaying = append(delaying, f.ID)
		}
	}
	if n == 0 && slower > 0 {
		return fmt.Sprintf("%s had taken longer that %s due while %s in force, and %s sent only afterwards because the load generator itself stood still", reports.Plural(int64(slower), "request"), were(slower), faultsWere(delaying), were(slower))
	}
	switch {
	case !aboutAFault(g):
		w, _ := worst.window(g.Window, g.Request)
		n = w.MayBeBad
	case !own:
		n = p.misses(func(*measure.Bin, *measure.Missed) bool { return true }).N
	}
	return fmt.Sprintf("%s had failed that %s due while %s in force, and %s sent only afterwards or much later because the load generator itself stood still", reports.Plural(int64(n), "request"), were(n), faultsWere(failing), were(n))
}

// faultsWere is "fault a was", "faults a and b were" and so on.
func faultsWere(ids []string) string {
	switch len(ids) {
	case 0:
		return "a fault was"
	case 1:
		return "fault " + ids[0] + " was"
	}
	last := len(ids) - 1
	return "faults " + strings.Join(ids[:last], ", ") + " and " + ids[last] + " were"
}

func were(n uint64) string {
	if n == 1 {
		return "was"
	}
	return "were"
}

// aboutAFault reports whether a gate asks about a fault by its id.
func aboutAFault(g *gate.Gate) bool {
	return slices.Contains([]string{"detect", "eject", "recover", "residual", "lost"}, g.Metric)
}

// unseen says why a gate is not judged although it comes out the same on all sides: for a good part of the time in which a fault had an
// effect the generator stood still, so that hardly a request met it, and nobody knows what it would have done to those that would have: a
// delay may make a queue overflow, and what was late misses what the system was by then. It is empty when the gate is judged. A gate that
// has failed has failed on what was seen, but for detect and eject: the balancer notices a fault by requests.
func (p *player) unseen(g *gate.Gate, passed bool, f *figures) string {
	if !passed && g.Metric != "detect" && g.Metric != "eject" {
		return ""
	}
	for _, r := range p.faults {
		if aboutAFault(g) && g.ID != r.ID {
			continue
		}
		if stood, of := p.stoodStill(r, p.judgedBy(g, f)); stood > time.Duration(unseenShare*float64(of)) {
			return fmt.Sprintf("the load generator stood still, or worked off what had piled up meanwhile, for %.2f s of the %.2f s in which requests would have met fault %s", stood.Seconds(), of.Seconds(), r.ID)
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
			return from, max(from, min(to, p.lookedAtUntil(g, f)))
		case isPhase && ph.Name != g.Window, !isPhase && window < 0 && ph.Discard:
			return from, from
		case !isPhase && window >= 0:
			return max(from, f.impacts[window].from), min(to, f.impacts[window].to)
		}
		return from, to
	}
}

// stoodStill is for how long the generator stood still while a fault had an effect, in the time that a gate looks at; and how long that
// time is. The quiet stretches do not count: what comes then is the system without the fault's targets. In closed loops those of a fault
// with an end do: nobody knows what users would have met at its end.
func (p *player) stoodStill(r *faultRun, judged func(ph int) (from, to time.Duration)) (stood, of time.Duration) {
	begin, end := p.rec.effect(r)
	count := func(from, to time.Duration) {
		if from < to {
			of += to - from
			stood += p.stalledBetween(from, to)
		}
	}
	for i, ph := range p.s.Load.Phases {
		from, to := judged(i)
		from, to = max(from, begin), min(to, end)
		if _, ends := r.End(); !ends || ph.Users == 0 {
			for _, q := range p.rec.quiet(r) {
				if q.to == r.over() { // and none is in service until the first one is back
					q.to = p.rec.firstBack(r)
				}
				count(from, min(to, q.from))
				from = max(from, q.to)
			}
		}
		count(from, to)
	}
	return stood, of
}

// firstBack is when the first of a fault's targets that were out of service at its end was back; for ever when none was.
func (r *record) firstBack(f *faultRun) time.Duration {
	first, over := forever, f.over()
	for _, id := range f.targets {
		for _, o := range r.outages(f, id) {
			if o.back != nil && o.back.at > over {
				first = min(first, o.back.at)
			}
		}
	}
	return first
}

// effect is the time in which a fault is felt: while it is in force, and until those of its targets that it took out of service are back.
func (r *record) effect(f *faultRun) (from, to time.Duration) {
	from, to = f.inForce()
	if f.injected == nil || to == forever {
		return from, to
	}
	for _, id := range f.targets {
		for _, o := range r.outages(f, id) {
			if o.back == nil {
				return from, forever
			}
			to = max(to, o.back.at)
		}
	}
	return from, to
}

// turnFailure notes that a request failed which the generator itself delayed into a fault: it should have been sent before.
func (r *record) turnFailure(s *measure.Sample) {
	if s.Outcome == measure.Succeeded || s.Outcome == measure.Cancelled || s.Stalled <= 0 {
		return
	}
	sent, late := s.SentLate()
	for _, f := range r.scheduled {
		if from, _ := f.inForce(); sent-late < from && sent >= from {
			s.Turned = true
		}
	}
}
