package scenarios

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/profile"
	"github.com/seed-8025779b/shakedown/reports"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// held is a scenario whose first phase has the rate and the length, with a discarded one of a second behind it.
func held(t *testing.T, rate float64, length time.Duration) (*plan.Scenario, profile.Schedule) {
	t.Helper()
	hold := func(length time.Duration) spec.Choice {
		return spec.Choice{Kind: "hold", Values: spec.Values{"rate": rate, "for": length}}
	}
	s := &plan.Scenario{}
	s.Load.Arrivals = profile.Even
	s.Load.Phases = []plan.Phase{
		{Name: "main", End: length, Rate: hold(length)},
		{Name: "after", Start: length, End: length + time.Second, Rate: hold(time.Second), Discard: true},
	}
	sched, err := s.Schedule()
	if err != nil {
		t.Fatal(err)
	}
	return s, sched
}

// A person is told before many requests are counted, by how many are expected: nothing is walked to know it.
func TestALongCountIsAnnounced(t *testing.T) {
	s, sched := held(t, 5000, 4*time.Hour)
	if got, want := longCount(s, sched, 1), "counting the requests of the first 4h0m1s, about 72005000, to know which ones belong to the discarded phase after"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	func() { // it is told before the first request is counted
		defer func() {
			if told := recover(); told != longCount(s, sched, 1) {
				t.Errorf("it says %v", told)
			}
		}()
		newPlayer(s, sched, Options{World: "sim", Say: func(text string) { panic(text) }}).discarded(t.Context())
	}()
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if _, err := newPlayer(s, sched, Options{World: "sim"}).discarded(stopped); !errors.Is(err, context.Canceled) {
		t.Errorf("after an interrupt the count goes on: %v", err)
	}
	if got := longCount(s, sched, -1); got != "" {
		t.Errorf("without a discarded phase: %q", got)
	}
	short, sched := held(t, 5000, time.Minute)
	if got := longCount(short, sched, 1); got != "" {
		t.Errorf("300000 requests: %q", got)
	}
}

// The sequence numbers of a discarded phase are counted without a word when they are few.
func TestDiscardedRequests(t *testing.T) {
	s, sched := held(t, 50, 3*time.Second)
	p := newPlayer(s, sched, Options{World: "sim", Say: func(text string) { t.Error(text) }})
	if got, err := p.discarded(t.Context()); err != nil || !slices.Equal(got, []config.Span{{From: 150, To: 200}}) {
		t.Error(got, err)
	}
}

// drainingWorld is a scripted world that is interrupted at an instant.
type drainingWorld struct {
	*scriptedWorld
	at        time.Duration
	interrupt func()
}

func (w *drainingWorld) Play(context.Context, profile.Schedule, func(*measure.Sample)) (plan.Played, error) {
	w.now = w.at
	w.interrupt()
	return plan.Played{}, nil
}

// The load of a run that is interrupted while its last requests are under way lasted as long as planned, and not until then.
func TestAnInterruptAfterTheLoad(t *testing.T) {
	for _, tc := range []struct {
		at, ended time.Duration
		drain     float64
		reason    string
	}{
		{2 * s, 2 * s, 3000, "interrupted after 2.00s of 3.00s"},
		{6960 * ms, 3 * s, 2000, "interrupted after 3.00s of 3.00s, while the last requests were under way"},
		{-10 * ms, 0, 5000, "interrupted after 0.00s of 3.00s"},
	} {
		r := rehearse(plan.Phase{Name: "a", End: 3 * s})
		ctx, interrupt := context.WithCancel(t.Context())
		r.world = &drainingWorld{&scriptedWorld{p: r.player}, tc.at, interrupt}
		r.ask(1, 1*s, 0, 4*s, ok)
		if err := r.play(ctx); err != nil {
			t.Fatal(err)
		}
		got := r.judged(t)
		if r.ended != tc.ended || got.DrainMS != tc.drain || got.Verdict != reports.Interrupted || !slices.Equal(got.Reasons, []string{tc.reason}) {
			t.Errorf("at %v: ended at %v, drained for %v ms, %s: %q", tc.at, r.ended, got.DrainMS, got.Verdict, got.Reasons)
		}
	}
}

// A fault that a frozen process begins or ends late is told of.
func TestLateFaultsAreTold(t *testing.T) {
	s, sched := held(t, 50, 3*time.Second)
	p := newPlayer(s, sched, Options{World: "sim"})
	r := &faultRun{Fault: &chaos.Fault{ID: "slow"}}
	p.late(r, "was injected", lateEdge)
	p.late(r, "ended", -time.Second)
	if len(p.warnings) > 0 {
		t.Errorf("%q", p.warnings)
	}
	p.late(r, "was injected", 250*time.Millisecond)
	if want := "fault slow was injected 250ms later than the scenario says"; len(p.warnings) != 1 || !strings.Contains(p.warnings[0], want) {
		t.Errorf("%q, want %q", p.warnings, want)
	}
}
