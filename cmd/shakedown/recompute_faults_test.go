package main

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// fault is what a result says of an injected fault's bounds, and what the requests say of its consequences.
type fault struct {
	path, id string
	targets  []string
	injected time.Duration
	reverted stamp
	window   period
	charged  int
}

// hit reports whether a request's final attempt went to one of the fault's targets or was shaped by it.
func (f *fault) hit(r *row) bool {
	return r.shapedBy == f.id || r.target != "" && slices.Contains(f.targets, r.target)
}

// owns reports whether a request belongs to the fault's window: due in it, or under way at the injection and failed
// by it after that.
func (f *fault) owns(r *row) bool {
	underWay := r.due < f.injected && r.finished() && r.done.at >= f.injected
	return f.window.holds(r.due) || underWay && r.lost() && f.hit(r)
}

// faults returns the faults that were injected, in the order of the result.
func (x *played) faults() []*fault {
	var out []*fault
	for _, p := range x.d.each("faults") {
		if !x.d.has(p + ".injected_ms") {
			continue
		}
		f := &fault{
			path: p, id: x.d.text(p + ".id"), targets: x.d.texts(p + ".targets"), injected: x.d.instant(p + ".injected_ms"),
			reverted: stamp{x.d.instant(p + ".reverted_ms"), x.d.has(p + ".reverted_ms")}, window: x.d.period(p + ".window"),
		}
		out = append(out, f)
	}
	return out
}

// open reports whether the fault's window held an instant at which a request ended.
func (f *fault) open(at time.Duration) bool { return at >= f.injected && at < f.window.end }

// charge counts each request that failed or was dropped for one fault at most: the one that shaped its final attempt,
// else the latest injected of those whose target it went to while their window was open, else the latest injected
// whose window was open.
func charge(rows []row, faults []*fault) {
	latest := func(cond func(*fault) bool) *fault {
		var out *fault
		for _, f := range faults {
			if cond(f) && (out == nil || f.injected >= out.injected) {
				out = f
			}
		}
		return out
	}
	for i := range rows {
		r := &rows[i]
		if !r.lost() {
			continue
		}
		f := latest(func(f *fault) bool { return r.shapedBy != "" && f.id == r.shapedBy })
		if f == nil {
			f = latest(func(f *fault) bool {
				return r.target != "" && slices.Contains(f.targets, r.target) && f.open(r.done.at)
			})
		}
		if f == nil {
			f = latest(func(f *fault) bool { return f.open(r.done.at) })
		}
		if f != nil {
			f.charged++
		}
	}
}

// baselines returns the error rate of each phase outside all faults' windows, by when requests ended.
func (x *played) baselines(faults []*fault) map[string]float64 {
	all, bad := map[string]float64{}, map[string]float64{}
	for i := range x.rows {
		r := &x.rows[i]
		if !r.finished() || slices.ContainsFunc(faults, func(f *fault) bool { return f.open(r.done.at) }) {
			continue
		}
		all[r.phase]++
		if r.lost() {
			bad[r.phase]++
		}
	}
	for phase, n := range all {
		bad[phase] /= n
	}
	return bad
}

// recomputeFaults expects what each fault did to requests.
func (x *played) recomputeFaults(c recomputed) {
	faults := x.faults()
	charge(x.rows, faults)
	baseline := x.baselines(faults)
	charged := 0
	for _, f := range faults {
		rows := where(x.rows, f.owns)
		w := f.path + ".window"
		c.figuresOf(w, rows, f.window.length(), func(r *row) bool { return r.done.at <= f.window.end })
		c.histograms(w+".histograms", rows)
		c.instant(w+".start_ms", f.injected)
		c.is(w+".name", f.id)
		expected := 0.
		for i := range rows {
			if rows[i].finished() {
				expected += baseline[rows[i].phase]
			}
		}
		c.count(f.path+".charged", f.charged)
		c.ratio(f.path+".expected", expected)
		c.ratio(f.path+".lost", math.Max(0, float64(f.charged)-expected))
		charged += f.charged
		x.recomputeRecovery(c, f)
	}
	if failures := count(x.rows, (*row).lost); charged > failures {
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

// broken reports whether the requests that ended in a period break the objective.
func (o *objective) broken(rows []row, p period) bool {
	ended := where(rows, func(r *row) bool { return r.finished() && p.holds(r.done.at) })
	lost := count(ended, (*row).lost)
	if lost > 0 && float64(lost)/float64(len(ended)) > o.errorRate {
		return true
	}
	sorted := recordable(durations(ended, succeeded, (*row).response))
	for i, q := range o.quantile {
		if n := len(sorted); n > 0 && sorted[min(max(int(q*float64(n)+.5), 1), n)-1] > int64(o.limit[i]/time.Microsecond) {
			return true
		}
	}
	return false
}

// recomputeRecovery expects when the objective held again for a whole window of its own, to the bounds of the
// result's windows.
func (x *played) recomputeRecovery(c recomputed, f *fault) {
	o := x.objective()
	var broke, held stamp
	for _, p := range x.d.each("windows") {
		at := x.d.instant(p + ".end_ms")
		bad := at > f.injected && o.broken(x.rows, period{at - o.window, at})
		switch {
		case bad && !held.set:
			broke = stamp{at, true}
		case at > f.injected && broke.set && !held.set:
			held = stamp{at - o.window, true}
		}
	}
	switch {
	case !broke.set:
		c.count(f.path+".recover_ms", 0)
	case !held.set:
		c.null(f.path + ".recover_ms")
		c.null(f.path + ".residual_ms")
		return
	default:
		c.instant(f.path+".recover_ms", max(0, held.at-f.injected))
	}
	if !f.reverted.set {
		c.null(f.path + ".residual_ms")
		return
	}
	c.instant(f.path+".residual_ms", max(0, held.at-f.reverted.at))
}
