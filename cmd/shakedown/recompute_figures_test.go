package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// figures expects a summary of durations at a path, as reports.Figures describes it.
func (c recomputed) figures(path string, values []time.Duration) {
	c.count(path+".count", len(values))
	c.percentiles(path, values, map[string]float64{"p50_ms": .5, "p90_ms": .9, "p95_ms": .95, "p99_ms": .99, "p999_ms": .999, "max_ms": 1})
	if len(values) == 0 {
		c.null(path + ".mean_ms")
		return
	}
	sum := 0.
	for _, v := range recordable(values) {
		sum += float64(v)
	}
	c.length(path+".mean_ms", sum/float64(len(values))/1000)
}

// percentiles expects quantiles of durations, and null where there is none.
func (c recomputed) percentiles(path string, values []time.Duration, quantiles map[string]float64) {
	sorted := recordable(values)
	for name, q := range quantiles {
		if len(sorted) == 0 {
			c.null(path + "." + name)
			continue
		}
		c[path+"."+name] = quantileOf(sorted, q)
	}
}

// quantileOf expects the value of nearest rank, in milliseconds. Where q·n + 0.5 is a whole number up to rounding,
// either neighbour will do.
func quantileOf(sorted []int64, q float64) expectation {
	const rounding, precision, unit = 1e-6, .001, 1
	at := func(rank float64) float64 { return float64(sorted[min(max(int(rank), 1), len(sorted))-1]) }
	exact := q*float64(len(sorted)) + .5
	low, high := at(exact-rounding), at(exact+rounding)
	return func(got any) string {
		v, ok := got.(float64)
		if micros := v * 1000; ok && micros >= low*(1-precision)-unit && micros <= high*(1+precision)+unit {
			return ""
		}
		return fmt.Sprintf("recomputed %v", high/1000)
	}
}

// durations returns a duration of each row that a condition holds for.
func durations(rows []row, cond func(*row) bool, of func(*row) time.Duration) []time.Duration {
	var out []time.Duration
	for i := range rows {
		if cond(&rows[i]) {
			out = append(out, of(&rows[i]))
		}
	}
	return out
}

func succeeded(r *row) bool { return r.succeeded }

// count returns how many rows a condition holds for.
func count(rows []row, cond func(*row) bool) (n int) {
	for i := range rows {
		if cond(&rows[i]) {
			n++
		}
	}
	return n
}

// totals expects what became of rows, and their identities: planned = sent + dropped + cancelled and
// sent = succeeded + failed follow, since each row has one outcome.
func (c recomputed) totals(path string, rows []row) {
	ok, failed := count(rows, succeeded), count(rows, func(r *row) bool { return r.failed })
	c.count(path+".planned", len(rows))
	c.count(path+".sent", ok+failed)
	c.count(path+".succeeded", ok)
	c.count(path+".failed", failed)
	c.count(path+".dropped", count(rows, func(r *row) bool { return r.dropped }))
	c.count(path+".cancelled", count(rows, func(r *row) bool { return r.cut }))
	reconnects := 0
	for i := range rows {
		reconnects += rows[i].reconnects
	}
	c.count(path+".reconnects", reconnects)
}

// rates expects planned, offered and succeeded requests a second.
func (c recomputed) rates(path string, length time.Duration, planned, finished, within int) {
	if length <= 0 {
		planned, finished, within, length = 0, 0, 0, time.Second
	}
	c.ratio(path+".planned", float64(planned)/length.Seconds())
	c.ratio(path+".offered", float64(finished)/length.Seconds())
	c.ratio(path+".succeeded", float64(within)/length.Seconds())
}

// latency expects the three latencies.
func (c recomputed) latency(path string, rows []row) {
	c.figures(path+".response", durations(rows, succeeded, (*row).response))
	c.figures(path+".service", services(rows))
	c.figures(path+".response_all", durations(rows, (*row).finished, (*row).response))
}

func services(rows []row) []time.Duration {
	return durations(rows, succeeded, func(r *row) time.Duration { return r.done.at - r.sent.at })
}

// histograms expects what travels with a result beside the latencies.
func (c recomputed) histograms(path string, rows []row) {
	c.histogram(path+".response", durations(rows, succeeded, (*row).response))
	c.histogram(path+".service", services(rows))
	c.histogram(path+".response_all", durations(rows, (*row).finished, (*row).response))
}

// lag expects the generator's lateness, of every request that it released.
func (c recomputed) lag(path string, rows []row) {
	lags := durations(rows, func(r *row) bool { return r.offered.set }, func(r *row) time.Duration { return r.offered.at - r.due })
	c.percentiles(path, lags, map[string]float64{"p50": .5, "p99": .99, "max": 1})
}

// errors expects failures by class.
func (c recomputed) errors(path string, rows []row) {
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

// parts expects how long the parts of exchanges took.
func (c recomputed) parts(path string, rows []row) {
	rows = where(rows, (*row).finished)
	of := func(part func(*row) stamp) []time.Duration {
		return durations(rows, func(r *row) bool { return part(r).set }, func(r *row) time.Duration { return part(r).at })
	}
	for name, values := range map[string][]time.Duration{
		"wait":       of(func(r *row) stamp { return r.wait }),
		"connect":    of(func(r *row) stamp { return r.connect }),
		"tls":        of(func(r *row) stamp { return r.tls }),
		"first_byte": durations(rows, succeeded, func(r *row) time.Duration { return r.first.at - r.sent.at }),
	} {
		c.figures(path+"."+name, values)
		c.histogram(path+".histograms."+name, values)
	}
}

// period is a stretch of the run.
type period struct{ start, end time.Duration }

func (p period) length() time.Duration { return p.end - p.start }

// holds reports whether an instant is in the period: its end belongs to the next one.
func (p period) holds(t time.Duration) bool { return t >= p.start && t < p.end }

func (d document) period(path string) period {
	return period{d.instant(path + ".start_ms"), d.instant(path + ".end_ms")}
}

// figuresOf expects what every kind of period has in common, of the requests that belong to it.
func (c recomputed) figuresOf(path string, rows []row, length time.Duration, within func(*row) bool) {
	c.totals(path+".totals", rows)
	c.rates(path+".rates", length, len(rows), count(rows, (*row).finished), count(rows, func(r *row) bool { return r.succeeded && within(r) }))
	c.latency(path+".latency", rows)
	c.lag(path+".lag_ms", rows)
	c.errors(path+".errors", rows)
}

// played is a result beside the requests that it was made from.
type played struct {
	d    document
	rows []row
}

// phaseOf returns each phase's bounds by name.
func (x *played) phases() map[string]period {
	out := map[string]period{}
	for _, p := range x.d.each("phases") {
		out[x.d.text(p+".name")] = x.d.period(p)
	}
	return out
}

// whileJudged returns whether a request ended within a phase that is judged.
func (x *played) whileJudged() func(*row) bool {
	var judged []period
	for _, p := range x.d.each("phases") {
		if !x.d.truth(p + ".discarded") {
			judged = append(judged, x.d.period(p))
		}
	}
	return func(r *row) bool {
		return slices.ContainsFunc(judged, func(p period) bool { return p.holds(r.done.at) })
	}
}

func (x *played) judged() []row { return where(x.rows, func(r *row) bool { return !r.discarded }) }

// recompute returns what every figure of the result should be that follows from its requests.
func (x *played) recompute() recomputed {
	c := recomputed{}
	x.whole(c)
	x.recomputePhases(c)
	x.recomputeRequests(c)
	x.recomputeWindows(c)
	x.recomputeValidity(c)
	x.recomputeFaults(c)
	x.recomputeTargets(c)
	x.recomputeGates(c)
	return c
}

// whole expects the figures of the run: of every phase that is judged.
func (x *played) whole(c recomputed) {
	rows := x.judged()
	length, last := time.Duration(0), time.Duration(0)
	for _, p := range x.d.each("phases") {
		if !x.d.truth(p + ".discarded") {
			length += x.d.period(p).length()
		}
	}
	for i := range x.rows {
		if x.rows[i].finished() {
			last = max(last, x.rows[i].done.at)
		}
	}
	c.instant("judged_duration_ms", length)
	c.instant("drain_ms", max(0, last-x.d.instant("duration_ms")))
	c.totals("totals", rows)
	c.rates("rates", length, len(rows), count(rows, (*row).finished), count(rows, func(r *row) bool { return r.succeeded && x.whileJudged()(r) }))
	c.latency("latency", rows)
	c.histograms("histograms", rows)
	c.errors("errors", rows)
	if x.d.under("parts") {
		c.parts("parts", rows)
	}
	statuses, in, out := map[int]int{}, int64(0), int64(0)
	for i := range rows {
		if rows[i].status > 0 {
			statuses[rows[i].status]++
		}
		in, out = in+rows[i].bytesIn, out+rows[i].bytesOut
	}
	for status, n := range statuses {
		c.count("statuses."+strconv.Itoa(status), n)
	}
	c.count("bytes.in", int(in))
	c.count("bytes.out", int(out))
	x.recomputeExamples(c, rows)
}

// recomputeExamples expects one of a class's details as its example.
func (x *played) recomputeExamples(c recomputed, rows []row) {
	details := map[string]map[any]bool{}
	for i := range rows {
		if r := &rows[i]; r.lost() && r.detail != "" {
			if details[r.class] == nil {
				details[r.class] = map[any]bool{}
			}
			details[r.class][r.detail] = true
		}
	}
	for class, of := range details {
		c["error_examples."+class] = func(got any) string {
			if of[got] {
				return ""
			}
			return fmt.Sprintf("none of the details of %d kinds in the samples", len(of))
		}
	}
}

// recomputePhases expects each phase's figures. A request belongs to the phase that it was due in.
func (x *played) recomputePhases(c recomputed) {
	for _, p := range x.d.each("phases") {
		bounds, name := x.d.period(p), x.d.text(p+".name")
		rows := where(x.rows, func(r *row) bool { return r.phase == name })
		c.figuresOf(p, rows, bounds.length(), func(r *row) bool { return r.done.at < bounds.end })
		c.histograms(p+".histograms", rows)
		if x.d.under(p + ".parts") {
			c.parts(p+".parts", rows)
		}
		for i := range rows {
			if r := &rows[i]; !bounds.holds(r.due) && r.finished() || r.discarded != x.d.truth(p+".discarded") {
				c.is(fmt.Sprintf("%s: request %d in it", p, r.seq), "due in it and judged like it")
			}
		}
	}
}

// recomputeRequests expects the figures of each kind of request, in the phases that are judged.
func (x *played) recomputeRequests(c recomputed) {
	for _, p := range x.d.each("requests") {
		name := x.d.text(p + ".name")
		rows := where(x.judged(), func(r *row) bool { return r.request == name })
		c.figuresOf(p, rows, x.d.instant("judged_duration_ms"), x.whileJudged())
		c.histograms(p+".histograms", rows)
		c.count(p+".start_ms", 0)
		c.instant(p+".end_ms", x.d.instant("judged_duration_ms"))
	}
}

// recomputeWindows expects the figures of each window: of the requests due in it, and apart from them of those that
// ended in it. Windows follow each other without a gap and hold every request.
func (x *played) recomputeWindows(c recomputed) {
	last := time.Duration(0)
	for _, p := range x.d.each("windows") {
		bounds := x.d.period(p)
		c.instant(p+".start_ms", last)
		last = bounds.end
		due := where(x.rows, func(r *row) bool { return bounds.holds(r.due) })
		ended := where(x.rows, func(r *row) bool { return r.finished() && bounds.holds(r.done.at) })
		// A window may be shorter than a response takes: its throughput is of those that ended in it.
		ok := count(ended, succeeded)
		c.figuresOf(p, due, bounds.length(), succeeded)
		c.ratio(p+".rates.succeeded", float64(ok)/bounds.length().Seconds())
		c.histogram(p+".histograms.response", durations(due, succeeded, (*row).response))
		c.is(p+".histograms.service", "")
		c.is(p+".histograms.response_all", "")
		c.count(p+".ended.succeeded", ok)
		c.count(p+".ended.failed", count(ended, func(r *row) bool { return r.failed }))
		c.count(p+".ended.dropped", count(ended, func(r *row) bool { return r.dropped }))
		responses := durations(ended, succeeded, (*row).response)
		c.figures(p+".ended.response", responses)
		c.histogram(p+".ended.histogram", responses)
		c.errors(p+".ended.errors", ended)
	}
	for i := range x.rows {
		if r := &x.rows[i]; r.due >= last || r.finished() && r.done.at >= last {
			c.is(fmt.Sprintf("windows: request %d", r.seq), "due and ended before the end of the last window")
		}
	}
}

// recomputeValidity expects what is said of the generator itself.
func (x *played) recomputeValidity(c recomputed) {
	rows := x.judged()
	c.lag("validity.lag_ms", rows)
	delayed := where(rows, func(r *row) bool { return r.finished() && r.stalled > 0 })
	c.count("validity.stalled_requests", len(delayed))
	if len(delayed) == 0 {
		c.null("validity.bracket")
		return
	}
	measured := durations(rows, succeeded, (*row).response)
	q := x.d.number("validity.bracket.percentile") / 100
	c["validity.bracket.upper_ms"] = quantileOf(recordable(measured), q)
	c["validity.bracket.lower_ms"] = quantileOf(recordable(atBest(rows)), q)
	c["validity.bracket.percentile"] = func(any) string {
		const beyond = 20
		if math.Round(float64(len(measured))*(1-q)) >= beyond {
			return ""
		}
		return fmt.Sprintf("too few beyond it of %d", len(measured))
	}
}

// atBest returns response times without the time in which the generator stood still, with the requests that failed
// after such a delay as successes.
func atBest(rows []row) []time.Duration {
	return durations(rows, func(r *row) bool { return r.succeeded || r.lost() && r.stalled > 0 }, func(r *row) time.Duration { return r.response() - r.stalled })
}
