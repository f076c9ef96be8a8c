package reports

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
)

// outputs are what a person reads of a result, by name.
func outputs(t *testing.T, r *Result) map[string]string {
	t.Helper()
	var markdown, html bytes.Buffer
	if err := WriteMarkdown(&markdown, r); err != nil {
		t.Fatal(err)
	}
	if err := WriteHTML(&html, r); err != nil {
		t.Fatal(err)
	}
	return map[string]string{"terminal": Summary(r, plain), "markdown": markdown.String(), "html": html.String()}
}

// That the load generator itself delayed requests is told once, and no percentile with more digits than it has.
func TestStallsAreToldOnce(t *testing.T) {
	r := fixture(t)
	r.Validity.Bracket = &Bracket{Percentile: 99.99498257699862, LowerMS: 61.2, UpperMS: 82.687}
	r.Warnings = []string{DelayedWarning + "18 of the judged requests: p99.995 lies between 61 ms and 83 ms", "something else"}
	for name, text := range outputs(t, r) {
		if strings.Contains(text, DelayedWarning) || strings.Count(text, "The load generator itself stood still for") != 1 ||
			strings.Count(text, "something else") != 1 {
			t.Errorf("%s:\n%s", name, text)
		}
		if !strings.Contains(text, "The p99.995 of the response time lies between 61 ms") {
			t.Errorf("%s does not name the percentile p99.995:\n%s", name, text)
		}
		if long := regexp.MustCompile(`p99\.[0-9]{4,}`).FindString(text); long != "" {
			t.Errorf("%s says %s", name, long)
		}
	}
	var b bytes.Buffer
	if err := WriteJSON(&b, r); err != nil || !strings.Contains(b.String(), DelayedWarning) {
		t.Errorf("the result lacks its warning: %v", err)
	}

	r.Validity = Validity{Valid: true} // an output that says nothing of it keeps the warning
	for name, text := range outputs(t, r) {
		if strings.Count(text, DelayedWarning) != 1 {
			t.Errorf("%s lacks the warning:\n%s", name, text)
		}
	}
}

// Time in which what had piled up drained is no time in which the generator stood still, and a late request no stall.
func TestStandingStillIsNotLateness(t *testing.T) {
	for _, tc := range []struct {
		stopped, drained float64
		says             string
	}{
		{198, 784, "The load generator itself stood still for 198 ms in all, took 784 ms more to work off what had piled up meanwhile, and delayed 1 of 716 judged requests (0.14 %)"},
		{198, 0, "The load generator itself stood still for 198 ms in all and delayed 1 of 716 judged requests (0.14 %)"},
		{0, 0, "The load generator itself was late with 1 of 716 judged requests (0.14 %)"},
	} {
		r := fixture(t)
		v := &r.Validity
		v.StalledMS, v.DrainedMS, v.StalledRequests = tc.stopped, tc.drained, 1
		if v.Stalls = v.Stalls[:1]; tc.stopped == 0 {
			v.Stalls = nil
		}
		for name, text := range outputs(t, r) {
			if !strings.Contains(text, tc.says) || strings.Contains(text, "still for 0 ms") || tc.stopped == 0 && strings.Contains(text, "generator stood still, in all") {
				t.Errorf("%s does not say %q", name, tc.says)
			}
		}
	}
}

func TestReconnectsAreTold(t *testing.T) {
	for _, tc := range []struct {
		again       uint64
		told, noted bool
	}{{0, false, false}, {1, true, false}, {7, true, false}, {8, true, true}} {
		r := fixture(t)
		r.Totals.Sent, r.Totals.Reconnects = 700, tc.again
		for name, text := range outputs(t, r) {
			if got := strings.Contains(strings.ToLower(text), "sent again"); got != tc.told {
				t.Errorf("%s with %d: told %v", name, tc.again, got)
			}
			if got := strings.Contains(text, "8 of the 700 requests that were sent (1.14 %) had to be sent again"); got != tc.noted {
				t.Errorf("%s with %d: noted %v", name, tc.again, got)
			}
			if got := strings.Contains(strings.NewReplacer("&lt;", "<", `\u003c`, "<", `\<`, "<").Replace(text), "gate resent < 1% judges this"); got != tc.noted {
				t.Errorf("%s with %d: names the gate %v", name, tc.again, got)
			}
		}
	}
	r := fixture(t)
	r.Windows[2].Totals.Reconnects = 5
	var b bytes.Buffer
	if err := WriteCSV(&b, r); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(b.String(), "\n")
	if !strings.HasSuffix(lines[0], ",reconnects") || !strings.HasSuffix(lines[2], ",0") || !strings.HasSuffix(lines[3], ",5") {
		t.Errorf("%q", lines[:4])
	}
}

// A generator that was never late, as in virtual time, is not said to have been 1 µs late.
func TestNoDelayReadsZero(t *testing.T) {
	var h measure.Hist
	h.Record(0)
	lag := LagOf(&h)
	if got := lag.Milliseconds(lag.P99); got != "0 µs" {
		t.Error(got)
	}
	h.Record(2000)
	if lag = LagOf(&h); lag.Milliseconds(lag.Max) != "2 µs" || (Lag{}).Milliseconds(0) != Dash {
		t.Error(lag.Milliseconds(lag.Max))
	}
}
