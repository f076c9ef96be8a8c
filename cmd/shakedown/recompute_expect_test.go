package main

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
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

// histogram expects an encoded histogram that holds exactly these durations, each in its own bucket.
func (c recomputed) histogram(path string, want []time.Duration) {
	c[path] = func(got any) string {
		text, _ := got.(string)
		if text == "" {
			if len(want) == 0 {
				return ""
			}
			return fmt.Sprintf("empty, recomputed %d values", len(want))
		}
		h, err := hdrhistogram.Decode([]byte(text))
		if err != nil {
			return err.Error()
		}
		micros := recordable(want)
		if int(h.TotalCount()) != len(micros) {
			return fmt.Sprintf("holds %d values, recomputed %d", h.TotalCount(), len(micros))
		}
		for _, bar := range h.Distribution() {
			from, _ := slices.BinarySearch(micros, bar.From)
			to, _ := slices.BinarySearch(micros, bar.To+1)
			if int64(to-from) != bar.Count {
				return fmt.Sprintf("holds %d values from %d to %d µs, recomputed %d", bar.Count, bar.From, bar.To, to-from)
			}
		}
		return ""
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
		c[path+"."+name] = betweenMicros(nearestRank(sorted, q), nearestRank(sorted, q))
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

// between expects a time in milliseconds that a histogram holds for a value between two in microseconds.
func betweenMicros(low, high int64) expectation {
	const precision, unit = .001, 1
	return func(got any) string {
		v, ok := got.(float64)
		if micros := v * 1000; ok && micros >= float64(low)*(1-precision)-unit && micros <= float64(high)*(1+precision)+unit {
			return ""
		}
		return fmt.Sprintf("recomputed %v", float64(high)/1000)
	}
}

// sameAs expects figures to be exactly those of the histogram beside them. Both are part of the document.
func (c recomputed) sameAs(d document, figures, histogram string) {
	h, err := hdrhistogram.Decode([]byte(d.text(histogram)))
	if err != nil {
		return // empty, or not a histogram: its own expectation says so
	}
	quantile := func(percent float64) float64 { // of the nearest rank, which HdrHistogram itself rounds
		seen, micros := int64(0), int64(0)
		for _, bar := range h.Distribution() {
			if seen += bar.Count; bar.Count > 0 {
				micros = bar.To
			}
			if float64(seen) >= percent/100*float64(h.TotalCount())-1e-6 {
				break
			}
		}
		return float64(micros)
	}
	for name, micros := range map[string]float64{
		"p50_ms": quantile(50), "p90_ms": quantile(90), "p95_ms": quantile(95), "p99_ms": quantile(99), "p999_ms": quantile(99.9),
		"max_ms": float64(h.Max()), "mean_ms": h.Mean(), "count": 1000 * float64(h.TotalCount()),
	} {
		path := figures + "." + name
		lines := c[path]
		c[path] = func(got any) string {
			if v, ok := got.(float64); !ok || math.Abs(v*1000-micros) > .5 {
				return fmt.Sprintf("its histogram says %v", micros/1000)
			}
			return lines(got)
		}
	}
}
