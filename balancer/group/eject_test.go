package group

import (
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/health"
)

// The last target that takes traffic is not ejected, whatever keeps the others out, unless the settings say that it may be.
func TestTheLastTargetIsNotEjected(t *testing.T) {
	down := func(g *Group, x *Target) {
		for range 3 {
			g.Probed(s, x, false, "refused")
		}
	}
	fail := func(g *Group, x *Target) {
		for range 3 {
			g.Answered(s, x, ServerError, "status 500")
		}
	}
	for _, tc := range []struct {
		name    string
		members int
		others  func(g *Group, x *Target) // what becomes of the other members
		sole    bool
		want    State
	}{
		{"the only member", 1, nil, false, Healthy},
		{"the only member, allowed", 1, nil, true, Ejected},
		{"the others are down", 3, down, false, Healthy},
		{"the others are down, allowed", 3, down, true, Ejected},
		{"the others are ejected", 3, fail, false, Healthy},
		{"the others are ejected, allowed", 3, fail, true, Ejected},
		{"the others are in maintenance", 2, func(g *Group, x *Target) { g.SetMaintenance(s, x, true) }, false, Healthy},
		{"the others drain", 2, func(g *Group, x *Target) { x.enter(0); g.Drain(s, x) }, false, Healthy},
		{"the others are fine", 2, nil, false, Ejected},
	} {
		cfg := full()
		cfg.Outliers.Sole, cfg.Outliers.MaxEjected = tc.sole, 1
		g := newGroup(t, cfg)
		var all []*Target
		for i := range tc.members {
			x, _ := g.Add(0, Member{ID: string(rune('a' + i))})
			g.Probed(0, x, true, "")
			all = append(all, x)
		}
		for _, x := range all[1:] {
			if tc.others != nil {
				tc.others(g, x)
			}
		}
		fail(g, all[0])
		if got := all[0].State(); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

// A last target that goes on to fail is ejected as soon as another one takes traffic.
func TestTheLastTargetIsEjectedOnceAnotherTakesTraffic(t *testing.T) {
	g := newGroup(t, full())
	a, _ := g.Add(0, Member{ID: "a"})
	g.Probed(0, a, true, "")
	for range 10 {
		g.Answered(s, a, ServerError, "status 500")
	}
	b, _ := g.Add(2*s, Member{ID: "b"})
	g.Probed(2*s, b, true, "")
	if a.State() != Healthy {
		t.Fatalf("%s before another failure", a.State())
	}
	g.Answered(3*s, a, ServerError, "status 500")
	if a.State() != Ejected || b.State() != Healthy {
		t.Fatalf("%s, %s", a.State(), b.State())
	}
}

// Ejections grow longer while a target goes on to fail, and shorter again for each interval in which it is not ejected.
func TestEjectionTimesDecay(t *testing.T) {
	cfg := full()
	cfg.Health, cfg.Outliers.Interval = nil, 10*s
	g := newGroup(t, cfg)
	a, _ := g.Add(0, Member{ID: "a"})
	g.Add(0, Member{ID: "b"})
	now := time.Duration(0)
	for i, tc := range []struct{ pause, want time.Duration }{{0, 5 * s}, {0, 10 * s}, {0, 15 * s}, {9 * s, 20 * s}, {20 * s, 15 * s}, {40 * s, 5 * s}} {
		now += tc.pause
		for range 3 {
			g.Answered(now, a, Broken, "reset")
		}
		end, ok := g.NextTick(now)
		if a.State() != Ejected || !ok || end-now != tc.want {
			t.Errorf("ejection %d, %v after the one before: %s for %v, want %v", i+1, tc.pause, a.State(), end-now, tc.want)
		}
		now = end
		g.Tick(now)
		if a.State() != Healthy {
			t.Fatalf("after ejection %d: %s", i+1, a.State())
		}
	}
}

// With on: error, as nginx has it, an answer is no failure, whatever its status; what is none counts as always.
func TestWhatCountsAsAFailure(t *testing.T) {
	for _, tc := range []struct {
		on      string
		outcome Outcome
		want    State
	}{
		{health.OnError, ServerError, Healthy},
		{health.OnError, GatewayError, Healthy},
		{health.OnError, Broken, Ejected},
		{health.OnError, ConnectFailed, Ejected},
		{health.OnServerError, ServerError, Ejected},
		{health.OnServerError, GatewayError, Ejected},
		{health.OnServerError, Broken, Ejected},
		{health.OnServerError, Abandoned, Healthy},
	} {
		cfg := full()
		cfg.Outliers.On = tc.on
		g := newGroup(t, cfg)
		var first *Target
		for _, id := range []string{"a", "b"} {
			x, _ := g.Add(0, Member{ID: id})
			g.Probed(0, x, true, "")
			if first == nil {
				first = x
			}
		}
		for range 3 {
			g.Answered(s, first, tc.outcome, "")
		}
		if got := first.State(); got != tc.want {
			t.Errorf("on %s, outcome %d: %s, want %s", tc.on, tc.outcome, got, tc.want)
		}
	}
}
