package live

import (
	"context"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// A run lasts as long as its plan: a fault in the pause at its end is injected and reverted, and checks meet it.
func TestTrailingPauseIsPlayed(t *testing.T) {
	var reverted []plan.Event
	w := open(t, scenario(200*time.Millisecond, 800*time.Millisecond), func(e plan.Event) {
		if e.Kind == plan.Reverted {
			reverted = append(reverted, e)
		}
	})
	fault := &chaos.Fault{ID: "late", Choice: spec.Choice{Kind: "latency", Values: spec.Values{"delay": time.Millisecond, "jitter": time.Duration(0), "share": 1., "probes": true}}}
	do := func(at time.Duration, a plan.Action) {
		w.At(at, func() {
			if err := w.Do(a); err != nil {
				t.Error(err)
			}
		})
	}
	do(400*time.Millisecond, plan.Apply{Fault: fault, Victims: []string{"web-1"}})
	do(800*time.Millisecond, plan.Revert{Fault: "late"})
	samples := play(t.Context(), t, w)
	if w.Now() < w.s.Length() {
		t.Errorf("the load of %v was over at %v", w.s.Length(), w.Now())
	}
	w.Settle(func() bool { return len(reverted) > 0 })
	if len(reverted) != 1 || reverted[0].Hits == 0 {
		t.Errorf("reverted: %+v", reverted)
	}
	if len(samples) != 10 {
		t.Errorf("%d requests", len(samples))
	}
}

// Nobody waits for the end of the plan when the run is stopped early.
func TestTrailingPauseEndsWithTheContext(t *testing.T) {
	w := open(t, scenario(100*time.Millisecond, time.Hour), func(plan.Event) {})
	ctx, cancel := context.WithCancel(t.Context())
	w.At(300*time.Millisecond, cancel)
	play(ctx, t, w)
	if w.Now() >= w.s.Length() {
		t.Errorf("stopped at %v", w.Now())
	}
}

// Requests that their clients gave up are told with the target and the fault of their final attempt, those of the end
// too, before the counts that were taken with them.
func TestAbandonedRequestsAreTold(t *testing.T) {
	s := scenario(500*time.Millisecond, time.Millisecond)
	s.Client.Timeout = 50 * time.Millisecond
	told := map[uint64]plan.AbandonedRequest{}
	var last plan.EventKind
	w := open(t, s, func(e plan.Event) {
		for _, a := range e.Abandoned {
			told[a.Seq] = a
		}
		if last == plan.Abandoned && e.Kind != plan.Measured {
			t.Errorf("%s follows what was abandoned", e.Kind)
		}
		last = e.Kind
	})
	fault := &chaos.Fault{ID: "slow", Choice: spec.Choice{Kind: "latency", Values: spec.Values{"delay": 10 * time.Minute, "jitter": time.Duration(0), "share": 1., "probes": false}}}
	w.At(0, func() {
		if err := w.Do(plan.Apply{Fault: fault, Victims: []string{"web-1"}}); err != nil {
			t.Error(err)
		}
	})
	samples := play(t.Context(), t, w)
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	failed := 0
	for _, x := range samples {
		if x.Outcome != measure.Failed {
			continue
		}
		failed++
		if want := (plan.AbandonedRequest{Seq: x.Seq, Target: "web-1", Fault: "slow", Attempts: 1}); told[x.Seq] != want {
			t.Errorf("%+v, want %+v", told[x.Seq], want)
		}
	}
	if failed == 0 {
		t.Error("no request failed")
	}
}
