package scenarios

import (
	"cmp"
	"slices"
	"sort"
	"time"

	"github.com/seed-8025779b/shakedown/scenarios/plan"
)

// span is a time from an instant to another.
type span struct{ from, to time.Duration }

// targetsCourse is what became of a fault's targets, and what that was told from.
type targetsCourse struct {
	quiet []span // in order of time; see quiet
	left  bool   // one of them was taken out of service while the fault was in force

	injected, over, reach time.Duration
	targets, turns        int
}

// courseOf tells what became of a fault's targets. It is asked for each row of requests and window of the objective, so that it
// is found out again only when a target or the fault has changed. The fault was injected.
func (r *record) courseOf(f *faultRun) *targetsCourse {
	now, known := targetsCourse{injected: *f.injected, over: f.over(), reach: r.reach(f), targets: len(f.targets), turns: r.fleet.turns}, &f.course
	if known.injected != now.injected || known.over != now.over || known.reach != now.reach || known.targets != now.targets || known.turns != now.turns {
		now.quiet = r.findQuiet(f)
		now.left = slices.ContainsFunc(f.targets, func(id string) bool { return len(r.outages(f, id)) > 0 })
		*known = now
	}
	return known
}

// reach is until when what the balancer makes of a fault's targets is the fault's doing: until the fault has ended and the objective held
// again, and until the last request that it may have shaped, and a check under way, had ended. It is the load's end where the fault or the
// breach did not end before.
func (r *record) reach(f *faultRun) time.Duration {
	_, end := f.inForce()
	if end == forever {
		return r.health.ended
	}
	if r.s.Topology != nil {
		if g := r.s.Group(f.Select.Group); g != nil {
			end += noticedWithin(g)
		}
	}
	end = max(end, f.lasted)
	switch x := f.watch.recovery(asMeasured); {
	case !x.known:
		return max(end, r.health.ended)
	case x.broken:
		return max(end, x.at)
	}
	return end
}

// noticedWithin is how long after a request has failed, or a check has begun, the balancer may take to take its target out of service.
func noticedWithin(g *plan.Group) (d time.Duration) {
	if g.Health != nil {
		d = g.Health.Timeout
	}
	if o := g.Outliers; o != nil && o.SuccessRate > 0 {
		d = max(d, o.Interval)
	}
	return d
}

// outage is a time in which a target was out of service by a fault's doing.
type outage struct{ left, back *change } // back is nil when the target did not come back

// outages returns those of one of a fault's targets: it was taken out of service from the injection on, within the fault's reach. The
// fault was injected.
func (r *record) outages(f *faultRun, target string) (out []outage) {
	m := r.fleet.byID[target]
	if m == nil {
		return nil
	}
	reach := r.reach(f)
	for i := range m.changes {
		switch c := &m.changes[i]; {
		case c.turn() < 0 && c.at >= *f.injected && c.at <= reach:
			out = append(out, outage{left: c})
		case c.turn() > 0 && len(out) > 0 && out[len(out)-1].back == nil:
			out[len(out)-1].back = c
		}
	}
	return out
}

// quiet returns the stretches of a fault's time in which none of its targets took traffic, from the objective's window
// after its injection on, in order of time: none was in service, and their group did not fail open. The system is the same all the
// while: what is due in such a stretch and is sent in it, however late, misses nothing.
func (r *record) quiet(f *faultRun) []span {
	if f.injected == nil || len(f.targets) == 0 {
		return nil
	}
	return r.courseOf(f).quiet
}

func (r *record) findQuiet(f *faultRun) (out []span) {
	type turn struct {
		at time.Duration
		in int // how many more targets are in service, or groups fail open
	}
	var turns []turn
	in, left := 0, *f.injected+r.s.Objective.Window
	follow := func(m *memberState) {
		if m.healthyAt(*f.injected) {
			in++
		}
		for _, c := range m.changes {
			if by := c.turn(); by != 0 && c.at >= *f.injected {
				turns = append(turns, turn{c.at, by})
			}
		}
	}
	for _, id := range f.targets {
		m := r.fleet.byID[id]
		if m == nil || len(m.changes) == 0 { // nothing is known of it
			return nil
		}
		follow(m)
	}
	if open := r.fleet.open[f.Select.Group]; open != nil {
		follow(open)
	}
	slices.SortStableFunc(turns, func(a, b turn) int { return cmp.Compare(a.at, b.at) })
	add := func(from, to time.Duration) {
		if from < to {
			out = append(out, span{from, to})
		}
	}
	over := f.over()
	for _, t := range turns {
		if in == 0 {
			add(left, min(t.at, over))
		}
		if in += t.in; in == 0 {
			left = max(left, t.at)
		}
	}
	if in == 0 {
		add(left, over)
	}
	return out
}

// quietFor reports whether a stretch lies within a quiet one of a fault.
func (r *record) quietFor(f *faultRun, from, to time.Duration) bool {
	quiet := r.quiet(f)
	i := sort.Search(len(quiet), func(i int) bool { return quiet[i].from > from }) - 1
	return i >= 0 && to < quiet[i].to
}
