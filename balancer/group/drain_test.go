package group

import (
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/pick"
	"github.com/seed-8025779b/shakedown/scenarios/draw"
)

// between is a strategy in whose Pick, once, something happens: between the look at what is ready and the choice.
type between struct {
	happens func()
	tries   int
}

func (b *between) Pick(_ time.Duration, r *pick.Request, set *pick.Set) int {
	if b.tries++; b.happens != nil {
		happens := b.happens
		b.happens = nil
		happens()
	}
	for i := range set.Members {
		if !r.Left(&set.Members[i]) {
			return i
		}
	}
	return -1
}

// A request that chooses from a set in which a target still stands, while the owner drains it, never gets one that is
// gone: the owner has not seen it, so that its process may have ended.
func TestNothingIsSentToATargetThatIsGone(t *testing.T) {
	for name, tc := range map[string]struct {
		running int // requests at the target when it is drained
		limits  *Limits
		late    bool   // the drain time is over at once
		want    string // the target that the request gets
	}{
		"idle":              {0, nil, false, "b"},
		"idle, with limits": {0, &Limits{Requests: 1}, false, "b"},
		"out of time":       {1, nil, true, "b"},
		"busy":              {1, nil, false, "a"}, // it waits for this one as well
	} {
		strategy := &between{}
		g := New("web", Config{Strategy: func(draw.Stream) pick.Strategy { return strategy }, Drain: time.Second, Limits: tc.limits})
		a, _ := g.Add(0, Member{ID: "a"})
		g.Add(0, Member{ID: "b"})
		for range tc.running {
			a.enter(0)
		}
		strategy.happens = func() {
			g.Drain(0, a)
			if tc.late {
				g.Tick(time.Second)
			}
		}
		x, full := g.Choose(0, &pick.Request{}, false)
		if x == nil || full || x.ID != tc.want || x.State() == Gone {
			t.Fatalf("%s: %v, full %v", name, x, full)
		}
		if n := x.Status().InFlight; n != int64(1+map[bool]int{true: tc.running}[x == a]) {
			t.Errorf("%s: %d in flight", name, n)
		}
		if x == a { // it is gone only after the last of its requests
			for n := tc.running; n >= 0; n-- {
				if a.State() != Draining {
					t.Fatalf("%s: %s with %d requests", name, a.State(), n+1)
				}
				if !g.Release(0, a, OK, 0) {
					t.Fatalf("%s: the owner does not hear of the end of a request", name)
				}
				g.Answered(0, a, OK, "")
			}
		}
		if tc.late { // whoever keeps connections to it wants to know when the last request has ended
			if n := a.Status().InFlight; n != 1 {
				t.Errorf("%s: %d in flight", name, n)
			}
			if !g.Release(0, a, OK, 0) {
				t.Errorf("%s: the owner does not hear of the last request", name)
			}
		}
		if n := a.Status().InFlight; a.State() != Gone || n != 0 {
			t.Errorf("%s: in the end %s with %d in flight", name, a.State(), n)
		}
	}
}

// With a limit, a request that finds its target full a moment after it chose takes another one, and leaves no trace in
// the count: the owner would wait for its end.
func TestALimitReachedMeanwhile(t *testing.T) {
	strategy := &between{}
	g := New("web", Config{Strategy: func(draw.Stream) pick.Strategy { return strategy }, Drain: time.Second, Limits: &Limits{Requests: 1}})
	a, _ := g.Add(0, Member{ID: "a"})
	b, _ := g.Add(0, Member{ID: "b"})
	strategy.happens = func() { a.enter(1) }
	if x, _ := g.Choose(0, &pick.Request{}, false); x != b {
		t.Fatalf("chose %v", x)
	}
	if a.inFlight() != 1 || b.inFlight() != 1 {
		t.Errorf("%d and %d in flight", a.inFlight(), b.inFlight())
	}
	if x, full := g.Choose(0, &pick.Request{}, false); x != nil || !full {
		t.Errorf("chose %v, full %v", x, full)
	}
}

// A target that drains and is wanted again stays: with checks it takes traffic after the next one that passes.
func TestResume(t *testing.T) {
	for _, checked := range []bool{false, true} {
		cfg := full()
		if !checked {
			cfg.Health = nil
		}
		g := newGroup(t, cfg)
		a, _ := g.Add(0, Member{ID: "a"})
		g.Probed(0, a, true, "")
		a.enter(0)
		g.Drain(s, a)
		effects := g.Resume(2*s, a)
		if len(effects) == 0 || effects[0].From != Draining {
			t.Errorf("checked %v: %+v", checked, effects)
		}
		if checked {
			if a.State() != Initial || g.Ready() != 0 {
				t.Errorf("%s before a check", a.State())
			}
			g.Probed(3*s, a, true, "")
		}
		if a.State() != Healthy || g.Ready() != 1 {
			t.Errorf("checked %v: %s, %d ready", checked, a.State(), g.Ready())
		}
		if g.Release(4*s, a, OK, 0) {
			g.Answered(4*s, a, OK, "")
		}
		g.Tick(time.Minute) // the end of its drain time
		if a.State() != Healthy {
			t.Errorf("checked %v: in the end %s", checked, a.State())
		}
		if g.Resume(5*s, a) != nil {
			t.Error("a target that does not drain was resumed")
		}
	}
}
