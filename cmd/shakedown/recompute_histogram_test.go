package main

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// histogram is a decoded histogram of a result: its buckets that hold something, in order. It never changes.
type histogram struct {
	bars []hdrhistogram.Bar
	n    int64
}

// decodeHistogram reads HdrHistogram's V2 compressed encoding.
func decodeHistogram(text string) (*histogram, error) {
	decoded, err := hdrhistogram.Decode([]byte(text))
	if err != nil {
		return nil, err
	}
	h := &histogram{n: decoded.TotalCount()}
	for _, bar := range decoded.Distribution() {
		if bar.Count > 0 {
			h.bars = append(h.bars, bar)
		}
	}
	return h, nil
}

func (h *histogram) String() string { return fmt.Sprintf("a histogram of %d values", h.n) }

// quantile returns the upper end of the bucket that holds a quantile's nearest rank, in microseconds.
func (h *histogram) quantile(q float64) float64 {
	rank := max(1, int64(math.Ceil(q*float64(h.n)-1e-6)))
	i := slices.IndexFunc(h.bars, func(bar hdrhistogram.Bar) bool {
		rank -= bar.Count
		return rank <= 0
	})
	return float64(h.bars[i].To)
}

// mean returns the mean of the buckets' middles, in microseconds.
func (h *histogram) mean() float64 {
	sum := 0.
	for _, bar := range h.bars {
		middle := bar.From + (bar.To-bar.From+1)/2
		sum += float64(bar.Count) * float64(middle)
	}
	return sum / float64(h.n)
}

// differs reports how the histogram differs from these durations, each in its own bucket; "" when it does not.
func (h *histogram) differs(from []time.Duration) string {
	micros := recordable(from)
	if h.n != int64(len(micros)) {
		return fmt.Sprintf("recomputed %d values", len(micros))
	}
	for _, bar := range h.bars {
		first, _ := slices.BinarySearch(micros, bar.From)
		next, _ := slices.BinarySearch(micros, bar.To+1)
		if int64(next-first) != bar.Count {
			return fmt.Sprintf("%d of them from %d to %d µs, recomputed %d", bar.Count, bar.From, bar.To, next-first)
		}
	}
	return ""
}

// histogram expects a histogram that holds exactly these durations; an empty text stands for one without any.
func (c recomputed) histogram(path string, want []time.Duration) {
	c[path] = func(got any) string {
		h, ok := got.(*histogram)
		switch {
		case ok:
			return h.differs(want)
		case got == "" && len(want) == 0:
			return ""
		}
		return fmt.Sprintf("recomputed a histogram of %d values", len(want))
	}
}

// sameAs expects figures to be exactly those of the histogram beside them, besides what they are expected to be anyway.
func (c recomputed) sameAs(d document, figures, path string) {
	h, ok := d[path].(*histogram)
	if !ok || h.n == 0 {
		return // the expectation of the histogram says what is wrong
	}
	for name, micros := range map[string]float64{
		"p50_ms": h.quantile(.5), "p90_ms": h.quantile(.9), "p95_ms": h.quantile(.95), "p99_ms": h.quantile(.99), "p999_ms": h.quantile(.999),
		"max_ms": h.quantile(1), "mean_ms": h.mean(), "count": 1000 * float64(h.n),
	} {
		const half = .5 // a microsecond, the unit of the histogram
		figure := figures + "." + name
		lines := c[figure]
		c[figure] = func(got any) string {
			if v, ok := got.(float64); !ok || math.Abs(v*1000-micros) > half {
				return fmt.Sprintf("its histogram says %v", micros/1000)
			}
			return lines(got)
		}
	}
}
