package scenarios

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/reports/gate"
)

// A generator that stands still and then sends what has piled up is a load that nobody asked for. A system that stays as it is works it
// off, and the two sides of each figure bound the truth. One that changes for it, such as when the burst fills queues so that a healthy
// target is ejected, or when it makes scaling add servers, takes another course, of which no figure afterwards bounds anything.

//
// So do clients that try again: what a burst makes fail comes once more, which may go on by itself for good, and it spends the budget that
// a fault later on is met with.

// courseChange is a change of the system that the load generator itself may have caused, or moved in time.
type courseChange struct {
	since   time.Duration // when the generator stood still
	what    string
	retries bool // it is that clients tried again
}

// String says what happened, and why that matters.
func (c *courseChange) String() string {
	return fmt.Sprintf("the load generator stood still at %.2f s, and %s: without that the system may have taken another course", c.since.Seconds(), c.what)
}

// firstCourseChange is the earliest one of a run, nil when there is none: what comes after it is open, whatever else happens.
func (p *player) firstCourseChange() (first *courseChange) {
	note := func(since time.Duration, format string, args ...any) {
		if first == nil || since < first.since {
			first = &courseChange{since: since, what: fmt.Sprintf(format, args...)}
		}
	}
	turns := p.unexplained()
	for i := range p.played.Stalls {
		s := &p.played.Stalls[i]
		next := sort.Search(len(turns), func(i int) bool { return turns[i].at >= s.From })
		if s.LongestStop() >= leastMissed && next < len(turns) && turns[next].at <= p.wake(s) {
			note(s.From, "%s", &turns[next])
		}
		if s.LongestStop() >= leastMissed && p.triedAgain(s) && (first == nil || s.From < first.since) {
			first = &courseChange{s.From, "clients tried again what it had held back", true}
		}
		for _, sc := range p.scalers {
			reach := s.To + time.Duration(sc.keep+1)*sc.cfg.Timing.MetricPeriod
			for _, at := range sc.scaled {
				if s.LongestStop() > sc.tolerated() && at > s.From && at <= reach {
					note(s.From, "group %s was scaled at %.2f s, by what was seen of it meanwhile", sc.cfg.Group, at.Seconds())
				}
			}
		}
	}
	for _, sc := range p.scalers {
		for _, t := range sc.late { // how the group would have been scaled then is not known
			note(t.at, "group %s was looked at %v late for scaling", sc.cfg.Group, t.by.Round(time.Millisecond))
		}
	}
	return first
}

// wake is until when a stall may change the system: until the requests that it held back had ended, and what the balancer made of them
// was known. It lies before the stall when it held none back: then there was no burst.
//
// The requests are those of the bins that the stall touches: what else was due in these makes the wake longer, not shorter.
func (p *player) wake(s *measure.Stall) time.Duration {
	bins, held, longest := p.rec.recorder.Bins(), false, time.Duration(0)
	for i := sort.Search(len(bins), func(i int) bool { return bins[i].End > s.From }); i < len(bins) && bins[i].Start <= s.To; i++ {
		b := bins[i]
		held = held || b.Due.Delayed() > 0 || b.Ended.Delayed() > 0 // users send when their answers have been read
		longest = max(longest, b.Due.Response.Max(), b.Due.Bad.Max())
	}
	if !held {
		return -1
	}
	noticed := time.Duration(0)
	if p.s.Topology != nil {
		for i := range p.s.Topology.Groups {
			noticed = max(noticed, noticedWithin(&p.s.Topology.Groups[i]))
		}
	}
	return max(s.To, s.Resumed+longest) + noticed
}

// triedAgain reports whether requests that a stall held back failed, maybe for that, and were tried again.
func (p *player) triedAgain(s *measure.Stall) bool {
	if p.s.Client.Retry == nil {
		return false
	}
	bins := p.rec.recorder.Bins()
	for i := sort.Search(len(bins), func(i int) bool { return bins[i].End > s.From }); i < len(bins) && bins[i].Start <= s.To; i++ {
		if bins[i].Due.RetriedForDelay() > 0 {
			return true
		}
	}
	return false
}

// inWake reports whether an instant lies in a stall or its wake.
func (p *player) inWake(at time.Duration) bool {
	for i := range p.played.Stalls {
		if s := &p.played.Stalls[i]; s.LongestStop() >= leastMissed && s.From <= at && at <= p.wake(s) {
			return true
		}
	}
	return false
}

// targetTurn is a target that came into service or left it.
type targetTurn struct {
	*change
	target string
}

func (t *targetTurn) String() string {
	if t.turn() > 0 {
		return fmt.Sprintf("target %s came into service at %.2f s", t.target, t.at.Seconds())
	}
	return fmt.Sprintf("target %s went out of service at %.2f s (%s)", t.target, t.at.Seconds(), t.reason)
}

// unexplained returns, in order of time, the turns of the load's time that are neither a fault's doing nor that of scaling, whose
// decisions are looked at themselves.
func (p *player) unexplained() (out []targetTurn) {
	explained := map[*change]bool{}
	for _, f := range p.faults {
		for _, id := range f.targets {
			for _, o := range p.rec.outages(f, id) {
				explained[o.left], explained[o.back] = true, true
			}
		}
	}
	for _, m := range p.fleet.members {
		launched := p.launchedInTime(m)
		for i := range m.changes {
			c := &m.changes[i]
			joins := launched && c.turn() > 0 && c.at == *m.inServiceAt
			if c.turn() != 0 && c.at > 0 && !explained[c] && !joins && c.to != drainingState {
				out = append(out, targetTurn{c, m.ID})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b targetTurn) int { return cmp.Compare(a.at, b.at) })
	return out
}

// launchedInTime reports whether scaling added a target, and the player launched it when it was to be, so that it came into service by
// a decision alone.
func (p *player) launchedInTime(m *memberState) bool {
	for _, sc := range p.scalers {
		if st, ok := sc.stages(m.ID); ok && m.inServiceAt != nil {
			return m.launched == nil || *m.launched <= st.decided+sc.cfg.Timing.Launch+sc.tolerated()
		}
	}
	return false
}

// otherCourse says why a gate is not judged although it comes out the same on all sides: the system may have taken another course by the
// generator's doing, before what the gate looks at was over. It is empty when the gate is judged.
func (p *player) otherCourse(g *gate.Gate, f *figures) string {
	if f.otherCourse == nil || f.otherCourse.since >= p.lookedAtUntil(g, f) {
		return ""
	}
	return f.otherCourse.String()
}

// lookedAtUntil is the end of the time that a gate looks at: then what it asks about is known.
func (p *player) lookedAtUntil(g *gate.Gate, f *figures) time.Duration {
	judged := time.Duration(0)
	for _, ph := range p.s.Load.Phases {
		if ph.Name == g.Window {
			return ph.End
		}
		if !ph.Discard && !ph.Pauses() {
			judged = ph.End
		}
	}
	if g.Metric == "scale_out" {
		return f.scaledOutAt(g.ID)
	}
	for i, r := range p.faults {
		if r.injected == nil || !g.About(r.ID) {
			continue
		}
		m := &f.impacts[i]
		switch {
		case g.Metric == "detect" && m.Detect != nil:
			return *r.injected + *m.Detect
		case g.Metric == "eject" && m.Eject != nil:
			return *r.injected + *m.Eject
		case g.Metric == "detect" || g.Metric == "eject":
			return p.rec.reach(r)
		case m.to == forever:
			return p.ended
		}
		known := min(m.to+p.s.Objective.Window, p.ended) // its recovery was seen to last
		for _, ph := range p.s.Load.Phases {
			if g.Metric == "lost" && ph.Start < m.to { // the rest of the phase tells what was to be expected
				known = max(known, ph.End)
			}
		}
		return known
	}
	return judged
}
