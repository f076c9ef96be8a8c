package reports

import (
	"bytes"
	"strings"
	"testing"
)

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

// A gate that was not judged is neither passed nor failed, in no output, and says why.
func TestGatesThatWereNotJudged(t *testing.T) {
	upper, lower := 400., 20.
	for why, tc := range map[string]struct {
		verdict         Verdict
		observed, lower *float64
		note, why       string
	}{
		"the run was stopped early":          {Aborted, &upper, nil, "", "100 requests missed fault err"},
		"400 ms as measured, and 100 missed": {Invalid, &upper, &lower, "", "400 ms as measured, and 100 missed"},
		"400 ms as measured, but 20 ms without what the load generator itself delayed":     {Invalid, &upper, &lower, "", ""},
		"no figure as measured, but 20 ms without what the load generator itself delayed":  {Invalid, nil, &lower, "no request succeeded", ""},
		"400 ms as measured, but no figure without what the load generator itself delayed": {Invalid, &upper, nil, "", ""},
		"no request in its window": {Invalid, nil, nil, "no request in its window", ""},
	} {
		for _, passed := range []bool{false, true} {
			r := fixture(t)
			r.Verdict, r.Reasons = tc.verdict, []string{"because of that"}
			r.Gates = []Gate{{Expr: "p99[x] < 200ms", Metric: "p99", Window: "x", Op: "<", Limit: 200, Unit: "ms", Observed: tc.observed, Lower: tc.lower, Passed: passed, Note: tc.note, Why: tc.why}}
			texts := outputs(t, r)
			var b bytes.Buffer
			if err := WriteJUnit(&b, r); err != nil {
				t.Fatal(err)
			}
			texts["junit"] = b.String()
			for name, text := range texts {
				marks := map[string][]string{
					"terminal": {"skip  p99[x]", "pass  p99[x]", "FAIL  p99[x]"}, "markdown": {"| not judged |", "| pass |", "| **fail** |"},
					"html": {">not judged<", `"good">passed<`, `"bad">failed<`}, "junit": {"<skipped ", "<system-out>", "<failure message=\"p99"},
				}[name]
				if !strings.Contains(text, why) || !strings.Contains(text, marks[0]) || strings.Contains(text, marks[1]) || strings.Contains(text, marks[2]) ||
					strings.Contains(text, " the limit") || strings.Contains(text, "missed by") {
					t.Errorf("%s, passed %v: %s does not say so, or a mark besides", why, passed, name)
				}
			}
		}
	}
}
