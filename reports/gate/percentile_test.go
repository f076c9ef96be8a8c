package gate

import (
	"math"
	"testing"
)

// A percentile has one reading, and takes as many requests as lie 20 beyond it.
func TestPercentiles(t *testing.T) {
	for _, tc := range []struct {
		metric string
		q      float64 // 0: not a percentile
		needed uint64
	}{
		{"p1", .01, 21}, {"p5", .05, 22}, {"p10", .1, 23}, {"p50", .5, 40}, {"p90", .9, 200}, {"p99", .99, 2000}, {"p99_all", .99, 2000},
		{"p99.9", .999, 20_000}, {"p999", .999, 20_000}, {"p999_all", .999, 20_000}, {"p99.99", .9999, 200_000}, {"p9999", .9999, 200_000},
		{"p99999", .99999, 2_000_000}, {"p12.5", .125, 23}, {"p100", 1, 0}, {"p100_all", 1, 0},
		{"p0", 0, 0}, {"p101", 0, 0}, {"p", 0, 0}, {"p.5", 0, 0}, {"p99.9999", 0, 0}, {"p500", 0, 0}, {"p99_all_all", 0, 0}, {"max", 0, 0}, {"mean_all", 0, 0}, {"", 0, 0},
	} {
		q, ok := Quantile(tc.metric)
		if ok != (tc.q > 0) || math.Abs(q-tc.q) > 1e-12 {
			t.Errorf("%s: quantile %v, %v", tc.metric, q, ok)
		}
		if ok && Needed(q) != tc.needed {
			t.Errorf("%s takes %d requests, want %d", tc.metric, Needed(q), tc.needed)
		}
	}
}
