package sim

import (
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// The first failure after an injection is told even when the target failed a moment before.
func TestFirstFailureAfterAnInjectionIsTold(t *testing.T) {
	s := scenario(1, 8, -1, spec.Choice{Kind: "constant", Values: spec.Values{"mean": time.Millisecond}}, "round_robin", 1000, 3*time.Second)
	fault := func(id string) *chaos.Fault {
		return &chaos.Fault{ID: id, Choice: spec.Choice{Kind: "error", Values: spec.Values{"status": 500, "share": 1., "probes": true}}}
	}
	const before, wire, killed = time.Second, 1200 * time.Millisecond, 1500 * time.Millisecond
	_, events := play(t, s, before, func(w *World) {
		do := func(a plan.Action) {
			if err := w.Do(a); err != nil {
				t.Error(err)
			}
		}
		on := func(at time.Duration, id string) {
			w.At(at, func() { do(plan.Apply{Fault: fault(id), Victims: []string{"web-1"}}) })
			w.At(at+100*time.Millisecond, func() { do(plan.Revert{Fault: id}) })
		}
		on(before, "earlier")
		on(wire, "wire")
		w.At(killed, func() { do(kill("kill", "web-1")) })
	})
	for _, t0 := range []time.Duration{before, wire, killed} {
		told := 0
		for _, e := range events {
			if e.Kind == plan.Trouble && e.At >= t0 && e.At < t0+50*time.Millisecond {
				told++
			}
		}
		if told != 1 {
			t.Errorf("%d failures were told within 50 ms of the injection at %v", told, t0)
		}
	}
}
