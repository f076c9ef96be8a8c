package main

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// injectedFault is what a result says of an injected fault's bounds, and what the requests say of its consequences.
type injectedFault struct {
	path, id string
	targets  []string
	injected time.Duration
	reverted stamp
	window   period
	charged  int
	counted  map[string]int // requests that count for it, by the phase in which they ended
}

// caused reports whether a request's failure is the fault's doing: it shaped the final attempt, or nothing did and
// that went to one of the fault's targets.
func (f *injectedFault) caused(r *sampleRow) bool {
	return r.lost() && (r.shapedBy == f.id || r.shapedBy == "" && r.target != "" && slices.Contains(f.targets, r.target))
}

// owns reports whether a request belongs to the fault's window: due in it, or under way at the injection and failed
// by it after that.
func (f *injectedFault) owns(r *sampleRow) bool {
	return f.window.holds(r.due) || r.due < f.injected && r.done.set && r.done.at >= f.injected && f.caused(r)
}

// noEnd is later than any run.
const noEnd = time.Duration(1 << 62)

// faults returns the faults that were injected, in the order of the result. A window that runs to the end of the load
// has no end: what ends after the load belongs to it.
func (x *played) faults() []*injectedFault {
	var out []*injectedFault
	for _, p := range x.d.each("faults") {
		if !x.d.has(p + ".injected_ms") {
			continue
		}
		f := &injectedFault{
			path: p, id: x.d.text(p + ".id"), targets: x.d.texts(p + ".targets"), injected: x.d.instant(p + ".injected_ms"),
			reverted: stamp{x.d.instant(p + ".reverted_ms"), x.d.has(p + ".reverted_ms")}, window: x.d.period(p + ".window"),
			counted: map[string]int{},
		}
		if f.window.end >= x.d.instant("duration_ms") {
			f.window.end = noEnd
		}
		out = append(out, f)
	}
	return out
}

// latest returns the fault that was injected last of those that a condition holds for; nil without any.
func latestFault(faults []*injectedFault, cond func(*injectedFault) bool) (out *injectedFault) {
	for _, f := range faults {
		if cond(f) && (out == nil || f.injected >= out.injected) {
			out = f
		}
	}
	return out
}

// countedFault returns the fault that a finished request counts for: the one that shaped its final attempt, else the latest
// injected of those whose target it went to while their window was open, else the latest injected whose window was open when
// it ended; nil without any.
func countedFault(faults []*injectedFault, r *sampleRow) *injectedFault {
	open := func(f *injectedFault) bool { return f.window.holds(r.done.at) }
	if f := latestFault(faults, func(f *injectedFault) bool { return f.id == r.shapedBy }); f != nil {
		return f
	}
	if f := latestFault(faults, func(f *injectedFault) bool { return open(f) && slices.Contains(f.targets, r.target) }); f != nil {
		return f
	}
	return latestFault(faults, open)
}

// phaseAt returns the name of the phase that the plan has at an instant; the last one takes what is beyond.
func (x *played) phaseAt() func(time.Duration) string {
	var names []string
	var ends []time.Duration
	for _, p := range x.d.each("phases") {
		names, ends = append(names, x.d.text(p+".name")), append(ends, x.d.instant(p+".end_ms"))
	}
	return func(at time.Duration) string {
		i := slices.IndexFunc(ends, func(end time.Duration) bool { return at < end })
		if i < 0 {
			i = len(ends) - 1
		}
		return names[i]
	}
}

// charge counts the requests that count for each fault, and the failed ones of them that it is charged with. It returns the
// error rate of each phase's requests that count for no fault. It goes by when requests ended.
func (x *played) charge(faults []*injectedFault) map[string]float64 {
	finished, baseline, phaseAt := map[string]float64{}, map[string]float64{}, x.phaseAt()
	for i := range x.rows {
		r := &x.rows[i]
		if !r.finished() {
			continue
		}
		phase := phaseAt(r.done.at)
		failed := 0
		if r.lost() {
			failed = 1
		}
		if f := countedFault(faults, r); f != nil {
			f.counted[phase]++
			f.charged += failed
		} else {
			finished[phase]++
			baseline[phase] += float64(failed)
		}
	}
	for phase, n := range finished {
		baseline[phase] /= n
	}
	return baseline
}

// recomputeFaults expects what each fault did to requests.
func (x *played) recomputeFaults(c recomputed) {
	faults := x.faults()
	baseline := x.charge(faults)
	charged := 0
	for _, f := range faults {
		rows, bounds := rowsWhere(x.rows, f.owns), x.d.period(f.path+".window")
		w := f.path + ".window"
		x.expectFigures(c, w+".", rows, bounds.length(), bounds.within)
		expectLag(c, w+".lag_ms", rows)
		x.expectHistograms(c, w+".", rows)
		c.instant(w+".start_ms", f.injected)
		c.is(w+".name", f.id)
		expected := 0.
		for phase, n := range f.counted {
			expected += baseline[phase] * float64(n)
		}
		c.count(f.path+".charged", f.charged)
		c.ratio(f.path+".expected", expected)
		c.ratio(f.path+".lost", math.Max(0, float64(f.charged)-expected))
		charged += f.charged
		x.recomputeRecovery(c, f)
	}
	if failures := countRows(x.rows, (*sampleRow).lost); charged > failures {
		c.is("faults", fmt.Sprintf("charged with at most %d failures, not %d", failures, charged))
	}
}

// objective is the scenario's definition of healthy.
type objective struct {
	errorRate float64
	window    time.Duration
	quantile  []float64
	limit     []time.Duration
}

func (x *played) objective() objective {
	o := objective{errorRate: x.d.number("objective.error_rate"), window: x.d.instant("objective.window_ms")}
	for _, p := range x.d.each("objective.latency") {
		o.quantile = append(o.quantile, x.d.number(p+".percentile")/100)
		o.limit = append(o.limit, x.d.instant(p+".limit_ms"))
	}
	return o
}

// broken reports whether the requests that ended in a period, or those that were due in it, break the objective.
func (o *objective) broken(rows []sampleRow, p period) bool {
	return o.brokenBy(rowsWhere(rows, func(r *sampleRow) bool { return r.finished() && p.holds(r.done.at) })) ||
		o.brokenBy(rowsWhere(rows, func(r *sampleRow) bool { return r.finished() && p.holds(r.due) }))
}

func (o *objective) brokenBy(some []sampleRow) bool {
	lost := countRows(some, (*sampleRow).lost)
	if lost > 0 && float64(lost)/float64(len(some)) > o.errorRate {
		return true
	}
	sorted := recordable(durations(some, hasSucceeded, (*sampleRow).response))
	for i, q := range o.quantile {
		if len(sorted) > 0 && nearestRank(sorted, q) > int64(o.limit[i]/time.Microsecond) {
			return true
		}
	}
	return false
}

// edges returns the instants at which the objective is looked at: each eighth of its window, of at least 50 ms and at
// most a second, and where phases, faults' injections and their ends make a window of the result begin.
func (x *played) edges() []time.Duration {
	var out []time.Duration
	eighth := min(max(x.objective().window/8, 50*time.Millisecond), time.Second)
	for _, p := range x.d.each("windows") {
		bounds := x.d.period(p)
		out = append(out, bounds.start)
		for at := (bounds.start/eighth + 1) * eighth; at < bounds.end; at += eighth {
			out = append(out, at)
		}
	}
	return out
}

// ends reports whether the fault ended before the load did. What is reverted after that has no end within it.
func (f *injectedFault) ends(load time.Duration) bool { return f.reverted.set && f.reverted.at < load }

// planned reports whether the scenario has an end of the fault that comes before the load's.
func (x *played) planned(f *injectedFault) bool {
	for _, p := range x.d.each("scenario.faults") {
		for _, key := range []string{".for", ".restart_after"} {
			if length, err := time.ParseDuration(x.d.text(p + key)); err == nil && x.d.text(p+".id") == f.id {
				return f.injected+length < x.d.instant("planned_duration_ms")
			}
		}
	}
	return false
}

// unended reports whether the scenario has an end of the fault before the load's, and no window of the objective followed the
// real one within the load.
func (x *played) unended(f *injectedFault) bool {
	whole := f.reverted.set && f.reverted.at+x.objective().window <= x.d.instant("duration_ms")
	return x.planned(f) && len(f.targets) > 0 && !whole
}

// looked is what the objective is over the window that begins at an instant.
type looked struct {
	at             time.Duration
	broken, proven bool
}

// looks returns what the objective is from the fault's injection on: over the window from each edge, up to the next edge
// after it. It proves something when a request was due in it, and it lies within the load.
func (x *played) looks(f *injectedFault) func(yield func(looked) bool) {
	o, edges, end := x.objective(), x.edges(), x.d.instant("duration_ms")
	return func(yield func(looked) bool) {
		for i, at := range edges {
			p := period{at, noEnd}
			if until := slices.IndexFunc(edges[i:], func(e time.Duration) bool { return e >= at+o.window }); until >= 0 {
				p.end = edges[i+until]
			}
			if at < f.injected {
				continue
			}
			asked := slices.ContainsFunc(x.rows, func(r sampleRow) bool { return r.finished() && p.holds(r.due) })
			if !yield(looked{at, o.broken(x.rows, p), asked && at+o.window <= end}) {
				return
			}
		}
	}
}

// recovery returns whether the objective broke over a window that began by the fault's end, and from when on it held again
// after the last of these; of a fault that was to last as long as the load, after the first.
func (x *played) recovery(f *injectedFault) (broke bool, held stamp) {
	end := x.d.instant("duration_ms")
	over, first := end, !x.planned(f)
	if f.ends(end) {
		over = f.reverted.at
	}
	for l := range x.looks(f) {
		switch {
		case l.broken && l.at <= over && l.at < end && !(first && held.set):
			broke, held = true, stamp{}
		case !l.broken && l.proven && broke && !held.set:
			held = stamp{l.at, true}
		}
		if l.at > over && (held.set || !broke) {
			break
		}
	}
	return broke, held
}

// recomputeRecovery expects when the objective held again, and with it the end of the fault's window: the first edge
// of a window at or after the recovery and the fault's end, whichever comes later.
func (x *played) recomputeRecovery(c recomputed, f *injectedFault) {
	load := x.d.instant("duration_ms")
	broke, held := x.recovery(f)
	end := load
	switch {
	case broke && !held.set:
		c.null(f.path + ".recover_ms")
		c.null(f.path + ".residual_ms")
	default:
		if !broke {
			held.at = f.injected
		}
		c.instant(f.path+".recover_ms", held.at-f.injected)
		if f.ends(load) {
			end = max(held.at, f.reverted.at)
			c.instant(f.path+".residual_ms", max(0, held.at-f.reverted.at))
		} else {
			c.null(f.path + ".residual_ms")
			if broke {
				end = held.at
			}
		}
	}
	for _, p := range x.d.each("windows") {
		if at := x.d.period(p).start; at >= end {
			end = at
			break
		}
	}
	c.instant(f.path+".window.end_ms", min(end, load))
}
