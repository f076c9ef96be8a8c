package group

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/health"
	"github.com/seed-8025779b/shakedown/balancer/pick"
	"github.com/seed-8025779b/shakedown/scenarios/draw"
)

// counting is a strategy that counts for how many sets something was built.
type counting struct{ prepared *int }

func (c counting) Pick(time.Duration, *pick.Request, *pick.Set) int { return 0 }

func (c counting) Prepare(*pick.Set) any {
	*c.prepared++
	return nil
}

// However many targets one change moves, what takes traffic is published once, after it.
func TestUpdatesPublishOnce(t *testing.T) {
	var prepared int
	g := New("web", Config{Strategy: func(draw.Stream) pick.Strategy { return counting{&prepared} }, Outliers: &health.OutlierConfig{Consecutive: 1, EjectFor: time.Second, MaxEjected: 1, Interval: time.Hour}})
	before := prepared
	effects := g.Update(0, func(now time.Duration) (out []Effect) {
		for i := range 100 {
			_, e := g.Add(now, Member{ID: fmt.Sprint(i)})
			out = append(out, e...)
		}
		if g.Ready() != 0 {
			t.Error("published in the middle of a change")
		}
		return out
	})
	if len(effects) != 100 || prepared != before+1 || g.Ready() != 100 {
		t.Errorf("%d effects, built %d times, %d ready", len(effects), prepared-before, g.Ready())
	}
	before = prepared
	if g.Update(0, func(time.Duration) []Effect { return nil }); prepared != before {
		t.Error("published without a change")
	}
}

// However many targets leave in one change, what takes traffic is published once, and then they are gone.
func TestUpdatesTakeOutOnce(t *testing.T) {
	var prepared int
	for name, cfg := range map[string]Config{"plain": {}, "fail-open": {FailOpen: &FailOpen{Healthy: 1}}} {
		cfg.Strategy, cfg.Drain = func(draw.Stream) pick.Strategy { return counting{&prepared} }, time.Second
		g := New("web", cfg)
		for i := range 100 {
			g.Add(0, Member{ID: fmt.Sprint(i)})
		}
		busy, _ := g.Choose(0, &pick.Request{}, false)
		before := prepared
		effects := g.Update(0, func(now time.Duration) (out []Effect) {
			for i := range 100 {
				out = append(out, g.Drain(now, g.Find(fmt.Sprint(i)))...)
			}
			return out
		})
		effects = slices.DeleteFunc(effects, func(e Effect) bool { return e.Kind != Changed })
		if prepared != before+1 || g.Ready() != 0 || len(effects) != 199 {
			t.Errorf("%s: built %d times, %d ready, %d effects", name, prepared-before, g.Ready(), len(effects))
		}
		for i, e := range effects {
			if want := map[bool]State{true: Draining, false: Gone}[i < 100]; e.To != want {
				t.Errorf("%s: effect %d: %s to %s", name, i, e.Target, e.To)
			}
		}
		if left := g.Status(); len(left) != 1 || left[0].ID != busy.ID {
			t.Errorf("%s: left: %+v", name, left)
		}
	}
}

// A target that leaves within a change is taken out before it is shut: a request would otherwise be routed to it in vain, again and again.
// Nothing else in the change shuts it either.
func TestUpdatesTakeOutBeforeTheyShut(t *testing.T) {
	asked := 0
	g := New("web", Config{Strategy: func(draw.Stream) pick.Strategy { return first{&asked} }, Drain: time.Second})
	a, _ := g.Add(0, Member{ID: "a"})
	g.Add(0, Member{ID: "b"})
	g.Update(0, func(now time.Duration) []Effect {
		out := append(g.Drain(now, a), g.Tick(now)...)
		out = append(out, g.Reconfigure(now, *g.Config(), true)...)
		chosen, _ := g.Choose(now, &pick.Request{}, false)
		if chosen == nil || chosen.State() == Gone || asked != 1 {
			t.Fatalf("chosen %v, the strategy was asked %d times", chosen, asked)
		}
		g.Release(now, chosen, OK, 0)
		return out
	})
	if a.State() != Gone || g.Ready() != 1 {
		t.Errorf("in the end %s, %d ready", a.State(), g.Ready())
	}
}

// first is a strategy that takes the first target, and gives up when it is asked for ever.
type first struct{ asked *int }

func (f first) Pick(time.Duration, *pick.Request, *pick.Set) int {
	if *f.asked++; *f.asked > 100 {
		return -1
	}
	return 0
}

// A runner tells what a change has caused, then serves those that wait, then arms its timer.
func TestRunner(t *testing.T) {
	var log []string
	g := New("web", Config{Strategy: func(draw.Stream) pick.Strategy { return counting{new(int)} }, Outliers: &health.OutlierConfig{Consecutive: 1, EjectFor: time.Second, MaxEjectFor: time.Minute, MaxEjected: 1, Interval: time.Hour, Sole: true}})
	note := func(format string, v ...any) { log = append(log, fmt.Sprintf(format, v...)) }
	r := Runner{
		Group: g, Tell: func(e *Effect) { note("%s %s %s", e.Target, e.Kind, e.To) }, Serve: func(time.Duration) { note("serve") },
		Arm: func(_, at time.Duration) { note("arm %v", at) }, Disarm: func() { note("disarm") },
	}
	var a *Target
	r.Do(0, func(now time.Duration) (e []Effect) {
		a, e = g.Add(now, Member{ID: "a"})
		return e
	})
	r.Do(5, func(now time.Duration) []Effect { return g.Answered(now, a, Broken, "why") })
	r.Tick(5 + time.Second)
	want := []string{"a changed healthy", "serve", "disarm", "a trouble ", "a changed ejected", "serve", "arm 1.000000005s", "a changed healthy", "serve", "disarm"}
	if !slices.Equal(log, want) {
		t.Errorf("%q, want %q", log, want)
	}
}
