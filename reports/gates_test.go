package reports

import "testing"

// A gate on a percentile says of how many requests it is when they are too few for it.
func TestGatesOfFewRequests(t *testing.T) {
	for _, tc := range []struct {
		metric         string
		succeeded, all int64
		want           string
	}{
		{"p100", 20, 20, "22 ms"}, // the maximum is one request's whatever their number
		{"p50", 39, 50, "22 ms (of 39 requests)"},
		{"p50", 40, 50, "22 ms"},
		{"p5", 21, 50, "22 ms (of 21 requests)"},
		{"p5", 22, 50, "22 ms"},
		{"p99", 1999, 5000, "22 ms (of 1999 requests)"},
		{"p99_all", 1999, 5000, "22 ms"},
		{"p99_all", 1500, 1600, "22 ms (of 1600 requests)"},
		{"p99.9", 19_999, 20_000, "22 ms (of 19999 requests)"},
		{"p99.9", 20_000, 20_000, "22 ms"},
		{"p999", 19_999, 20_000, "22 ms (of 19999 requests)"},
		{"max", 1, 1, "22 ms"},
	} {
		observed := 22.
		r := &Result{Verdict: Passed, Gates: []Gate{{Metric: tc.metric, Observed: &observed, Unit: "ms", Passed: true, Judged: true}}}
		r.Latency.Response.Count, r.Latency.All.Count = tc.succeeded, tc.all
		if got := r.observed(&r.Gates[0]); got != tc.want {
			t.Errorf("%s of %d requests, %d succeeded: %q, want %q", tc.metric, tc.all, tc.succeeded, got, tc.want)
		}
	}
}
