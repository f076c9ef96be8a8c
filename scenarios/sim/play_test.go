package sim

import (
	"context"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/health"
	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// withPause is a scenario that ends with a long pause.
func withPause(pause time.Duration) *plan.Scenario {
	s := scenario(1, 8, -1, constant(time.Millisecond), "round_robin", 50, 200*time.Millisecond)
	s.Topology.Groups[0].Health = &health.Config{Interval: 20 * time.Millisecond, Timeout: time.Second, Healthy: 1, Unhealthy: 1000}
	s.Load.Phases = append(s.Load.Phases, plan.Phase{
		Name: "rest", Start: 200 * time.Millisecond, End: 200*time.Millisecond + pause, Rate: spec.Choice{Kind: "pause", Values: spec.Values{"for": pause}},
	})
	return s
}

// A run lasts as long as its plan: a fault in the pause at its end is injected and reverted, and checks meet it.
func TestTrailingPauseIsPlayed(t *testing.T) {
	s := withPause(800 * time.Millisecond)
	fault := &chaos.Fault{ID: "late", Choice: spec.Choice{Kind: "latency", Values: spec.Values{"delay": time.Millisecond, "jitter": time.Duration(0), "share": 1., "probes": true}}}
	var world *World
	tally, events := play(t, s, 400*time.Millisecond, func(w *World) {
		world = w
		if err := w.Do(plan.Apply{Fault: fault, Victims: []string{"web-1"}}); err != nil {
			t.Error(err)
		}
		w.At(800*time.Millisecond, func() {
			if err := w.Do(plan.Revert{Fault: "late"}); err != nil {
				t.Error(err)
			}
		})
	})
	if world == nil || world.Now() != s.Length() {
		t.Fatalf("the world ended before its plan: %+v", world)
	}
	var hits uint64
	for _, e := range events {
		if e.Kind == plan.Reverted {
			hits = e.Hits
		}
	}
	if hits < 18 || hits > 22 { // checks each 20 ms of 400
		t.Errorf("%d checks met the fault", hits)
	}
	if tally.Succeeded == 0 || tally.Finished() != tally.Succeeded {
		t.Errorf("%+v", tally)
	}
}

// Virtual time stands still once the context has ended, in a pause too.
func TestTrailingPauseEndsWithTheContext(t *testing.T) {
	w, err := Open(withPause(time.Hour), Options{Discard: func(uint64) bool { return false }, Events: func(plan.Event) {}})
	if err != nil {
		t.Fatal(err)
	}
	sched, err := w.s.Schedule()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	const at = 30 * time.Minute
	w.At(at, cancel)
	if _, err := w.Play(ctx, sched, func(*measure.Sample) {}); err != nil {
		t.Fatal(err)
	}
	if w.Now() != at {
		t.Errorf("cancelled at %v, it went on until %v", at, w.Now())
	}
}
