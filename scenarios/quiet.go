package scenarios

import (
	"cmp"
	"slices"
	"sort"
	"time"
)

// span is a time from an instant to another.
type span struct{ from, to time.Duration }

// targetsCourse is what became of a fault's targets, and what that was told from.
type targetsCourse struct {
	quiet []span // in order of time; see quiet
	left  bool   // one of them was taken out of service while the fault was in force

	injected, over, to time.Duration
	targets, turns     int
}

// courseOf tells what became of a fault's targets. It is asked for each row of requests and window of the objective, so that it
// is found out again only when a target or the fault has changed. The fault was injected.
func (r *record) courseOf(f *faultRun) *targetsCourse {
	_, to := f.inForce()
	now, known := targetsCourse{injected: *f.injected, over: f.over(), to: to, targets: len(f.targets), turns: r.fleet.turns}, &f.course
	if known.injected != now.injected || known.over != now.over || known.to != now.to || known.targets != now.targets || known.turns != now.turns {
		now.quiet, now.left = r.findQuiet(f), r.findLeft(f, to)
		*known = now
	}
	return known
}

// findLeft reports whether one of a fault's targets was taken out of service from its injection on, before an instant.
func (r *record) findLeft(f *faultRun, to time.Duration) bool {
	return slices.ContainsFunc(f.targets, func(id string) bool {
		m := r.fleet.byID[id]
		return m != nil && slices.ContainsFunc(m.changes, func(c change) bool {
			return c.from == inServiceState && c.at >= *f.injected && c.at < to
		})
	})
}

// quiet returns the stretches of a fault's time in which none of its targets was in service, from the objective's window
// after its injection on, in order of time. The system is the same all the while: what is due in such a stretch and is sent in
// it, however late, misses nothing.
func (r *record) quiet(f *faultRun) []span {
	if f.injected == nil || len(f.targets) == 0 {
		return nil
	}
	return r.courseOf(f).quiet
}

func (r *record) findQuiet(f *faultRun) (out []span) {
	type turn struct {
		at time.Duration
		in int // how many more targets are in service
	}
	var turns []turn
	in, left := 0, *f.injected+r.s.Objective.Window
	for _, id := range f.targets {
		m := r.fleet.byID[id]
		if m == nil || len(m.changes) == 0 { // nothing is known of it
			return nil
		}
		if m.healthyAt(*f.injected) {
			in++
		}
		for _, c := range m.changes {
			if by := c.turn(); by != 0 && c.at >= *f.injected {
				turns = append(turns, turn{c.at, by})
			}
		}
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
