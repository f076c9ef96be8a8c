package reports

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func junitOf(t *testing.T, r *Result) junitSuite {
	t.Helper()
	var b bytes.Buffer
	if err := WriteJUnit(&b, r); err != nil {
		t.Fatal(err)
	}
	var s junitSuite
	if err := xml.Unmarshal(b.Bytes(), &s); err != nil {
		t.Fatalf("%v\n%s", err, b.String())
	}
	return s
}

func TestJUnitTellsFailuresFromErrorsAndFromWhatWasNotJudged(t *testing.T) {
	type counts struct{ failures, errors, skipped int }
	const own, ofGate = "because <of> & that", "p99 < 1s: observed 2.00 s"
	for _, tc := range []struct {
		verdict        Verdict
		passed, judged bool
		reason         string
		want           counts
	}{
		{Passed, true, true, own, counts{0, 0, 0}},
		{Failed, false, true, ofGate, counts{1, 0, 0}},
		{Failed, false, true, own, counts{2, 0, 0}},
		{Failed, true, true, own, counts{1, 0, 0}}, // such as a collapse
		{Failed, true, true, ofGate, counts{1, 0, 0}},
		{Failed, false, false, ofGate, counts{1, 0, 1}}, // a failed run is never green
		{Invalid, true, true, own, counts{0, 1, 0}},
		{Invalid, false, true, ofGate, counts{1, 1, 0}},
		{Invalid, true, false, own, counts{0, 1, 1}},
		{Invalid, false, false, own, counts{0, 1, 1}},
		{Interrupted, true, true, own, counts{0, 1, 0}},
		{Interrupted, false, false, own, counts{0, 1, 1}},
		{Aborted, false, true, own, counts{2, 0, 0}},
		{Aborted, false, false, own, counts{1, 0, 1}},
	} {
		r := &Result{Name: "x", Verdict: tc.verdict, Reasons: []string{tc.reason}, Gates: []Gate{{Expr: "p99 < 1s", Passed: tc.passed, Judged: tc.judged}}}
		s := junitOf(t, r)
		if got := (counts{s.Failures, s.Errors, s.Skipped}); s.Tests != 2 || got != tc.want {
			t.Errorf("%+v: %d tests, %+v", tc, s.Tests, got)
		}
	}
	r := &Result{Name: "x", Verdict: Failed, Reasons: []string{own}} // no gates at all
	if s := junitOf(t, r); s.Failures != 1 || s.Cases[0].Failure.Text != "failed: "+own {
		t.Errorf("%+v", s)
	}
}

// What was not judged is no reason.
func TestGatesThatWereNotJudgedAreNoReasons(t *testing.T) {
	r := &Result{Name: "x", Verdict: Interrupted, Reasons: []string{"interrupted after 1 s", "eject(kill) < 3s: did not happen", "p99 < 1s: observed 2.00 s"}, Gates: []Gate{
		{Expr: "eject(kill) < 3s"}, {Expr: "p99 < 1s", Judged: true},
	}}
	if got := junitOf(t, r).Cases[0].Error.Text; got != "interrupted: interrupted after 1 s; p99 < 1s: observed 2.00 s" {
		t.Error(got)
	}
	for name, write := range map[string]func(io.Writer, *Result) error{"page": WriteHTML, "Markdown": WriteMarkdown} {
		var b bytes.Buffer
		if err := write(&b, r); err != nil || strings.Contains(b.String(), "3s: did") || !strings.Contains(b.String(), "observed 2.00 s") {
			t.Errorf("%s, %v:\n%s", name, err, b.String())
		}
	}
}

func TestJUnitTellsNotesAndBrackets(t *testing.T) {
	zero, lower, upper, nearly := 0., 90., 140., 139.9
	r := &Result{Name: "x", Verdict: Failed, Gates: []Gate{
		{Expr: "recover(kill) < 3s", Unit: "ms", Observed: &zero, Passed: true, Judged: true, Note: "the objective never broke"},
		{Expr: "p50 < 100ms", Metric: "p50", Unit: "ms", Observed: &upper, Lower: &lower, Judged: true},
		{Expr: "p50 < 100ms", Metric: "p50", Unit: "ms", Observed: &upper, Lower: &nearly, Judged: true},
		{Expr: "eject(kill) < 3s", Unit: "ms", Judged: true},
		{Expr: "rate > 200/s", Unit: "/s", Observed: &lower, Lower: &upper, Judged: true},
	}, Latency: Latency{Response: Figures{Count: 39}}}
	s := junitOf(t, r)
	if got := s.Cases[1].Output; got != "observed 0 ms (the objective never broke)" {
		t.Error(got)
	}
	for i, want := range map[int]string{
		2: "p50 < 100ms: observed between 90 ms and 140 ms: the load generator was late or stood still (of 39 requests)",
		3: "p50 < 100ms: observed 140 ms (of 39 requests)",
		4: "eject(kill) < 3s: did not happen",
		5: "rate > 200/s: observed between 90.0/s and 140.0/s: the load generator was late or stood still",
	} {
		if got := s.Cases[i].Failure; got == nil || got.Text != want || got.Message != want {
			t.Errorf("%+v, want %q", got, want)
		}
	}
	if s.Cases[3].Name != "p50 < 100ms (2)" {
		t.Error(s.Cases[3].Name)
	}
}

// Results of older versions do not say whether a gate was judged.
func TestOlderResultsSayNothingOfJudging(t *testing.T) {
	for _, tc := range []struct {
		verdict Verdict
		judged  string
		want    bool
	}{{Failed, "", true}, {Aborted, "", true}, {Interrupted, "", false}, {Interrupted, `, "judged": true`, true}, {Aborted, `, "judged": false`, false}} {
		path := filepath.Join(t.TempDir(), "result.json")
		text := fmt.Sprintf(`{"schema": %q, "verdict": %q, "gates": [{"expr": "p99 < 1s"%s}]}`, Schema, tc.verdict, tc.judged)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := Read(path)
		if err != nil || r.Gates[0].Judged != tc.want {
			t.Errorf("%+v: %+v, %v", tc, r, err)
		}
		if s := junitOf(t, r); strings.Contains(text, "interrupted") && (s.Skipped == 1) == tc.want {
			t.Errorf("%+v: %d skipped", tc, s.Skipped)
		}
	}
}
