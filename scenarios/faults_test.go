package scenarios

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/autoscale"
	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/reports"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// slowExits is a scripted world that hears of the exit of a killed process only after a while, and starts none that runs.
type slowExits struct {
	*scriptedWorld
	after time.Duration
}

func (w *slowExits) Do(a plan.Action) error {
	switch a := a.(type) {
	case plan.Apply:
		w.At(w.now+w.after, func() { _ = w.scriptedWorld.Do(a) })
		return nil
	case plan.Start:
		if w.p.fleet.byID[a.Target.ID].running {
			return errors.New("it is running already")
		}
	}
	return w.scriptedWorld.Do(a)
}

// A killed target is started again when its time has passed since it was really killed, and not before the exit of its
// process was heard.
func TestRestartsWaitForTheKillAndTheExit(t *testing.T) {
	for _, tc := range []struct {
		name           string
		frozen         time.Duration // the player, when it should kill at 1.5 s
		restart, exits time.Duration
		want           []string
		warning        string
	}{
		{"in time", 0, time.Second, 0, []string{"2.5s start web-1"}, ""},
		{"the player stood still at the kill", 2500 * ms, time.Second, 0, []string{"5s start web-1"}, "was injected 2.5s later"},
		{"the exit is heard late", 0, ms, 300 * ms, []string{"1.8s start web-1"}, ""},
		{"the exit is heard in time", 0, 400 * ms, 300 * ms, []string{"1.9s start web-1"}, ""},
	} {
		p, w := playScaled(t, 8*s, autoscale.Config{Min: 3, Max: 3}, []chaos.Fault{kill("k", "web-1", tc.restart)}, func(w *scriptedWorld) {
			w.round = 100 * ms
			w.late = func(nominal time.Duration) time.Duration {
				if until := 1500*ms + tc.frozen; nominal >= 1500*ms && nominal < until {
					return until - nominal
				}
				return 0
			}
			if tc.exits > 0 {
				w.p.world = &slowExits{w, tc.exits}
			}
		})
		if !slices.Equal(w.actions, tc.want) {
			t.Errorf("%s: %q, want %q", tc.name, w.actions, tc.want)
		}
		told := strings.Join(p.warnings, "\n")
		if !strings.Contains(told, tc.warning) || (told == "") != (tc.warning == "") || p.faults[0].ended == nil {
			t.Errorf("%s: warnings %q, ended at %v", tc.name, p.warnings, p.faults[0].ended)
		}
	}
}

// A target is started again once: when its new process ends before it is up, it stays down.
func TestATargetIsStartedAgainOnce(t *testing.T) {
	_, w := playScaled(t, 8*s, autoscale.Config{Min: 3, Max: 3}, []chaos.Fault{kill("k", "web-1", s)}, func(w *scriptedWorld) {
		w.p.world = &brokenStart{w}
	})
	if len(w.actions) != 1 {
		t.Errorf("%q", w.actions)
	}
}

// brokenStart is a scripted world whose targets end before they are up.
type brokenStart struct{ *scriptedWorld }

func (w *brokenStart) Do(a plan.Action) error {
	if a, ok := a.(plan.Start); ok {
		w.actions = append(w.actions, "start "+a.Target.ID)
		w.p.event(plan.Event{At: w.now, Kind: plan.Exited, Group: a.Target.Group, Target: a.Target.ID})
		return nil
	}
	return w.scriptedWorld.Do(a)
}

// What the player was late for is told; that a balancer is slow to revert a fault is the system's doing.
func TestLateEdgesAreTold(t *testing.T) {
	wire := chaos.Fault{ID: "slow", At: 1500 * ms, For: s, Select: chaos.Selector{Group: "web", ID: "web-1"}, Choice: spec.Choice{
		Kind: "latency", Values: spec.Values{"delay": s, "share": 1., "probes": true},
	}}
	for _, tc := range []struct {
		fault   chaos.Fault
		nominal time.Duration // the timer that is late
		reverts time.Duration // how long the balancer takes
		want    string
	}{
		{kill("k", "web-1", s), 1500 * ms, 0, "fault k was injected 250ms later than the scenario says"},
		{kill("k", "web-1", s), 2500 * ms, 0, "fault k restarted its targets 250ms later"},
		{wire, 2500 * ms, 0, "fault slow ended 250ms later"},
		{wire, 0, 250 * ms, ""},
	} {
		p, _ := playScaled(t, 8*s, autoscale.Config{Min: 3, Max: 3}, []chaos.Fault{tc.fault}, func(w *scriptedWorld) {
			w.late = func(nominal time.Duration) time.Duration {
				if nominal == tc.nominal {
					return 250 * ms
				}
				return 0
			}
			w.p.world = &slowBalancer{w, tc.reverts}
		})
		if told := strings.Join(p.warnings, "\n"); !strings.Contains(told, tc.want) || (told == "") != (tc.want == "") || p.faults[0].late != told || p.faults[0].ended == nil {
			t.Errorf("%s: %q, late %q, ended at %v; want %q", tc.fault.ID, told, p.faults[0].late, p.faults[0].ended, tc.want)
		}
	}
}

// slowBalancer is a scripted world whose balancer takes a while to revert a fault.
type slowBalancer struct {
	*scriptedWorld
	after time.Duration
}

func (w *slowBalancer) Do(a plan.Action) error {
	if a, ok := a.(plan.Revert); ok {
		w.At(w.now+w.after, func() { w.p.event(plan.Event{At: w.now, Kind: plan.Reverted, Fault: a.Fault, Hits: 1}) })
	}
	return w.scriptedWorld.Do(a)
}

// Gates of a fault that the player began, ended or restarted late are not judged, and all others are.
func TestGatesOfALateFaultAreNotJudged(t *testing.T) {
	for _, tc := range []struct {
		late    time.Duration
		gates   []string
		judged  []bool
		verdict reports.Verdict
	}{
		{lateEdge, []string{"recover(slow) < 60s", "p99[slow] < 1s"}, []bool{true, true}, reports.Passed},
		{250 * ms, []string{"recover(slow) < 60s", "p99[slow] < 1s", "recover(other) < 60s", "p99 < 1s"}, []bool{false, false, true, true}, reports.Invalid},
		{250 * ms, []string{"p99[other] < 1s", "p99 < 1s"}, []bool{true, true}, reports.Passed},
		{250 * ms, []string{"lost(slow) < 5", "p50 < 1ms"}, []bool{false, true}, reports.Failed},
	} {
		r := rehearse(plan.Phase{Name: "a", End: 20 * s})
		r.ask(100, 0, 100*ms, 10*ms, ok)
		r.fault("slow", 10*s, 11*s, "web-1")
		r.fault("other", 12*s, 13*s, "web-1")
		r.ask(100, 10*s, 100*ms, 10*ms, ok)
		r.late(r.faults[0], "was injected", tc.late)
		r.rec.planned[0] = 200
		got := r.judged(t, tc.gates...)
		var judged []bool
		for _, g := range got.Gates {
			judged = append(judged, g.Judged)
		}
		told := strings.Join(append(got.Reasons, got.Warnings...), "\n")
		if want := "can't be judged: fault slow was injected 250ms later"; got.Verdict != tc.verdict || !slices.Equal(judged, tc.judged) || strings.Contains(told, want) == !slices.Contains(judged, false) {
			t.Errorf("late by %v, %q: %s, judged %v, saying %s", tc.late, tc.gates, got.Verdict, judged, told)
		}
	}
}

// meetingWorld lets a sample come in while a target is killed, as a live one does.
type meetingWorld struct {
	*scriptedWorld
	meet func()
}

func (w *meetingWorld) Do(a plan.Action) error {
	if _, ok := a.(plan.Apply); ok {
		w.meet()
	}
	return w.scriptedWorld.Do(a)
}

// A sample may come in while targets are killed: the race detector looks, so that nothing else may make one wait for the
// other.
func TestSamplesComeInWhileTargetsAreKilled(t *testing.T) {
	r := rehearse(plan.Phase{Name: "a", End: 20 * s})
	var work sync.WaitGroup
	r.world = &meetingWorld{&scriptedWorld{p: r.player, now: 10 * s}, func() {
		work.Go(func() { r.ask(1, 9*s, 0, 1500*ms, failedAt("web-1", "")) })
	}}
	m := r.fleet.member(plan.Target{ID: "web-1", Group: "web"})
	m.state, m.running = "healthy", true
	k := kill("k", "web-1", 0)
	kind, err := chaos.Kinds().New(k.Choice)
	if err != nil {
		t.Fatal(err)
	}
	f := &faultRun{Fault: &k, kind: kind}
	r.faults = append(r.faults, f)
	r.inject(f)
	work.Wait()
	if n := f.carried.Failed; n != 1 || !slices.Equal(f.targets, []string{"web-1"}) {
		t.Errorf("%d requests under way at the kill of %v failed by it", n, f.targets)
	}
}
