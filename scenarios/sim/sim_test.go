package sim

import (
	"context"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/seed-8025779b/shakedown/balancer/backend/model"
	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/health"
	"github.com/seed-8025779b/shakedown/balancer/pick"
	"github.com/seed-8025779b/shakedown/balancer/route"
	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/loadgen/attempt"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/mix"
	"github.com/seed-8025779b/shakedown/loadgen/profile"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// scenario is one group of n targets under a constant Poisson load.
func scenario(n, slots, queue int, service spec.Choice, strategy string, rate float64, length time.Duration) *plan.Scenario {
	return &plan.Scenario{
		Name: "test", Seed: 42,
		Topology: &plan.Topology{
			Listeners: []plan.Listener{{Rules: route.Table{{Forward: "web"}}}},
			Groups: []plan.Group{{
				Name: "web", Strategy: pick.Kinds().Table().Default(strategy), Drain: time.Second,
				Targets: plan.Targets{Run: plan.Builtin, Count: n},
				Service: plan.Service{Time: service, Model: model.Config{Concurrency: slots, Queue: queue}},
			}},
		},
		Client: plan.Client{Config: attempt.Config{Timeout: time.Hour, Connections: 1 << 30}},
		Load: plan.Load{
			Arrivals: profile.Poisson, Set: mix.Set{Requests: []mix.Request{{Name: "get", Method: "GET", Path: "/", Weight: 1}}},
			Phases: []plan.Phase{{Name: "main", End: length, Rate: spec.Choice{Kind: "hold", Values: spec.Values{"rate": rate, "for": length}}}},
		},
	}
}

func exponential(mean time.Duration) spec.Choice {
	return spec.Choice{Kind: "exponential", Values: spec.Values{"mean": mean}}
}

// played plays a scenario and hands each sample out.
func played(t testing.TB, s *plan.Scenario, each func(*measure.Sample)) *World {
	t.Helper()
	w, err := Open(s, Options{Discard: func(uint64) bool { return false }, Events: func(plan.Event) {}})
	if err != nil {
		t.Fatal(err)
	}
	sched, err := s.Schedule()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Play(t.Context(), sched, each); err != nil {
		t.Fatal(err)
	}
	return w
}

// play plays a scenario to its end; during is called at a time of the run with the world.
func play(t testing.TB, s *plan.Scenario, at time.Duration, during func(*World)) (*measure.Tally, []plan.Event) {
	t.Helper()
	var events []plan.Event
	w, err := Open(s, Options{Discard: func(uint64) bool { return false }, Events: func(e plan.Event) { events = append(events, e) }})
	if err != nil {
		t.Fatal(err)
	}
	sched, err := s.Schedule()
	if err != nil {
		t.Fatal(err)
	}
	if during != nil {
		w.At(at, func() { during(w) })
	}
	var tally measure.Tally
	if _, err := w.Play(t.Context(), sched, tally.Add); err != nil {
		t.Fatal(err)
	}
	return &tally, events
}

// erlangWait is the mean wait of M/M/c by Erlang's formulas, with unit service time and offered load a.
func erlangWait(c int, a float64) float64 {
	b := 1.
	for n := 1; n <= c; n++ {
		b = a * b / (float64(n) + a*b)
	}
	rho := a / float64(c)
	wait := b / (1 - rho*(1-b))
	return wait / (float64(c) - a)
}

// The simulator against queueing theory: one target with c slots and an unlimited queue is M/M/c, M/D/1 by
// Pollaczek and Khinchine.
func TestAgainstQueueingTheory(t *testing.T) {
	const mean = 10 * time.Millisecond
	for _, tc := range []struct {
		name    string
		slots   int
		rho     float64
		service spec.Choice
		want    float64 // mean time in the system, in service times
	}{
		{"M/M/1 at .5", 1, .5, exponential(mean), 2},
		{"M/M/1 at .8", 1, .8, exponential(mean), 5},
		{"M/M/2 at .8", 2, .8, exponential(mean), 1 + erlangWait(2, 1.6)},
		{"M/M/8 at .7", 8, .7, exponential(mean), 1 + erlangWait(8, 5.6)},
		{"M/D/1 at .6", 1, .6, spec.Choice{Kind: "constant", Values: spec.Values{"mean": mean}}, 1 + .6/.4/2},
	} {
		rate := tc.rho * float64(tc.slots) / mean.Seconds()
		length := time.Duration(300_000 / rate * float64(time.Second))
		tally, _ := play(t, scenario(1, tc.slots, -1, tc.service, "round_robin", rate, length), 0, nil)
		got := tally.Response.Mean().Seconds() / mean.Seconds()
		if math.Abs(got/tc.want-1) > .04 { // the draws are fixed, so this never flickers
			t.Errorf("%s: %.3f service times in the system, theory says %.3f", tc.name, got, tc.want)
		}
	}
	// A finite queue, M/M/1/K, blocks (1−ρ)ρᴷ/(1−ρᴷ⁺¹).
	const rho, k = .8, 5
	tally, _ := play(t, scenario(1, 1, k-1, exponential(mean), "round_robin", rho/mean.Seconds(), 2500*time.Second), 0, nil)
	want := (1 - rho) * math.Pow(rho, k) / (1 - math.Pow(rho, k+1))
	if got := tally.ErrorRate(); math.Abs(got/want-1) > .04 {
		t.Errorf("M/M/1/%d blocks %.4f, theory says %.4f", k, got, want)
	}
}

// Two choices are far better than one: with many targets at λ = .9 the mean time falls from 10 to about 2.6
// (Mitzenmacher's mean field; for few targets the true value is higher).
func TestPowerOfTwoChoices(t *testing.T) {
	const mean = 10 * time.Millisecond
	run := func(choices int) float64 {
		s := scenario(50, 1, -1, exponential(mean), "p2c", 50*.9/mean.Seconds(), 60*time.Second)
		s.Topology.Groups[0].Strategy.Values["choices"] = choices
		tally, _ := play(t, s, 0, nil)
		return tally.Response.Mean().Seconds() / mean.Seconds()
	}
	if one, two := run(1), run(2); one < 8 || one > 12 || two < 2.4 || two > 3.2 {
		t.Errorf("one choice %.2f (theory 10), two %.2f (theory 2.61)", one, two)
	}
}

func TestNothingIsLostWhateverHappens(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := scenario(rapid.IntRange(1, 4).Draw(rt, "targets"), rapid.IntRange(1, 4).Draw(rt, "slots"), rapid.IntRange(-1, 5).Draw(rt, "queue"),
			exponential(20*time.Millisecond), rapid.SampledFrom(pick.Kinds().Table().Names()).Draw(rt, "strategy"), 200, 3*time.Second)
		s.Client = plan.Client{Config: attempt.Config{Timeout: time.Duration(rapid.IntRange(1, 500).Draw(rt, "timeout")) * time.Millisecond, Connections: rapid.IntRange(1, 50).Draw(rt, "connections")}}
		g := &s.Topology.Groups[0]
		g.Retry = &group.Retry{Attempts: rapid.IntRange(0, 2).Draw(rt, "retries"), On: rapid.SampledFrom([]group.RetryOn{group.OnConnect, group.OnError, group.On5xx}).Draw(rt, "on"), Budget: .2, Floor: 10}
		if rapid.Bool().Draw(rt, "fail open") {
			g.FailOpen = &group.FailOpen{Healthy: 1}
		}
		g.Health = &health.Config{Interval: 100 * time.Millisecond, Timeout: 50 * time.Millisecond, Healthy: 1, Unhealthy: 2}
		g.Outliers = &health.OutlierConfig{Consecutive: 3, EjectFor: 200 * time.Millisecond, MaxEjectFor: time.Second, MaxEjected: .5}
		s.RTT = time.Duration(rapid.IntRange(0, 20).Draw(rt, "rtt")) * time.Millisecond
		sched, err := s.Schedule()
		if err != nil {
			rt.Fatal(err)
		}
		planned := uint64(0)
		for w := sched.Walk(); ; planned++ {
			if _, _, more := w.Next(); !more {
				break
			}
		}
		slow := &chaos.Fault{ID: "slow", Choice: spec.Choice{Kind: "latency", Values: spec.Values{"delay": 30 * time.Millisecond, "share": .5, "probes": true}}}
		tally, _ := play(t, s, time.Second, func(w *World) {
			first := g.Target(0)
			for _, do := range []plan.Action{kill("k", first.ID), plan.Apply{Fault: slow, Victims: []string{first.ID}}} {
				if err := w.Do(do); err != nil {
					rt.Fatal(err)
				}
			}
			w.At(1500*time.Millisecond, func() {
				for _, do := range []plan.Action{plan.Start{Target: first}, plan.Start{Target: g.Target(9)}, plan.Revert{Fault: "slow"}} {
					if err := w.Do(do); err != nil {
						rt.Fatal(err)
					}
				}
			})
			w.At(2*time.Second, func() {
				if err := w.Do(plan.Retire{Group: "web", Target: g.Target(9).ID}); err != nil {
					rt.Fatal(err)
				}
			})
		})
		if tally.Finished() != planned || tally.Cancelled != 0 {
			rt.Fatalf("%d of %d requests have an outcome", tally.Finished(), planned)
		}
		if tally.All().Max() > s.Client.Timeout+s.Client.Timeout/500+time.Microsecond { // to the histogram's precision
			rt.Fatalf("a client waited %v with a timeout of %v", tally.All().Max(), s.Client.Timeout)
		}
	})
}

func TestCancelledWhenStoppedEarly(t *testing.T) {
	s := scenario(1, 1, -1, exponential(time.Second), "round_robin", 5000, 10*time.Second)
	w, err := Open(s, Options{Discard: func(uint64) bool { return false }, Events: func(plan.Event) {}})
	if err != nil {
		t.Fatal(err)
	}
	sched, _ := s.Schedule()
	ctx, cancel := context.WithCancel(t.Context())
	w.At(time.Second, cancel)
	var tally measure.Tally
	if _, err := w.Play(ctx, sched, tally.Add); err != nil {
		t.Fatal(err)
	}
	if tally.Cancelled == 0 || w.Now() > 5*time.Second {
		t.Fatalf("%d cancelled at %v", tally.Cancelled, w.Now())
	}
}

func TestHeapOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q queue
		n := rapid.IntRange(0, 200).Draw(t, "n")
		for range n {
			q.push(item{at: time.Duration(rapid.IntRange(0, 20).Draw(t, "at"))})
		}
		last := item{at: -1}
		for range n {
			it := q.pop()
			if it.at < last.at || (it.at == last.at && it.order < last.order) {
				t.Fatalf("%v after %v", it, last)
			}
			last = it
		}
	})
}
