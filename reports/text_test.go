package reports

import (
	"bytes"
	"strings"
	"testing"
)

// A count has every digit, so that it can be compared with the same count elsewhere.
func TestCountsAreWrittenInFull(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 7: "7", 9999: "9999", 10_000: "10000", 29_259: "29259", 123_456: "123456", 12_345_678: "12345678", -29_259: "-29259",
		0.25: "0.25", 12.3456: "12.35", 29_259.4: "29259", 1_234_567.8: "1234568",
		2.466e-16: "0", -2.466e-16: "0", 1e-9: "1e-09",
	} {
		if got := Quantity(v, ""); got != want {
			t.Errorf("%v is written %q, want %q", v, got, want)
		}
	}
}

// Headroom says how far below or above its limit an observation is, not what share of the limit it is.
func TestHeadroom(t *testing.T) {
	for _, tc := range []struct {
		op              string
		observed, limit float64
		want            string
	}{
		{"<", 2.3, 500, "99.5 % below the limit"},
		{"<", 0.01, 500, "99.9 % below the limit"},
		{"<", 0, 500, "100 % below the limit"},
		{"<", 115, 400, "71 % below the limit"},
		{"<", 499.9, 500, "0 % below the limit"},
		{"<=", 500, 500, "0 % below the limit"},
		{">=", 100, 100, "0 % above the limit"},
		{">", 180, 100, "80 % above the limit"},
		{">", 100.7, 100, "0.7 % above the limit"},
		{"<", 115, 50, "missed by 130 %"},
		{"<", 502, 500, "missed by 0.4 %"},
		{"<", 500, 500, "missed by 0 %"},
		{">", 20, 100, "missed by 80 %"},
		{"<", 4000, 400, "10 times the limit"},
	} {
		passed := map[string]bool{"<": tc.observed < tc.limit, "<=": tc.observed <= tc.limit, ">": tc.observed > tc.limit, ">=": tc.observed >= tc.limit}[tc.op]
		g := &Gate{Op: tc.op, Observed: &tc.observed, Limit: tc.limit, Judged: true, Passed: passed}
		if got := (&Result{}).headroom(g); got != tc.want {
			t.Errorf("%v %s %v: %q, want %q", tc.observed, tc.op, tc.limit, got, tc.want)
		}
	}
}

// A run of which nothing was asked says so in every output.
func TestWithoutGatesNothingWasAsked(t *testing.T) {
	const why = "no gates: nothing was asked of the system"
	r := fixture(t)
	r.Verdict, r.Gates, r.Reasons = Passed, nil, []string{why}
	texts := outputs(t, r)
	var b bytes.Buffer
	if err := WriteJUnit(&b, r); err != nil {
		t.Fatal(err)
	}
	texts["junit"] = b.String()
	for name, text := range texts {
		if strings.Count(text, why) != 1 {
			t.Errorf("%s says it %d times:\n%s", name, strings.Count(text, why), text)
		}
	}
	if strings.Count(texts["junit"], "<testcase ") != 1 || strings.Contains(texts["junit"], "<failure") {
		t.Errorf("junit:\n%s", texts["junit"])
	}
}

// Figures that count discarded phases too are called so where there are any.
func TestTheBalancersCountsNameTheirPhases(t *testing.T) {
	r := fixture(t)
	r.Balancer = &Balancer{Requests: 816, Unrouted: 816, Limited: 3}
	const all = " (in all phases, those that are not judged included)"
	for _, name := range []string{"had no target or no rule: sent, but at no target", "found the queue full"} {
		r.Phases[0].Discarded = true
		if page := outputs(t, r)["html"]; !strings.Contains(page, name+all) {
			t.Errorf("%q is not said to be of all phases", name)
		}
		r.Phases[0].Discarded = false
		if page := outputs(t, r)["html"]; !strings.Contains(page, name+"<") || strings.Contains(page, all) {
			t.Errorf("%q is said to be of phases that there are not", name)
		}
	}
}

// The table of intervals says that one of its columns counts other requests than the rest.
func TestIntervalsSayWhatTheyCount(t *testing.T) {
	if page := outputs(t, fixture(t))["html"]; strings.Count(page, intervalNote) != 1 {
		t.Error("the page does not say which requests an interval counts")
	}
	if page := outputs(t, older(t))["html"]; strings.Contains(page, intervalNote) {
		t.Error("the page says it of a result that does not tell what ended in an interval")
	}
}
