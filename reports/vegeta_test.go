package reports

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// vegetaFile writes a CSV file of vegeta's: a request every so often, those of which a status is 0 were refused.
func vegetaFile(t *testing.T, every time.Duration, statuses ...int) string {
	t.Helper()
	var b strings.Builder
	for i, status := range statuses {
		failure := ""
		if status == 0 {
			failure = "connection refused"
		}
		at := time.Unix(1_700_000_000, 0).Add(time.Duration(i) * every)
		fmt.Fprintf(&b, "%d,%d,%d,3,10,%s,,attack,%d,GET,http://127.0.0.1:1/,\n", at.UnixNano(), status, 40*time.Millisecond, failure, i)
	}
	path := filepath.Join(t.TempDir(), "results.csv")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A file of vegeta's is held to what every run is held to, and tells what it knows.
func TestFilesOfVegeta(t *testing.T) {
	for name, tc := range map[string]struct {
		every    time.Duration
		statuses []int
		verdict  Verdict
		says     string // the reason
		counts   map[string]uint64
		rate     string // succeeded of planned
	}{
		"all succeeded":    {20 * time.Millisecond, []int{200, 200, 201, 200, 200, 200}, Passed, "no gates", map[string]uint64{"200": 5, "201": 1}, "30.0/s succeeded of 60.0/s planned"},
		"half of them":     {20 * time.Millisecond, []int{200, 503, 200, 503}, Passed, "no gates", map[string]uint64{"200": 2, "503": 2}, "16.7/s succeeded of 66.7/s planned"},
		"all failed":       {20 * time.Millisecond, []int{503, 0, 503}, Failed, "100.0 % of the requests failed", map[string]uint64{"503": 2}, "0.0/s succeeded of 75.0/s planned"},
		"one":              {0, []int{200}, Passed, "no gates", map[string]uint64{"200": 1}, "— succeeded of — planned"},
		"one that failed":  {0, []int{503}, Failed, "100.0 % of the requests failed", map[string]uint64{"503": 1}, "— succeeded of — planned"},
		"at the same time": {0, []int{200, 200, 200}, Passed, "no gates", map[string]uint64{"200": 3}, "— succeeded of — planned"},
	} {
		r, err := Read(vegetaFile(t, tc.every, tc.statuses...))
		if err != nil {
			t.Fatal(err)
		}
		if r.Verdict != tc.verdict || len(r.Reasons) != 1 || !strings.Contains(r.Reasons[0], tc.says) || !maps.Equal(r.Statuses, tc.counts) {
			t.Errorf("%s: %s, %v, statuses %v", name, r.Verdict, r.Reasons, r.Statuses)
		}
		n := int64(len(tc.statuses))
		if r.DrainMS != 40 || r.Bytes != (Bytes{In: 10 * n, Out: 3 * n}) || r.JudgedMS != MS(tc.every)*float64(n-1) {
			t.Errorf("%s: drained for %v ms, %+v, judged %v ms", name, r.DrainMS, r.Bytes, r.JudgedMS)
		}
		if suite := junitOf(t, r); (suite.Failures == 1) != (tc.verdict == Failed) {
			t.Errorf("%s: %d failures in JUnit", name, suite.Failures)
		}
		if text := Summary(r, plain); !strings.Contains(text, tc.rate) {
			t.Errorf("%s: not %q:\n%s", name, tc.rate, text)
		}
		for _, p := range slices.Concat(r.Windows, r.Phases, r.Requests) {
			if p.Rates.Planned > 1000 {
				t.Errorf("%s: %v a second in %s", name, p.Rates.Planned, p.Name)
			}
		}
		for format, text := range outputs(t, r) {
			if strings.Contains(text, "000000") || tc.every == 0 && strings.Contains(text, "0.0/s succeeded") {
				t.Errorf("%s: a rate without a length in %s", name, format)
			}
		}
	}
}
