package sim

import (
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// kill ends a target's process by a fault.
func kill(id, target string) plan.Action {
	return plan.Apply{Fault: &chaos.Fault{ID: id, Choice: spec.Choice{Kind: "kill"}}, Victims: []string{target}}
}

// A request whose target dies under it takes its whole service time at the next one: the end of the first attempt's
// service, which was due already, means nothing to the second.
func TestARetriedRequestIsServedAnew(t *testing.T) {
	const service, killed = 100 * time.Millisecond, 500 * time.Millisecond
	s := scenario(2, 100, -1, constant(service), "first", 200, 2*time.Second)
	s.Load.Arrivals = "even"
	s.Topology.Groups[0].Retry = &group.Retry{Attempts: 1, On: group.OnError, Floor: 1000}
	retried := 0
	for _, x := range samples(t, s, func(w *World) {
		w.At(killed, func() { _ = w.Do(kill("k", "web-1")) })
	}) {
		if x.Attempts < 2 || x.Due > killed {
			continue
		}
		retried++
		if x.Done != killed+service {
			t.Errorf("due at %v, killed at %v, done at %v", x.Due, killed, x.Done)
		}
	}
	if retried != 20 {
		t.Errorf("%d requests were under way at the kill", retried)
	}
}
