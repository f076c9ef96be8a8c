package group

import (
	"math"
	"testing"

	"github.com/seed-8025779b/shakedown/balancer/pick"
)

// Of the requests of each stretch a target should have had its share by weight among those that took traffic then.
func TestExpectedRequests(t *testing.T) {
	g := newGroup(t, Config{Drain: s})
	a, _ := g.Add(0, Member{ID: "a", Weight: 1})
	b, _ := g.Add(0, Member{ID: "b", Weight: 3})
	route := func(n int, discard bool) {
		for range n {
			x, _ := g.Choose(0, &pick.Request{}, discard)
			g.Release(0, x, OK, 0)
		}
	}
	route(400, false)
	route(100, true)
	c, _ := g.Add(0, Member{ID: "c"}) // weighs 1
	route(500, false)
	g.SetWeight(0, a, 4)
	route(800, false)
	g.Drain(0, b)
	route(1000, false)
	g.Share()
	for x, want := range map[*Target]float64{a: 100 + 100 + 400 + 800, b: 300 + 300 + 300, c: 100 + 100 + 200} {
		if got := x.Status().Expected; math.Abs(got-want) > 1e-9 {
			t.Errorf("%s: %v requests expected, want %v", x.ID, got, want)
		}
	}
	if again := g.Status(); again[0].Expected != 1400 {
		t.Errorf("nothing was routed since, and %v are expected", again[0].Expected)
	}
}
