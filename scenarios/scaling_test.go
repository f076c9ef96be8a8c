package scenarios

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/autoscale"
	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/profile"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// scriptedWorld is a world of timers only: it notes what it is asked to do, and its targets obey at once.
type scriptedWorld struct {
	p       *player
	now     time.Duration
	late    func(nominal time.Duration) time.Duration // by how much a timer misses its instant
	timers  []timer
	round   time.Duration // of the instants of actions
	actions []string
	busy    float64 // share of the slots, of every target
	total   map[string]time.Duration
}

type timer struct {
	at time.Duration
	f  func()
}

func (w *scriptedWorld) Now() time.Duration { return w.now }

func (w *scriptedWorld) At(t time.Duration, f func()) func() bool {
	w.timers = append(w.timers, timer{t, f})
	return func() bool { return false }
}

func (w *scriptedWorld) Do(a plan.Action) error {
	switch a := a.(type) {
	case plan.Start:
		w.actions = append(w.actions, fmt.Sprintf("%v start %s", w.now.Round(w.round), a.Target.ID))
		w.p.event(plan.Event{At: w.now, Kind: plan.Launched, Group: a.Target.Group, Target: a.Target.ID, Generation: 1})
		w.p.event(plan.Event{At: w.now, Kind: plan.Changed, Group: a.Target.Group, Target: a.Target.ID, From: "initial", To: "healthy"})
	case plan.Kill:
		m := w.p.fleet.byID[a.Target]
		w.p.event(plan.Event{At: w.now, Kind: plan.Exited, Group: m.Group, Target: m.ID, Fault: a.Fault})
		w.p.event(plan.Event{At: w.now, Kind: plan.Changed, Group: m.Group, Target: m.ID, From: "healthy", To: "unhealthy"})
	case plan.Retire:
		w.actions = append(w.actions, fmt.Sprintf("%v retire %s", w.now.Round(w.round), a.Target))
		w.p.event(plan.Event{At: w.now, Kind: plan.Changed, Group: a.Group, Target: a.Target, From: "healthy", To: "gone"})
		w.p.event(plan.Event{At: w.now, Kind: plan.Exited, Group: a.Group, Target: a.Target})
	case plan.WireOn:
		w.actions = append(w.actions, fmt.Sprintf("%v %s on %v", w.now.Round(w.round), a.Fault.ID, a.Targets))
	}
	return nil
}

// measure tells counters that show the targets as busy as they are said to be since the last time.
func (w *scriptedWorld) measure(since time.Duration) {
	s := &plan.Stats{At: w.now, Targets: map[string]plan.TargetStats{}}
	for _, m := range w.p.fleet.members {
		w.total[m.ID] += time.Duration(w.busy * float64(w.now-since))
		s.Targets[m.ID] = plan.TargetStats{Group: m.Group, Generation: 1, BusyAt: w.now, Busy: w.total[m.ID], Slots: 1}
	}
	w.p.event(plan.Event{Kind: plan.Measured, Stats: s})
}

func (w *scriptedWorld) Play(_ context.Context, _ profile.Schedule, _ func(*measure.Sample)) (plan.Played, error) {
	for last := time.Duration(0); len(w.timers) > 0; last = w.now {
		slices.SortStableFunc(w.timers, func(a, b timer) int { return int(a.at - b.at) })
		next := w.timers[0]
		w.timers = w.timers[1:]
		w.now = next.at + w.late(next.at)
		w.measure(last)
		next.f()
	}
	return plan.Played{}, nil
}

func (w *scriptedWorld) InFlight() int64    { return 0 }
func (w *scriptedWorld) Settle(func() bool) {}
func (w *scriptedWorld) Close() error       { return nil }

// playScaled plays a group of three targets in two zones that is scaled each second, and returns the player.
func playScaled(t *testing.T, length time.Duration, policy autoscale.Config, faults []chaos.Fault, change func(*scriptedWorld)) (*player, *scriptedWorld) {
	t.Helper()
	policy.Policies = []spec.Choice{{Kind: "target_tracking", Values: spec.Values{"metric": "cpu", "target": .5, "datapoints": 1, "datapoints_in": 1}}}
	s := &plan.Scenario{
		Seed: 1,
		Topology: &plan.Topology{Groups: []plan.Group{{
			Name: "web", Targets: plan.Targets{Run: plan.Builtin, Count: 3, Zones: []string{"a", "b"}, Weights: []int{1, 2}, StartTimeout: time.Second},
		}}},
		Load:    plan.Load{Phases: []plan.Phase{{Name: "main", End: length, Rate: spec.Choice{Kind: "hold", Values: spec.Values{"rate": 1., "for": length}}}}},
		Scaling: []plan.Scaling{{Group: "web", Policy: policy, Timing: autoscale.Timing{MetricPeriod: time.Second, Launch: 500 * time.Millisecond}}},
		Faults:  faults,
	}
	sched, err := s.Schedule()
	if err != nil {
		t.Fatal(err)
	}
	p := newPlayer(s, sched, Options{})
	w := &scriptedWorld{p: p, round: time.Second, late: func(time.Duration) time.Duration { return 0 }, total: map[string]time.Duration{}}
	p.world = w
	for n := range 3 {
		if err := w.Do(plan.Start{Target: s.Topology.Groups[0].Target(n)}); err != nil {
			t.Fatal(err)
		}
	}
	w.actions = nil
	change(w)
	if err := p.play(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p, w
}

func kill(id, target string, restartAfter time.Duration) chaos.Fault {
	return chaos.Fault{
		ID: id, At: 1500 * time.Millisecond, Select: chaos.Selector{Group: "web", ID: target},
		Choice: spec.Choice{Kind: "kill", Values: spec.Values{"restart_after": restartAfter}},
	}
}

// A cooldown of three periods lasts three periods, although ticks come a little early or late.
func TestCooldownCountsNominalTicks(t *testing.T) {
	p, w := playScaled(t, 11*time.Second, autoscale.Config{Min: 1, Max: 99, Cooldown: 3 * time.Second}, nil, func(w *scriptedWorld) {
		w.busy = .6
		w.late = func(nominal time.Duration) time.Duration {
			if nominal%(2*time.Second) == time.Second {
				return 400 * time.Microsecond
			}
			return -400 * time.Microsecond
		}
	})
	var at []float64
	for i, d := range p.scalers[0].decisions {
		if d.AtMS != float64(i+1)*1000 || d.Signal.At != time.Duration(i+1)*time.Second {
			t.Errorf("decision %d is at %v ms, its signal at %v", i, d.AtMS, d.Signal.At)
		}
		if d.Decision.Desired != d.Signal.Desired {
			at = append(at, d.AtMS/1000)
		}
	}
	if !slices.Equal(at, []float64{2, 5, 8}) {
		t.Errorf("changes at %v s: %v", at, w.actions)
	}
}

// A server that died for good is not warming: it neither keeps the group from being scaled in, nor does a living one
// have to go in its place. One that will be started again is waited for.
func TestScaleInWithADeadServer(t *testing.T) {
	for _, tc := range []struct {
		name    string
		restart time.Duration
		busy    float64
		want    []string
	}{
		{"for good", 0, .4, []string{"3s retire web-1"}},
		{"for good, and another is too many", 0, .2, []string{"2s retire web-1", "3s retire web-3"}},
		{"for a while", 3 * time.Second, .3, []string{"5s start web-1", "5s retire web-3"}},
	} {
		_, w := playScaled(t, 8*time.Second, autoscale.Config{Min: 1, Max: 99}, []chaos.Fault{kill("k", "web-1", tc.restart)}, func(w *scriptedWorld) {
			w.busy = .5 // as wanted
			w.At(1500*time.Millisecond, func() { w.busy = tc.busy })
		})
		if !slices.Equal(w.actions, tc.want) {
			t.Errorf("%s: %q, want %q", tc.name, w.actions, tc.want)
		}
	}
}

// Servers that scaling adds have the zones and weights of the group's next targets, and faults on their zone hit them.
func TestAddedServersHaveZones(t *testing.T) {
	zone := chaos.Fault{
		ID: "outage", At: 5 * time.Second, Select: chaos.Selector{Group: "web", Zone: "b"},
		Choice: spec.Choice{Kind: "latency", Values: spec.Values{"delay": time.Second, "share": 1., "probes": true}},
	}
	p, w := playScaled(t, 6*time.Second, autoscale.Config{Min: 1, Max: 5, Cooldown: time.Minute}, []chaos.Fault{zone}, func(w *scriptedWorld) { w.busy = .7 })
	if want := []string{"3s start web-4", "3s start web-5", "5s outage on [web-2 web-4]"}; !slices.Equal(w.actions, want) {
		t.Errorf("%q, want %q", w.actions, want)
	}
	for n, m := range p.fleet.members {
		if want := p.s.Topology.Groups[0].Target(n); m.Target != want {
			t.Errorf("%+v, want %+v", m.Target, want)
		}
	}
}
