package main

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// recomputeTargets expects what each target took, where no request was sent to two of them.
func (x *played) recomputeTargets(c recomputed) {
	if !x.d.has("balancer.requests") {
		return
	}
	judged, discarded, groups := map[string]int{}, map[string]int{}, map[string]int{}
	sent, retries := 0, 0
	silent, again := false, false
	for i := range x.rows {
		r := &x.rows[i]
		if !r.succeeded && !r.failed {
			continue
		}
		sent++
		silent = silent || r.target == "" || r.attempts == 0
		again = again || r.attempts > 1 || r.reconnects > 0
		if r.discarded {
			discarded[r.target]++
		} else {
			judged[r.target]++
			retries += max(0, r.attempts-1)
		}
	}
	if silent {
		return // the balancer did not say where a request went, or it did not get that far
	}
	c.count("totals.retries", retries)
	c.count("balancer.retries", retries)
	if again {
		return
	}
	c.count("balancer.requests", sent)
	for _, p := range x.d.each("targets") {
		groups[x.d.text(p+".group")] += judged[x.d.text(p+".id")]
	}
	for _, p := range x.d.each("targets") {
		id := x.d.text(p + ".id")
		c.count(p+".requests", judged[id])
		c.count(p+".discarded", discarded[id])
		if n := groups[x.d.text(p+".group")]; n > 0 {
			c.ratio(p+".share", float64(judged[id])/float64(n))
		}
	}
}

// gateExpr is the language of gates: metric (id) [window] operator limit.
var gateExpr = regexp.MustCompile(`^([a-z_0-9.]+)(?:\(([^)]*)\))?(?:\[([^\]]*)\])? *(<=|>=|<|>)`)

// windowed returns the requests of a gate's window, its length, and which of them ended within it.
func (x *played) windowed(name string) ([]row, time.Duration, func(*row) bool) {
	if name == "" {
		return x.judged(), x.d.instant("judged_duration_ms"), x.whileJudged()
	}
	if p, ok := x.phases()[name]; ok {
		return where(x.rows, func(r *row) bool { return r.phase == name }), p.length(), func(r *row) bool { return r.done.at <= p.end }
	}
	for _, f := range x.faults() {
		if f.id == name {
			return where(x.rows, f.owns), f.window.length(), func(r *row) bool { return r.done.at <= f.window.end }
		}
	}
	return where(x.judged(), func(r *row) bool { return r.request == name }), x.d.instant("judged_duration_ms"), x.whileJudged()
}

// recomputeGates expects what each gate observed, and the verdict.
func (x *played) recomputeGates(c recomputed) {
	allPassed := true
	for _, p := range x.d.each("gates") {
		m := gateExpr.FindStringSubmatch(x.d.text(p + ".expr"))
		if m == nil {
			c.is(p+".expr", "an expression of the language")
			continue
		}
		c.is(p+".metric", m[1])
		c.is(p+".window", m[3])
		c.is(p+".op", m[4])
		x.recomputeObserved(c, p, m[1], m[2], m[3])
		if x.d.truth(p + ".judged") {
			passed := x.d.has(p+".observed") && compareBy(m[4], x.d.number(p+".observed"), x.d.number(p+".limit"))
			c.is(p+".passed", passed)
			allPassed = allPassed && passed
		}
	}
	verdict := "passed"
	switch {
	case x.d.number("duration_ms") < x.d.number("planned_duration_ms"):
		verdict = "interrupted"
	case !x.d.truth("validity.valid"):
		verdict = "invalid"
	case !allPassed:
		verdict = "failed"
	}
	c.is("verdict", verdict)
}

func compareBy(op string, a, b float64) bool {
	switch op {
	case "<":
		return a < b
	case "<=":
		return a <= b
	case ">":
		return a > b
	}
	return a >= b
}

// recomputeObserved expects a gate's figure, and the same without the time in which the generator stood still.
func (x *played) recomputeObserved(c recomputed, p, metric, id, window string) {
	observed, lower := p+".observed", p+".lower"
	rows, length, within := x.windowed(window)
	delayed := count(rows, func(r *row) bool { return r.finished() && r.stalled > 0 })
	if delayed == 0 {
		c.null(lower)
	}
	finished := count(rows, (*row).finished)
	lost := count(rows, (*row).lost)
	base, all := strings.CutSuffix(metric, "_all")
	switch {
	case metric == "error_rate":
		c.ratio(observed, 100*float64(lost)/float64(finished))
	case metric == "dropped":
		c.count(observed, count(rows, func(r *row) bool { return r.dropped }))
	case metric == "failed":
		c.count(observed, count(rows, func(r *row) bool { return r.failed }))
	case metric == "rate":
		c.ratio(observed, float64(count(rows, func(r *row) bool { return r.succeeded && within(r) }))/length.Seconds())
	case metric == "status":
		answered := where(rows, func(r *row) bool { return r.status > 0 })
		n := count(answered, func(r *row) bool {
			text := strconv.Itoa(r.status)
			return text == id || strings.HasSuffix(id, "xx") && text[0] == id[0]
		})
		c.ratio(observed, 100*float64(n)/float64(len(answered)))
	case metric == "imbalance":
		x.recomputeImbalance(c, observed)
	case base == "mean" || base == "max" || base[0] == 'p':
		values := durations(rows, succeeded, (*row).response)
		if all {
			values = durations(rows, (*row).finished, (*row).response)
		}
		c.latencyGate(observed, base, values)
	default:
		x.recomputeFaultGate(c, observed, metric, id)
	}
}

// latencyGate expects a mean, a maximum or a percentile.
func (c recomputed) latencyGate(path, metric string, values []time.Duration) {
	if len(values) == 0 {
		c.null(path)
		return
	}
	sorted := recordable(values)
	switch metric {
	case "mean":
		sum := 0.
		for _, v := range sorted {
			sum += float64(v)
		}
		c.length(path, sum/float64(len(sorted))/1000)
	case "max":
		c[path] = quantileOf(sorted, 1)
	default:
		digits := strings.TrimPrefix(metric, "p")
		if strings.HasPrefix(digits, "999") {
			digits = "99." + digits[2:]
		}
		q, err := strconv.ParseFloat(digits, 64)
		if err != nil {
			c.is(path, err.Error())
			return
		}
		c[path] = quantileOf(sorted, q/100)
	}
}

// recomputeImbalance expects the largest target's share over the mean share, less 1.
func (x *played) recomputeImbalance(c recomputed, path string) {
	largest, sum, n := 0., 0., 0.
	for _, p := range x.d.each("targets") {
		v := x.d.number(p + ".requests")
		largest, sum, n = max(largest, v), sum+v, n+1
	}
	c.ratio(path, largest/(sum/n)-1)
}

// recomputeFaultGate expects what stands with the fault or with the group that a gate asks about.
func (x *played) recomputeFaultGate(c recomputed, path, metric, id string) {
	if metric == "scale_out" {
		for _, p := range x.d.each("scaling") {
			if x.d.text(p+".group") != id {
				continue
			}
			slowest := stamp{}
			for _, w := range x.d.each(p + ".waterfall") {
				if x.d.has(w+".in_service_ms") && x.d.has(w+".breach_ms") {
					slowest = stamp{max(slowest.at, x.d.instant(w+".in_service_ms")-x.d.instant(w+".breach_ms")), true}
				}
			}
			if !slowest.set {
				c.null(path)
				return
			}
			c.instant(path, slowest.at)
		}
		return
	}
	for _, f := range x.faults() {
		if f.id != id {
			continue
		}
		field := f.path + "." + metric + "_ms"
		if metric == "lost" {
			field = f.path + ".lost"
		}
		if !x.d.has(field) {
			c.null(path)
			return
		}
		c.ratio(path, x.d.number(field))
		return
	}
	c.null(path)
}
