package main

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// expectation reports what is wrong with the value of a leaf; "" when nothing is.
type expectation func(got any) string

// recomputed is what the leaves of a document should be, by path.
type recomputed map[string]expectation

// count expects a whole number, exactly.
func (c recomputed) count(path string, want int) {
	c[path] = func(got any) string {
		if v, ok := got.(float64); ok && v == float64(want) {
			return ""
		}
		return fmt.Sprintf("recomputed %d", want)
	}
}

// ratio expects a quotient of exact numbers, up to the rounding of its arithmetic.
func (c recomputed) ratio(path string, want float64) {
	const rounding = 1e-9
	c.near(path, want, rounding*math.Max(1, math.Abs(want)))
}

// near expects a number within a distance.
func (c recomputed) near(path string, want, within float64) {
	c[path] = func(got any) string {
		if v, ok := got.(float64); ok && math.Abs(v-want) <= within {
			return ""
		}
		return fmt.Sprintf("recomputed %v, within %v", want, within)
	}
}

// length expects a time that was read from a histogram, in milliseconds: its bounds are 0.1 % apart, and it holds
// whole microseconds.
func (c recomputed) length(path string, want float64) {
	const precision, unit = .001, .001
	c.near(path, want, math.Abs(want)*precision+unit)
}

// instant expects a time in milliseconds, exact to the nanosecond.
func (c recomputed) instant(path string, want time.Duration) {
	const half = .5e-6
	c.near(path, float64(want)/float64(time.Millisecond), half)
}

// atLeast expects a number that no row can tell in full.
func (c recomputed) atLeast(path string, want float64) {
	c[path] = func(got any) string {
		if v, ok := got.(float64); ok && v >= want {
			return ""
		}
		return fmt.Sprintf("recomputed at least %v", want)
	}
}

func (c recomputed) null(path string) {
	c[path] = func(got any) string {
		if got == nil {
			return ""
		}
		return "recomputed: null"
	}
}

func (c recomputed) is(path string, want any) {
	c[path] = func(got any) string {
		if got == want {
			return ""
		}
		return fmt.Sprintf("recomputed %v", want)
	}
}

// recordable returns durations as a histogram holds them, in order: whole microseconds from 1 µs to 1 h.
func recordable(values []time.Duration) []int64 {
	out := make([]int64, len(values))
	for i, v := range values {
		out[i] = min(max(int64(v/time.Microsecond), 1), int64(time.Hour/time.Microsecond))
	}
	slices.Sort(out)
	return out
}

// perSecond expects a count over a length of time; 0 where there was no time.
func (c recomputed) perSecond(path string, n int, length time.Duration) {
	if length <= 0 {
		c.count(path, 0)
		return
	}
	c.ratio(path, float64(n)/length.Seconds())
}

// figures expects a summary of durations, as reports.Figures describes it.
func (c recomputed) figures(path string, values []time.Duration) {
	c.count(path+".count", len(values))
	c.percentiles(path, values, map[string]float64{"p50_ms": .5, "p90_ms": .9, "p95_ms": .95, "p99_ms": .99, "p999_ms": .999, "max_ms": 1})
	if len(values) == 0 {
		c.null(path + ".mean_ms")
		return
	}
	c.length(path+".mean_ms", meanMS(values))
}

// mean returns the mean of durations as a histogram holds them, in milliseconds.
func meanMS(values []time.Duration) float64 {
	sum := 0.
	for _, v := range recordable(values) {
		sum += float64(v)
	}
	return sum / float64(len(values)) / 1000
}

// percentiles expects quantiles of durations, and null where there is none.
func (c recomputed) percentiles(path string, values []time.Duration, quantiles map[string]float64) {
	sorted := recordable(values)
	for name, q := range quantiles {
		if len(sorted) == 0 {
			c.null(path + "." + name)
			continue
		}
		c[path+"."+name] = aroundMicros(nearestRank(sorted, q))
	}
}

// nearestRank returns the value of a quantile's nearest rank, in microseconds: the least value that a share of q of
// all does not exceed.
func nearestRank(sorted []int64, q float64) int64 {
	for i, v := range sorted {
		if float64(i+1) >= q*float64(len(sorted))-1e-6 {
			return v
		}
	}
	return sorted[len(sorted)-1]
}

// aroundMicros expects a time in milliseconds that a histogram holds for a value in microseconds.
func aroundMicros(micros int64) expectation {
	const precision, unit = .001, 1
	return func(got any) string {
		v, ok := got.(float64)
		if ok && math.Abs(v*1000-float64(micros)) <= float64(micros)*precision+unit {
			return ""
		}
		return fmt.Sprintf("recomputed %v", float64(micros)/1000)
	}
}
