package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// played is a result beside the requests that it was made from.
type played struct {
	d    document
	rows []sampleRow
}

// period is a stretch of the run.
type period struct{ start, end time.Duration }

func (p period) length() time.Duration { return p.end - p.start }

// holds reports whether an instant is in the period: its end belongs to the next one.
func (p period) holds(t time.Duration) bool { return t >= p.start && t < p.end }

// within reports whether a request ended within the period. One that ends with it belongs to the next.
func (p period) within(r *sampleRow) bool { return p.holds(r.done.at) }

func (d document) period(path string) period {
	return period{d.instant(path + ".start_ms"), d.instant(path + ".end_ms")}
}

// playedPhase is a phase of the plan, as long as it lasted.
type playedPhase struct {
	period
	path, name string
	discarded  bool
}

// phases returns the phases; of a run that was stopped they end with the load.
func (x *played) phases() []playedPhase {
	var out []playedPhase
	for _, p := range x.d.each("phases") {
		bounds := x.d.period(p)
		bounds.end = max(bounds.start, min(bounds.end, x.d.instant("duration_ms")))
		out = append(out, playedPhase{bounds, p, x.d.text(p + ".name"), x.d.truth(p + ".discarded")})
	}
	return out
}

// stopped reports whether the run ended before its plan.
func (x *played) stopped() bool {
	return x.d.instant("duration_ms") < x.d.instant("planned_duration_ms")
}

// judged returns the requests of the phases that are judged, how long these lasted, and whether a request ended
// within one of them.
func (x *played) judged() (rows []sampleRow, length time.Duration, within func(*sampleRow) bool) {
	var judged []playedPhase
	for _, p := range x.phases() {
		if !p.discarded {
			judged, length = append(judged, p), length+p.length()
		}
	}
	within = func(r *sampleRow) bool {
		return slices.ContainsFunc(judged, func(p playedPhase) bool { return p.within(r) })
	}
	return rowsWhere(x.rows, func(r *sampleRow) bool { return !r.discarded }), length, within
}

// recompute returns what every figure of the result should be that follows from its requests.
func (x *played) recompute() recomputed {
	c := recomputed{}
	x.recomputeRun(c)
	x.recomputePhases(c)
	x.recomputeRequests(c)
	x.recomputeWindows(c)
	x.recomputeValidity(c)
	x.recomputeFaults(c)
	x.recomputeTargets(c)
	x.recomputeGates(c)
	return c
}

// expectTotals expects what became of rows. Of a run that was stopped the requests that were never offered have no row:
// they are planned and cancelled, and the identity holds all the same.
func (x *played) expectTotals(c recomputed, path string, rows []sampleRow) {
	ok, failed := countRows(rows, hasSucceeded), countRows(rows, func(r *sampleRow) bool { return r.failed })
	dropped, cut := countRows(rows, func(r *sampleRow) bool { return r.dropped }), countRows(rows, func(r *sampleRow) bool { return r.cut })
	c.count(path+".sent", ok+failed)
	c.count(path+".succeeded", ok)
	c.count(path+".failed", failed)
	c.count(path+".dropped", dropped)
	if x.stopped() {
		c.atLeast(path+".cancelled", float64(cut))
		c.ratio(path+".planned", float64(ok+failed+dropped)+x.d.number(path+".cancelled"))
	} else {
		c.count(path+".cancelled", cut)
		c.count(path+".planned", len(rows))
	}
	reconnects, attempts, retries := 0, 0, 0
	for i := range rows {
		reconnects += rows[i].reconnects
		if !rows[i].cut {
			attempts += rows[i].clientAttempts
		}
		retries += max(0, rows[i].attempts-1)
	}
	c.count(path+".reconnects", reconnects)
	c.count(path+".attempts", attempts)
	c.count(path+".retries", retries)
}

// expectFigures expects what every kind of period has in common, of the requests that belong to it.
func (x *played) expectFigures(c recomputed, path string, rows []sampleRow, length time.Duration, within func(*sampleRow) bool) {
	x.expectTotals(c, path+"totals", rows)
	ended := countRows(rows, func(r *sampleRow) bool { return r.succeeded && within(r) })
	c.perSecond(path+"rates.planned", len(rows), length)
	if x.stopped() && length > 0 { // a request that was due, but not offered any more, has no row
		c.atLeast(path+"rates.planned", float64(len(rows))/length.Seconds()*(1-1e-9))
	}
	c.perSecond(path+"rates.offered", countRows(rows, func(r *sampleRow) bool { return !r.tooLate() }), length)
	c.perSecond(path+"rates.succeeded", ended, length)
	c.figures(path+"latency.response", durations(rows, hasSucceeded, (*sampleRow).response))
	c.figures(path+"latency.service", durations(rows, hasSucceeded, (*sampleRow).service))
	c.figures(path+"latency.response_all", durations(rows, (*sampleRow).finished, (*sampleRow).response))
	expectErrors(c, path+"errors", rows)
	retried := map[string]int{}
	for i := range rows {
		if !rows[i].cut {
			for _, class := range rows[i].retried {
				retried[class]++
			}
		}
	}
	for class, n := range retried {
		c.count(path+"retried."+class, n)
	}
}

// expectLag expects the generator's lateness, of every request that it released and that has an outcome which counts.
func expectLag(c recomputed, path string, rows []sampleRow) {
	lags := durations(rows, func(r *sampleRow) bool { return r.offered.set && r.finished() }, func(r *sampleRow) time.Duration { return r.offered.at - r.due })
	c.percentiles(path, lags, map[string]float64{"p50": .5, "p99": .99, "max": 1})
}

// expectErrors expects failures by class.
func expectErrors(c recomputed, path string, rows []sampleRow) {
	n := map[string]int{}
	for i := range rows {
		if rows[i].lost() {
			n[rows[i].class]++
		}
	}
	for class, n := range n {
		c.count(path+"."+class, n)
	}
}

// expectHistograms expects what travels beside the latencies of a period, and that both say the same.
func (x *played) expectHistograms(c recomputed, path string, rows []sampleRow) {
	for name, values := range map[string][]time.Duration{
		"response":     durations(rows, hasSucceeded, (*sampleRow).response),
		"service":      durations(rows, hasSucceeded, (*sampleRow).service),
		"response_all": durations(rows, (*sampleRow).finished, (*sampleRow).response),
	} {
		c.histogram(path+"histograms."+name, values)
		c.sameAs(x.d, path+"latency."+name, path+"histograms."+name)
	}
}

// expectParts expects how long the parts of exchanges took, where the result tells.
func (x *played) expectParts(c recomputed, path string, rows []sampleRow) {
	if !x.d.under(path) {
		return
	}
	of := func(part func(*sampleRow) stamp) []time.Duration {
		return durations(rows, func(r *sampleRow) bool { return part(r).set && r.finished() }, func(r *sampleRow) time.Duration { return part(r).at })
	}
	for name, values := range map[string][]time.Duration{
		"wait":       of(func(r *sampleRow) stamp { return r.wait }),
		"connect":    of(func(r *sampleRow) stamp { return r.connect }),
		"tls":        of(func(r *sampleRow) stamp { return r.tls }),
		"first_byte": durations(rows, hasSucceeded, func(r *sampleRow) time.Duration { return r.first.at - r.sent.at }),
	} {
		c.figures(path+"."+name, values)
		c.histogram(path+".histograms."+name, values)
		c.sameAs(x.d, path+"."+name, path+".histograms."+name)
	}
}

// recomputeRun expects the figures of the run: of every phase that is judged.
func (x *played) recomputeRun(c recomputed) {
	rows, length, within := x.judged()
	x.expectFigures(c, "", rows, length, within)
	x.expectHistograms(c, "", rows)
	x.expectParts(c, "parts", rows)
	c.instant("judged_duration_ms", length)
	last := time.Duration(0)
	for i := range x.rows {
		if x.rows[i].finished() {
			last = max(last, x.rows[i].done.at)
		}
	}
	c.instant("drain_ms", max(0, last-x.d.instant("duration_ms")))
	statuses, in, out := map[int]int{}, int64(0), int64(0)
	for _, r := range rowsWhere(rows, (*sampleRow).finished) {
		if r.status > 0 {
			statuses[r.status]++
		}
		in, out = in+r.bytesIn, out+r.bytesOut
	}
	for status, n := range statuses {
		c.count("statuses."+strconv.Itoa(status), n)
	}
	c.count("bytes.in", int(in))
	c.count("bytes.out", int(out))
	x.recomputeExamples(c)
}

// recomputeExamples expects one of a class's details as its example, whether or not its phase is judged.
func (x *played) recomputeExamples(c recomputed) {
	details := map[string]map[any]bool{}
	for _, r := range rowsWhere(x.rows, func(r *sampleRow) bool { return r.lost() && r.detail != "" }) {
		if details[r.class] == nil {
			details[r.class] = map[any]bool{}
		}
		details[r.class][r.detail] = true
	}
	for class, of := range details {
		c["error_examples."+class] = func(got any) string {
			if of[got] {
				return ""
			}
			return fmt.Sprintf("none of the %d details of that class", len(of))
		}
	}
}

// recomputePhases expects each phase's figures. A request belongs to the phase that it was due in. Phases follow each
// other from 0 on.
func (x *played) recomputePhases(c recomputed) {
	next := time.Duration(0)
	for _, p := range x.phases() {
		rows := rowsWhere(x.rows, func(r *sampleRow) bool { return r.phase == p.name })
		x.expectFigures(c, p.path+".", rows, p.length(), p.within)
		expectLag(c, p.path+".lag_ms", rows)
		x.expectHistograms(c, p.path+".", rows)
		x.expectParts(c, p.path+".parts", rows)
		c.instant(p.path+".start_ms", next)
		next = x.d.instant(p.path + ".end_ms")
		for _, r := range rows {
			if !x.d.period(p.path).holds(r.due) || r.discarded != p.discarded {
				c.is(fmt.Sprintf("%s: request %d", p.path, r.seq), "due in it and judged like it")
			}
		}
	}
	c.instant("planned_duration_ms", next)
}

// recomputeRequests expects the figures of each kind of request, in the phases that are judged.
func (x *played) recomputeRequests(c recomputed) {
	rows, length, within := x.judged()
	byName := map[string][]sampleRow{}
	for _, r := range rows {
		byName[r.request] = append(byName[r.request], r)
	}
	c.count("requests.length", len(byName))
	for _, p := range x.d.each("requests") {
		of := byName[x.d.text(p+".name")]
		x.expectFigures(c, p+".", of, length, within)
		expectLag(c, p+".lag_ms", of)
		x.expectHistograms(c, p+".", of)
		c.count(p+".start_ms", 0)
		c.instant(p+".end_ms", length)
	}
}

// recomputeWindows expects the figures of each window: of the requests due in it, and apart from them of those that
// ended in it. Windows follow each other without a gap and hold every request.
func (x *played) recomputeWindows(c recomputed) {
	last := time.Duration(0)
	for _, p := range x.d.each("windows") {
		bounds := x.d.period(p)
		due := rowsWhere(x.rows, func(r *sampleRow) bool { return bounds.holds(r.due) })
		x.expectFigures(c, p+".", due, bounds.length(), bounds.within)
		expectLag(c, p+".lag_ms", due)
		c.histogram(p+".histograms.response", durations(due, hasSucceeded, (*sampleRow).response))
		c.sameAs(x.d, p+".latency.response", p+".histograms.response")
		c.is(p+".histograms.service", "")
		c.is(p+".histograms.response_all", "")
		c.instant(p+".start_ms", last)
		c.is(p+".name", fmt.Sprintf("%.2fs", last.Seconds()))
		last = bounds.end
		if x.stopped() { // requests that were never offered have no row, but they are planned
			c.ratio(p+".rates.planned", x.d.number(p+".totals.planned")/bounds.length().Seconds())
		}
		x.expectEnded(c, p, bounds)
	}
	for i := range x.rows {
		if r := &x.rows[i]; r.due >= last || r.finished() && r.done.at >= last {
			c.is(fmt.Sprintf("windows: request %d", r.seq), "due and ended before the end of the last window")
		}
	}
}

// expectEnded expects the figures of the requests that ended in a window. A window may be shorter than a response
// takes: its throughput is of these.
func (x *played) expectEnded(c recomputed, p string, bounds period) {
	ended := rowsWhere(x.rows, func(r *sampleRow) bool { return r.finished() && bounds.holds(r.done.at) })
	ok := countRows(ended, hasSucceeded)
	c.perSecond(p+".rates.succeeded", ok, bounds.length())
	c.count(p+".ended.succeeded", ok)
	c.count(p+".ended.failed", countRows(ended, func(r *sampleRow) bool { return r.failed }))
	c.count(p+".ended.dropped", countRows(ended, func(r *sampleRow) bool { return r.dropped }))
	responses := durations(ended, hasSucceeded, (*sampleRow).response)
	c.figures(p+".ended.response", responses)
	c.histogram(p+".ended.histogram", responses)
	c.sameAs(x.d, p+".ended.response", p+".ended.histogram")
	expectErrors(c, p+".ended.errors", ended)
}

// recomputeValidity expects what is said of the generator itself.
func (x *played) recomputeValidity(c recomputed) {
	rows, _, _ := x.judged()
	expectLag(c, "validity.lag_ms", rows)
	delayed := countRows(rows, (*sampleRow).delayed)
	c.count("validity.stalled_requests", delayed)
	if delayed == 0 {
		c.null("validity.bracket")
		return
	}
	const busy = .8 // share of the CPU above which a closed loop drives the generator itself to its limit
	open := rowsWhere(rows, func(r *sampleRow) bool { return r.seq < closedNumbers })
	switch {
	case len(open) == len(rows) || x.d.number("validity.generator_cpu") <= busy:
		expectBracket(c, rows, openQuantiles(rows))
	case countRows(open, (*sampleRow).delayed) > 0: // such closed loops tell of throughput
		expectBracket(c, open, openQuantiles(open))
	default:
		expectBracket(c, rows, []float64{.5, .9})
	}
}

// openQuantiles are the quantiles that a result reports and that enough requests lie beyond, and the highest of that kind.
func openQuantiles(rows []sampleRow) []float64 {
	const beyond = 20 // requests that make a percentile more than chance
	n := float64(len(durations(atBest(rows), timed(hasSucceeded), (*sampleRow).response)))
	out := []float64{.5}
	for _, q := range []float64{.9, .95, .99, .999} {
		if n*(1-q) >= beyond-1e-6 {
			out = append(out, q)
		}
	}
	if q := 1 - beyond/n; q > .5 && q < .999 {
		out = append(out, q)
	}
	return out
}

// expectBracket expects both sides of the quantile at which they are furthest apart in proportion. Which one that is may
// hang on the histogram's precision: any of those that are as far apart will do.
func expectBracket(c recomputed, rows []sampleRow, quantiles []float64) {
	measured := recordable(durations(rows, hasSucceeded, (*sampleRow).response))
	best := recordable(durations(atBest(rows), timed(hasSucceeded), (*sampleRow).response))
	widest := 0.
	for _, q := range quantiles {
		if high := nearestRank(measured, q); high > 0 {
			widest = max(widest, float64(high)/float64(max(min(high, nearestRank(best, q)), 1)))
		}
	}
	one := func(of func(q float64) expectation) expectation {
		return func(got any) (problem string) {
			for _, q := range quantiles {
				high := nearestRank(measured, q)
				if low := min(high, nearestRank(best, q)); float64(high)/float64(max(low, 1)) < .99*widest {
					continue
				}
				if problem = of(q)(got); problem == "" {
					return ""
				}
			}
			return problem
		}
	}
	c["validity.bracket.percentile"] = one(func(q float64) expectation {
		return func(got any) string {
			if v, ok := got.(float64); ok && math.Abs(v-100*q) < 1e-6 {
				return ""
			}
			return fmt.Sprintf("recomputed %v", 100*q)
		}
	})
	c["validity.bracket.upper_ms"] = one(func(q float64) expectation { return aroundMicros(nearestRank(measured, q)) })
	c["validity.bracket.lower_ms"] = one(func(q float64) expectation { // never above the upper one
		low := min(nearestRank(best, q), nearestRank(measured, q))
		return aroundMicros(low)
	})
}

// atBest returns requests as they would have been had the generator not delayed them: without the time in which it
// stood still, and those that may have failed for it as successes, of unknown status
// and, where they were never sent, of unknown length.
func atBest(rows []sampleRow) []sampleRow {
	out := slices.Clone(rows)
	for i := range out {
		if r := &out[i]; r.delayed() {
			turned := r.lost() && r.mayBeTurned()
			r.done.at -= r.stalled
			r.turned, r.unknown = turned, turned && r.dropped
			if turned {
				r.succeeded, r.failed, r.dropped = true, false, false
			}
		}
	}
	return out
}
