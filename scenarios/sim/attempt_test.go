package sim

import (
	"fmt"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/health"
	"github.com/seed-8025779b/shakedown/balancer/route"
	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// samples plays a scenario and returns what became of each request; during is called at the load's begin.
func samples(t *testing.T, s *plan.Scenario, during func(*World)) (out []measure.Sample) {
	t.Helper()
	w, err := Open(s, Options{Discard: func(uint64) bool { return false }, Events: func(plan.Event) {}})
	if err != nil {
		t.Fatal(err)
	}
	sched, err := s.Schedule()
	if err != nil {
		t.Fatal(err)
	}
	w.At(0, func() {
		if during != nil {
			during(w)
		}
	})
	if _, err := w.Play(t.Context(), sched, func(x *measure.Sample) { out = append(out, *x) }); err != nil {
		t.Fatal(err)
	}
	return out
}

func constant(mean time.Duration) spec.Choice {
	return spec.Choice{Kind: "constant", Values: spec.Values{"mean": mean}}
}

// latency is a fault "slow" that delays every exchange.
func latency(delay time.Duration) *chaos.Fault {
	return &chaos.Fault{ID: "slow", Choice: spec.Choice{Kind: "latency", Values: spec.Values{"delay": delay, "share": 1., "probes": false}}}
}

// Every sample knows its final attempt, those that the client gave up included.
func TestSamplesKnowTheirFinalAttempt(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*plan.Scenario)
		during func(*World)
		want   string
	}{
		{"one attempt", func(*plan.Scenario) {}, nil, "1 web-1  succeeded"},
		{"a delay", func(*plan.Scenario) {}, func(w *World) {
			_ = w.Do(plan.Apply{Fault: latency(10 * time.Millisecond), Victims: []string{"web-1"}})
		}, "1 web-1 slow succeeded"},
		{"a delay beyond the timeout", func(s *plan.Scenario) { s.Client.Timeout = time.Second }, func(w *World) {
			_ = w.Do(plan.Apply{Fault: latency(time.Minute), Victims: []string{"web-1"}})
		}, "1 web-1 slow failed"},
		{"a service beyond the timeout", func(s *plan.Scenario) {
			s.Client.Timeout, s.Topology.Groups[0].Service.Time = time.Second, constant(time.Minute)
		}, nil, "1 web-1  failed"},
		{"a second attempt", func(s *plan.Scenario) {
			g := &s.Topology.Groups[0]
			g.Targets.Count, g.Retry = 2, &group.Retry{Attempts: 1, On: group.OnConnect, Floor: 1000}
		}, func(w *World) { _ = w.Do(kill("k", "web-1")) }, "2 web-2  succeeded"},
		{"no target", func(s *plan.Scenario) { s.Topology.Groups[0].Targets.Count = 0 }, nil, "0   failed"},
		{"a redirect", func(s *plan.Scenario) {
			s.Topology.Listeners[0].Rules = route.Table{{Redirect: &route.Redirect{To: "/x", Status: 302}}}
		}, nil, "0   succeeded"},
	} {
		s := scenario(1, 8, -1, constant(time.Millisecond), "first", 1, 1100*time.Millisecond)
		s.Load.Arrivals = "even"
		tc.change(s)
		out := samples(t, s, tc.during)
		if len(out) == 0 {
			t.Fatalf("%s: no request was planned", tc.name)
		}
		x := out[0]
		if got := fmt.Sprint(x.Attempts, " ", x.Target, " ", x.Fault, " ", [...]string{"succeeded", "failed", "dropped"}[x.Outcome]); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

// A status that is no failure of the target's is passed on and not held against it, as in the live balancer; gateway
// errors count as such.
func TestInjectedStatuses(t *testing.T) {
	for status, want := range map[int]string{404: "1 healthy", 500: "1 healthy", 503: "2 ejected"} {
		s := scenario(2, 8, -1, constant(time.Millisecond), "first", 1, 2100*time.Millisecond)
		s.Load.Arrivals = "even"
		g := &s.Topology.Groups[0]
		g.Retry = &group.Retry{Attempts: 1, On: group.OnConnect, Floor: 1000}
		g.Outliers = &health.OutlierConfig{Consecutive: 5, Gateway: 1, EjectFor: time.Minute, MaxEjectFor: time.Minute, MaxEjected: 1}
		var target *group.Target
		out := samples(t, s, func(w *World) {
			target = w.all["web-1"].member
			f := &chaos.Fault{ID: "e", Choice: spec.Choice{Kind: "error", Values: spec.Values{"status": status, "share": 1., "probes": true}}}
			if err := w.Do(plan.Apply{Fault: f, Victims: []string{"web-1"}}); err != nil {
				t.Error(err)
			}
		})
		if got := fmt.Sprint(out[1].Target[len("web-"):], " ", target.State()); got != want || out[0].Status != status {
			t.Errorf("status %d: %d, then %s, want %s", status, out[0].Status, got, want)
		}
	}
}
