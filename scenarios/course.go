package scenarios

import (
	"fmt"
	"slices"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/reports/gate"
)

// A generator that stands still and then sends what has piled up is a load that nobody asked for. A system that stays as it is works it
// off, and the two sides of each figure bound the truth. One that changes for it, such as when the burst fills queues so that a healthy
// target is ejected, or when it makes scaling add servers, takes another course, of which no figure afterwards bounds anything.

// courseChange is a change of the system that the load generator itself may have caused, or moved in time.
type courseChange struct {
	since time.Duration // when the generator began to stand still
	what  string
}

// firstCourseChange is the earliest one of a run, nil when there is none: what comes after it is open, whatever else happens.
func (p *player) firstCourseChange() *courseChange {
	var first *courseChange
	for i := range p.played.Stalls {
		s := &p.played.Stalls[i]
		if s.LongestStop() < leastMissed || (first != nil && s.From >= first.since) {
			continue
		}
		if what := p.changedBy(s); what != "" {
			first = &courseChange{s.From, what}
		}
	}
	return first
}

// changedBy says what of the system changed while the generator stood still and its burst drained, or in the wake of that, when requests of
// the burst may still have been under way; it is empty when nothing did but by the scenario's own faults.
func (p *player) changedBy(s *measure.Stall) string {
	wake := s.To + p.s.Objective.Window
	for _, m := range p.fleet.members {
		for _, c := range m.changes {
			left := c.from == inServiceState
			switch {
			case c.at < s.From || c.at > wake || p.byFault(m, c.at):
			case left:
				return fmt.Sprintf("target %s went out of service at %.2f s (%s)", m.ID, c.at.Seconds(), c.reason)
			case c.to == inServiceState && c.at > 0:
				return fmt.Sprintf("target %s came into service at %.2f s", m.ID, c.at.Seconds())
			}
		}
	}
	for _, sc := range p.scalers {
		if s.LongestStop() <= sc.tolerated() {
			continue
		}
		reach := s.To + time.Duration(sc.keep+1)*sc.cfg.Timing.MetricPeriod
		for _, at := range sc.scaled {
			if at > s.From && at <= reach {
				return fmt.Sprintf("group %s was scaled at %.2f s, by what was seen of it meanwhile", sc.cfg.Group, at.Seconds())
			}
		}
	}
	return ""
}

// byFault reports whether a change of a target at an instant is what one of the scenario's faults on it does.
func (p *player) byFault(m *memberState, at time.Duration) bool {
	return slices.ContainsFunc(p.faults, func(f *faultRun) bool {
		if f.injected == nil || at < *f.injected || !slices.Contains(f.targets, m.ID) {
			return false
		}
		_, to := p.rec.effect(f)
		return at <= to+p.s.Objective.Window
	})
}

// otherCourse says why a gate is not judged although it comes out the same on all sides: the system may have taken another course by the
// generator's doing, before what the gate looks at was over. It is empty when the gate is judged.
func (p *player) otherCourse(g *gate.Gate, f *figures) string {
	if f.otherCourse == nil || f.otherCourse.since >= p.lookedAtUntil(g, f) {
		return ""
	}
	return f.otherCourse.String()
}

// String says what happened, and why that matters.
func (c *courseChange) String() string {
	return fmt.Sprintf("the load generator stood still at %.2f s, and %s: without that the system may have taken another course", c.since.Seconds(), c.what)
}

// lookedAtUntil is the end of the time that a gate looks at.
func (p *player) lookedAtUntil(g *gate.Gate, f *figures) time.Duration {
	for _, ph := range p.s.Load.Phases {
		if ph.Name == g.Window && !aboutAFault(g) {
			return ph.End
		}
	}
	for i, r := range p.faults {
		if r.injected == nil {
			continue
		}
		m := &f.impacts[i]
		switch {
		case r.ID == g.Window && !aboutAFault(g):
			return m.to
		case r.ID != g.ID || !aboutAFault(g):
		case g.Metric == "detect" && m.Detect != nil:
			return *r.injected + *m.Detect
		case g.Metric == "eject" && m.Eject != nil:
			return *r.injected + *m.Eject
		case g.Metric == "recover" && m.Recover != nil:
			return *r.injected + *m.Recover
		}
	}
	last := time.Duration(0)
	for _, ph := range p.s.Load.Phases {
		if !ph.Discard && !ph.Pauses() {
			last = ph.End
		}
	}
	return last
}
