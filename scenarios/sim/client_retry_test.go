package sim

import (
	"math"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/loadgen/attempt"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// A fault that half of the attempts meet fails a quarter of the requests that are tried twice: a retry does not repeat the coin
// flip of what it follows.
func TestRetriesHaveDrawsOfTheirOwn(t *testing.T) {
	for retries, want := range map[int]float64{0: .5, 1: .25, 2: .125} {
		s := scenario(1, 100, -1, constant(time.Millisecond), "first", 1000, 10*time.Second)
		if retries > 0 {
			s.Client.Retry = &attempt.Retry{Attempts: retries, On: attempt.On5xx, Backoff: 10 * time.Millisecond, Max: time.Second, Budget: -1}
		}
		fault := &chaos.Fault{ID: "half", Choice: spec.Choice{Kind: "error", Values: spec.Values{"status": 503, "share": .5, "probes": false}}}
		n, failed, tries := 0, 0, 0
		for _, x := range samples(t, s, func(w *World) {
			if err := w.Do(plan.Apply{Fault: fault, Victims: []string{"web-1"}}); err != nil {
				t.Fatal(err)
			}
		}) {
			n++
			tries += x.ClientAttempts
			if x.Outcome == measure.Failed {
				failed++
			}
		}
		share, deviation := float64(failed)/float64(n), math.Sqrt(want*(1-want)/float64(n))
		if math.Abs(share-want) > 4*deviation {
			t.Errorf("%d retries: %.1f %% of %d requests failed, want %.1f %%", retries, 100*share, n, 100*want)
		}
		if perRequest, want := float64(tries)/float64(n), []float64{1, 1.5, 1.75}[retries]; math.Abs(perRequest-want) > .05 {
			t.Errorf("%d retries: %.3f attempts a request, want %.3f", retries, perRequest, want)
		}
	}
}
