package main

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// recomputeTargets expects what each target took, where the balancer told of every request and sent none twice.
func (x *played) recomputeTargets(c recomputed) {
	const never = "silent"
	judged, discarded, groups := map[string]int{}, map[string]int{}, map[string]int{}
	for _, r := range rowsWhere(x.rows, func(r *sampleRow) bool { return !r.dropped }) {
		switch {
		case r.target == "" || r.attempts == 0:
			discarded[never]++ // it gave up before the balancer told of it, or was cut off by the end of the run
		case r.attempts > 1 || r.reconnects > 0 || r.clientAttempts > 1:
			discarded[never]++
		case r.discarded:
			discarded[r.target]++
		default:
			judged[r.target]++
		}
	}
	if discarded[never] > 0 || !x.d.has("balancer.requests") {
		return
	}
	sent := 0
	for _, n := range slices.Collect(maps.Values(judged)) {
		sent += n
	}
	for _, n := range discarded {
		sent += n
	}
	c.count("balancer.requests", sent)
	c.count("balancer.retries", 0)
	for _, p := range x.d.each("targets") {
		groups[x.d.text(p+".group")] += judged[x.d.text(p+".id")]
	}
	for _, p := range x.d.each("targets") {
		id := x.d.text(p + ".id")
		c.count(p+".requests", judged[id])
		c.count(p+".discarded", discarded[id])
		c.ratio(p+".share", float64(judged[id])/float64(max(1, groups[x.d.text(p+".group")])))
	}
}

// gateExpr is the language of gates: metric (id) [window] operator limit.
var gateExpr = regexp.MustCompile(`^([a-z_0-9.]+)(?:\(([^)]*)\))?(?:\[([^\]]*)\])? *(<=|>=|<|>)`)

// judgedWindow is what a gate looks at.
type judgedWindow struct {
	rows   []sampleRow
	length time.Duration
	within func(*sampleRow) bool
}

// window returns what a gate's window holds: a phase, a fault's window, a kind of request or, for "", all judged phases.
func (x *played) window(name string) judgedWindow {
	for _, p := range x.phases() {
		if p.name == name {
			return judgedWindow{rowsWhere(x.rows, func(r *sampleRow) bool { return r.phase == name }), p.length(), p.within}
		}
	}
	for _, f := range x.faults() {
		if bounds := x.d.period(f.path + ".window"); f.id == name {
			return judgedWindow{rowsWhere(x.rows, f.owns), bounds.length(), bounds.within}
		}
	}
	rows, length, within := x.judged()
	return judgedWindow{rowsWhere(rows, func(r *sampleRow) bool { return name == "" || r.request == name }), length, within}
}

// atBest is the window without what the generator itself delayed.
func (w judgedWindow) atBest() judgedWindow { return judgedWindow{atBest(w.rows), w.length, w.within} }

// recomputeGates expects what each gate observed, and the verdict.
func (x *played) recomputeGates(c recomputed) {
	verdict, asked := "passed", false
	for _, p := range x.d.each("gates") {
		m := gateExpr.FindStringSubmatch(x.d.text(p + ".expr"))
		if m == nil {
			c.is(p+".expr", "an expression of the language")
			continue
		}
		c.is(p+".metric", m[1])
		c.is(p+".window", m[3])
		c.is(p+".op", m[4])
		c.is(p+".judged", !x.stopped())
		x.expectObserved(c, p, m[1], m[2], m[3])
		passed := x.d.has(p+".observed") && compareBy(m[4], x.d.number(p+".observed"), x.d.number(p+".limit"))
		c.is(p+".passed", passed)
		if !passed {
			verdict = "failed"
		}
		asked = asked || passed && m[1] == "error_rate" && m[3] == ""
	}
	const collapse = .5 // the error rate above which a run has failed, unless a gate on it passes
	rows, _, _ := x.judged()
	if lost := countRows(rows, (*sampleRow).lost); !asked && float64(lost) > collapse*float64(countRows(rows, (*sampleRow).finished)) {
		verdict = "failed"
	}
	switch {
	case x.stopped() && x.d.text("verdict") == "aborted": // by the scenario's rule rather than by somebody
		verdict = "aborted"
	case x.stopped():
		verdict = "interrupted"
	case !x.d.truth("validity.valid"):
		verdict = "invalid"
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

// expectObserved expects a gate's figure, and the same without what the generator itself delayed: null where that makes
// no difference.
func (x *played) expectObserved(c recomputed, p, metric, id, window string) {
	observed, lower := p+".observed", p+".lower"
	if countRows(x.rows, (*sampleRow).delayed) == 0 {
		c.null(lower)
	}
	if metric == "imbalance" || metric == "scale_out" {
		x.expectOfSystem(c, observed, metric, id)
		return
	}
	if slices.Contains([]string{"detect", "eject", "recover", "residual", "lost"}, metric) {
		x.expectOfFault(c, observed, metric, id)
		return
	}
	w := x.window(window)
	c[observed] = observation(metric, id, w)
	isFault := slices.ContainsFunc(x.faults(), func(f *injectedFault) bool { return f.id == window })
	closed := metric == "rate" && countRows(w.rows, func(r *sampleRow) bool { return r.seq >= closedNumbers }) > 0
	if isFault || closed || countRows(x.rows, (*sampleRow).delayed) == 0 {
		return // a fault has another window then, and a closed loop another length
	}
	best := observation(metric, id, w.atBest())
	c[lower] = func(got any) string {
		if got == nil {
			got = x.d[observed]
		}
		return best(got)
	}
}

// observation expects what a metric of requests is in a window; null where no request can tell.
func observation(metric, id string, w judgedWindow) expectation {
	const path = "observed"
	c := recomputed{}
	finished, lost := countRows(w.rows, (*sampleRow).finished), countRows(w.rows, (*sampleRow).lost)
	switch {
	case finished == 0:
		c.null(path)
	case metric == "error_rate":
		c.ratio(path, 100*float64(lost)/float64(finished))
	case metric == "dropped":
		c.count(path, countRows(w.rows, func(r *sampleRow) bool { return r.dropped }))
	case metric == "failed":
		c.count(path, countRows(w.rows, func(r *sampleRow) bool { return r.failed }))
	case metric == "resent" || metric == "amplification":
		resent, attempts, sent := 0, 0, countRows(w.rows, func(r *sampleRow) bool { return r.succeeded || r.failed })
		for i := range w.rows {
			resent += w.rows[i].reconnects
			if attempts += w.rows[i].clientAttempts; w.rows[i].turned && w.rows[i].clientAttempts == 0 {
				attempts++
			}
		}
		if metric == "resent" {
			c.ratio(path, 100*float64(resent)/float64(max(1, sent)))
		} else {
			c.ratio(path, float64(attempts)/float64(max(1, sent)))
		}
	case metric == "rate":
		c.perSecond(path, countRows(w.rows, func(r *sampleRow) bool { return r.succeeded && w.within(r) }), w.length)
	case metric == "status":
		answered := rowsWhere(w.rows, func(r *sampleRow) bool { return r.status > 0 || r.turned })
		n := countRows(answered, func(r *sampleRow) bool {
			text := strconv.Itoa(r.status)
			if r.turned { // it may be any status of a success
				return id[0] < '4'
			}
			if r.status > 599 { // no status: RFC 9110, 15
				return text == id || id == "5xx"
			}
			return text == id || strings.HasSuffix(id, "xx") && text[0] == id[0]
		})
		if c.null(path); len(answered) > 0 {
			c.ratio(path, 100*float64(n)/float64(len(answered)))
		}
	default:
		c.observedLatency(path, metric, w.rows)
	}
	return c[path]
}

// observedLatency expects a mean, a maximum or a percentile, of succeeded requests or, ending in _all, of every one.
func (c recomputed) observedLatency(path, metric string, rows []sampleRow) {
	metric, all := strings.CutSuffix(metric, "_all")
	of := hasSucceeded
	if all {
		of = (*sampleRow).finished
	}
	values := durations(rows, timed(of), (*sampleRow).response)
	digits := strings.TrimPrefix(metric, "p")
	if strings.HasPrefix(digits, "999") {
		digits = "99." + digits[2:]
	}
	q, err := strconv.ParseFloat(digits, 64)
	switch {
	case len(values) == 0:
		c.null(path)
	case metric == "mean":
		c.length(path, meanMS(values))
	case metric == "max":
		c[path] = aroundMicros(nearestRank(recordable(values), 1))
	case err != nil:
		c.is(path, err.Error())
	default:
		c[path] = aroundMicros(nearestRank(recordable(values), q/100))
	}
}

// expectOfSystem expects a figure from what the result says of targets and servers: imbalance, the most loaded target's
// requests over those that it should have had, less 1, of targets that should have had 20 at least; scale_out, the slowest
// from breach to service.
func (x *played) expectOfSystem(c recomputed, path, metric, id string) {
	worst, counted := 0., 0
	for _, p := range x.d.each("targets") {
		if expected := x.d.number(p + ".expected"); expected >= 20 {
			worst = max(worst, x.d.number(p+".requests")/expected-1)
			counted++
		}
	}
	slowest := time.Duration(0)
	for _, p := range x.d.each("scaling") {
		for _, w := range x.d.each(p + ".waterfall") {
			if x.d.text(p+".group") == id {
				slowest = max(slowest, x.d.instant(w+".in_service_ms")-x.d.instant(w+".breach_ms"))
			}
		}
	}
	switch {
	case metric == "scale_out":
		c.instant(path, slowest)
	case counted == 0:
		c.null(path) // no target took a request
	default:
		c.ratio(path, worst)
	}
}

// expectOfFault expects what stands with the fault that a gate asks about; null where it did not happen, or where no
// request is in its window.
func (x *played) expectOfFault(c recomputed, path, metric, id string) {
	c.null(path)
	for _, f := range x.faults() {
		if (metric == "recover" || metric == "residual") && x.unended(f) {
			continue
		}
		field := f.path + "." + metric
		if metric != "lost" {
			field += "_ms"
		}
		if f.id == id && x.d.has(field) && countRows(x.rows, func(r *sampleRow) bool { return r.finished() && f.owns(r) }) > 0 {
			c.ratio(path, x.d.number(field))
		}
	}
}
