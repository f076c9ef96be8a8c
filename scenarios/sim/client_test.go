package sim

import (
	"fmt"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/exchange"
	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/health"
	"github.com/seed-8025779b/shakedown/balancer/route"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/mix"
	"github.com/seed-8025779b/shakedown/loadgen/profile"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// one is a scenario of a single request, due at 50 ms.
func one(targets int, service time.Duration) *plan.Scenario {
	s := scenario(targets, 8, -1, constant(service), "round_robin", 10, 100*time.Millisecond)
	s.Load.Arrivals = profile.Even
	return s
}

// The bodies of requests that were sent are counted as a live run counts them: as filled in, and none where there is none.
func TestSizesOfBodies(t *testing.T) {
	for _, tc := range []struct {
		body string
		want int64
	}{{"", 0}, {"0123456789", 10}, {`{{"{{"}}id}`, 5}, {"n={{int 100 999}}", 5}} {
		s := one(1, time.Millisecond)
		s.Load.Set.Requests[0].Body = tc.body
		s.Load.Phases[0].Rate.Values["rate"] = 50.
		for _, x := range samples(t, s, nil) {
			if x.BytesOut != tc.want {
				t.Errorf("%q: %d bytes sent, want %d", tc.body, x.BytesOut, tc.want)
			}
		}
	}
}

// The balancer's own answers have the listener's statuses.
func TestStatusesOfTheBalancer(t *testing.T) {
	statuses := exchange.Statuses{Connect: 521, Broken: 522, NoTarget: 523}
	kill := func(at time.Duration) func(*World) {
		return func(w *World) { w.At(at, func() { _ = w.Do(kill("k", "web-1")) }) }
	}
	for _, tc := range []struct {
		name   string
		change func(*plan.Scenario)
		during func(*World)
		want   int
	}{
		{"no connection", func(*plan.Scenario) {}, kill(0), 521},
		{"broken off", func(*plan.Scenario) {}, kill(55 * time.Millisecond), 522},
		{"no target", func(s *plan.Scenario) { s.Topology.Groups[0].Targets.Count = 0 }, nil, 523},
		{"no rule", func(s *plan.Scenario) { s.Topology.Listeners[0].Rules[0].Path = "/elsewhere" }, nil, 503},
		{"rejected by the target", func(s *plan.Scenario) {
			s.Topology.Groups[0].Service.Model.Concurrency, s.Topology.Groups[0].Service.Model.Queue = 1, 0
			s.Load.Phases[0].Rate.Values["rate"] = 20.
			s.Topology.Groups[0].Service.Time = constant(time.Second)
		}, nil, 503},
	} {
		s := one(1, 10*time.Millisecond)
		s.Topology.Listeners[0].Options.Status = statuses
		tc.change(s)
		last := 0
		for _, x := range samples(t, s, tc.during) {
			if x.Status != 200 {
				last = x.Status
			}
		}
		if last != tc.want {
			t.Errorf("%s: status %d, want %d", tc.name, last, tc.want)
		}
	}
}

// A request that expects a status is judged by that alone.
func TestExpectedStatus(t *testing.T) {
	for _, tc := range []struct {
		status, expect int
		want           string
	}{
		{200, 0, "0 "}, {404, 0, "1 status_4xx"}, {404, 404, "0 "}, {200, 200, "0 "}, {200, 201, "1 expectation"}, {503, 200, "1 expectation"}, {302, 302, "0 "},
	} {
		s := one(1, time.Millisecond)
		s.Topology.Listeners[0].Rules = route.Table{{Respond: &route.Respond{Status: tc.status}}}
		s.Load.Set.Requests[0].Expect = &mix.Expect{Status: tc.expect}
		x := samples(t, s, nil)[0]
		if got := fmt.Sprint(x.Outcome, " ", x.Class); got != tc.want {
			t.Errorf("status %d, expected %d: %q, want %q", tc.status, tc.expect, got, tc.want)
		}
	}
}

// The client's timeout for the first byte counts from when the request was sent, its whole timeout from when it was due.
func TestFirstByteTimeout(t *testing.T) {
	for _, tc := range []struct {
		timeout, firstByte time.Duration
		want               time.Duration
	}{
		{time.Second, 0, 350 * time.Millisecond}, {time.Second, 100 * time.Millisecond, 150 * time.Millisecond}, {80 * time.Millisecond, 100 * time.Millisecond, 130 * time.Millisecond},
	} {
		s := one(1, 300*time.Millisecond)
		s.Client.Timeout, s.Client.Stages.FirstByte = tc.timeout, tc.firstByte
		if x := samples(t, s, nil)[0]; x.Done != tc.want || (x.Outcome == measure.Succeeded) != (tc.firstByte == 0) {
			t.Errorf("timeouts %v and %v: %d at %v, want %v", tc.timeout, tc.firstByte, x.Outcome, x.Done, tc.want)
		}
	}
}

// A request that the client gives up while a fault delays it no longer counts as in flight once the balancer has looked whether
// the client is still there, as it does every 100 ms.
func TestGivenUpRequestsAreReleased(t *testing.T) {
	s := one(1, time.Millisecond)
	s.Client.Timeout = 20 * time.Millisecond
	s.Load.Phases = append(s.Load.Phases, plan.Phase{Name: "rest", Start: s.Length(), End: time.Second, Rate: spec.Choice{Kind: "pause", Values: spec.Values{"for": time.Second - s.Length()}}})
	var inFlight []int64
	samples(t, s, func(w *World) {
		if err := w.Do(plan.Apply{Fault: latency(time.Minute), Victims: []string{"web-1"}}); err != nil {
			t.Error(err)
		}
		for _, at := range []time.Duration{60, 149, 151} {
			w.At(at*time.Millisecond, func() { inFlight = append(inFlight, w.all["web-1"].member.Status().InFlight) })
		}
	})
	if fmt.Sprint(inFlight) != "[1 1 0]" {
		t.Errorf("in flight before and after: %v", inFlight)
	}
}

// What a check asks decides what a target that boots, or one that answers 200, says to it.
func TestKindsOfChecks(t *testing.T) {
	for _, tc := range []struct {
		name  string
		kind  health.Kind
		match string
		want  string // the state while the target boots, and afterwards
	}{
		{"http", health.HTTP, "200", "initial healthy"}, {"tcp", health.TCP, "200", "healthy healthy"},
		{"another status", health.HTTP, "204", "initial initial"}, {"either status", health.HTTP, "200,503", "healthy healthy"},
	} {
		s := one(1, time.Millisecond)
		m, err := health.ParseMatcher(tc.match)
		if err != nil {
			t.Fatal(err)
		}
		s.Topology.Groups[0].Health = &health.Config{Kind: tc.kind, Path: "/health", Matcher: m, Interval: 5 * time.Millisecond, Timeout: time.Second, Healthy: 1, Unhealthy: 3}
		states := ""
		samples(t, s, func(w *World) {
			if err := w.Do(plan.Start{Target: s.Topology.Groups[0].Target(1), Boot: 50 * time.Millisecond}); err != nil {
				t.Error(err)
			}
			for _, at := range []time.Duration{45, 75} {
				w.At(at*time.Millisecond, func() { states += " " + string(stateOf(w, "web-2")) })
			}
		})
		if states != " "+tc.want {
			t.Errorf("%s:%s, want %s", tc.name, states, tc.want)
		}
	}
}

func stateOf(w *World, id string) group.State { return w.all[id].member.State() }
