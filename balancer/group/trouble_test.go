package group

import (
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/health"
)

// troubles counts what was told of failures.
func troubles(effects []Effect) (n int) {
	for _, e := range effects {
		if e.Kind == Troubled {
			n++
		}
	}
	return n
}

// member is the one healthy target of a group with checks, and without outlier detection.
func member(t *testing.T) (*Group, *Target) {
	g := newGroup(t, Config{Health: &health.Config{Interval: s, Timeout: s, Healthy: 1, Unhealthy: 3}})
	a, _ := g.Add(0, Member{ID: "a"})
	g.Probed(0, a, true, "")
	return g, a
}

// After an isolated failure the next one is told again: at once when somebody watches, and else after a success and
// some time.
func TestTroubleIsToldAgain(t *testing.T) {
	probe := func(g *Group, a *Target, now time.Duration, ok bool) int {
		return troubles(g.Probed(now, a, ok, "status 500"))
	}
	answer := func(g *Group, a *Target, now time.Duration, ok bool) int {
		o := OK
		if !ok {
			o = Broken
		}
		if !g.Release(now, a, o, time.Millisecond) {
			if !ok {
				t.Error("a failure was not to be told to the owner")
			}
			return 0
		}
		return troubles(g.Answered(now, a, o, "reset"))
	}
	for name, see := range map[string]func(*Group, *Target, time.Duration, bool) int{"probes": probe, "answers": answer} {
		for _, tc := range []struct {
			what  string
			watch bool
			ok    time.Duration // of a success after the failure at 10 s; 0: none
			again time.Duration // of the next failure
			want  int
		}{
			{"at once", false, 0, 10*s + 1, 0},
			{"soon after a success", false, 10*s + s/2, 10*s + s/2 + 1, 0},
			{"after a success that came too early to end it", false, 10*s + quiet - 1, 20 * s, 0},
			{"after a success in time", false, 10*s + quiet, 10*s + quiet + 1, 1},
			{"without a success", false, 0, 60 * s, 0},
			{"watched, at once", true, 0, 10*s + 1, 1},
			{"watched, after a success", true, 10*s + s/2, 11 * s, 1},
		} {
			g, a := member(t)
			if n := see(g, a, 10*s, false); n != 1 {
				t.Fatalf("%s: the first failure was told %d times", name, n)
			}
			if tc.ok > 0 {
				see(g, a, tc.ok, true)
			}
			if tc.watch {
				g.Watch(a)
			}
			if n := see(g, a, tc.again, false); n != tc.want {
				t.Errorf("%s, %s: told %d times, want %d", name, tc.what, n, tc.want)
			}
		}
	}
}

// The data plane meets the owner's lock only while something of the target's could change.
func TestOwnerIsLeftAloneAfterTheTrouble(t *testing.T) {
	g, a := member(t)
	g.Release(10*s, a, Broken, 0)
	g.Answered(10*s, a, Broken, "reset")
	if !g.Release(10*s+quiet, a, OK, 0) {
		t.Fatal("the owner does not hear of the success that ends the trouble")
	}
	g.Answered(10*s+quiet, a, OK, "")
	if g.Release(10*s+quiet+1, a, OK, 0) {
		t.Error("the owner still hears of every answer")
	}
}

// A target that fails every second request does not flood anybody.
func TestTroubleIsBounded(t *testing.T) {
	g, a := member(t)
	n := 0
	for i := range 100_000 {
		now := time.Minute + time.Duration(i)*100*time.Microsecond
		o := []Outcome{OK, ServerError}[i%2]
		if g.Release(now, a, o, 0) {
			n += troubles(g.Answered(now, a, o, "status 500"))
		}
	}
	if n != 1 {
		t.Errorf("told %d times in ten seconds of failures without a pause", n)
	}
}
