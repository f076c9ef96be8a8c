package scenarios

import (
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
)

const s = time.Second

// course makes windows of half a second from letters: "." a good one, "e" one with errors, "l" a late one,
// " " one without requests. Each holds 100 requests.
func course(letters string) *condition {
	width := s / 2
	var windows []measure.Window
	for i, c := range letters {
		if c == ' ' {
			continue
		}
		t := &measure.Tally{}
		for n := range 100 {
			x := measure.Sample{Done: 10 * time.Millisecond}
			switch {
			case c == 'e' && n < 10:
				x.Outcome, x.Class = measure.Failed, measure.Refused
			case c == 'l':
				x.Done = s
			}
			t.Add(&x)
		}
		windows = append(windows, measure.Window{Start: time.Duration(i) * width, End: time.Duration(i+1) * width, Tally: t})
	}
	return newCondition(windows, width, time.Duration(len(letters))*width, plan.Objective{
		Quantiles: []plan.Quantile{{Q: .99, Limit: 100 * time.Millisecond}}, ErrorRate: .01, Window: s,
	})
}

func TestRecovery(t *testing.T) {
	for _, tc := range []struct {
		name, letters string
		t0, tr        time.Duration
		ts            time.Duration
		ok            bool
	}{
		{"never broken", "..........", 1 * s, 2 * s, 1 * s, true},
		{"broken by errors", "..eee.....", 1 * s, 2 * s, 5 * s / 2, true},
		{"broken by latency", "..lll.....", 1 * s, 2 * s, 5 * s / 2, true},
		{"never again", "..eeeeeeee", 1 * s, 2 * s, 0, false},
		{"good for less than the window", "..ee.ee...", 1 * s, 2 * s, 7 * s / 2, true},
		{"good, but the run ends first", "........e.", 4 * s, 4500 * time.Millisecond, 0, false},
		{"late breach still counts", ".....e....", 1 * s, 2 * s, 3 * s, true},
		{"another fault's breach does not", "........e.........", 1 * s, 2 * s, 1 * s, true},
		{"no requests, nobody waits", "..ee      ", 1 * s, 2 * s, 2 * s, true},
	} {
		ts, ok := course(tc.letters).recovery(tc.t0, tc.tr)
		if ts != tc.ts || ok != tc.ok {
			t.Errorf("%s: %v %v, want %v %v", tc.name, ts, ok, tc.ts, tc.ok)
		}
	}
}

func TestBetween(t *testing.T) {
	h := course("..eee.....")
	if got := h.between(1*s, 5*s/2); got.Failed != 30 || got.Finished() != 300 {
		t.Errorf("%d of %d failed", got.Failed, got.Finished())
	}
	if got := h.between(0, 1*s); got.Failed != 0 || got.Finished() != 200 {
		t.Errorf("%d of %d failed", got.Failed, got.Finished())
	}
}

func TestEjectionIsTheLastRequestRouted(t *testing.T) {
	m := &memberState{Target: plan.Target{ID: "web-1"}, changes: []change{
		{at: 0, from: "initial", to: "healthy", lastRouted: -1},
		{at: 12 * s, from: "healthy", to: "ejected", lastRouted: 11 * s},
		{at: 13 * s, from: "ejected", to: "unhealthy", lastRouted: 12 * s},
		{at: 20 * s, from: "unhealthy", to: "healthy", lastRouted: 12 * s},
	}}
	if at, ok := m.lastRouted(10*s, 15*s, nil); !ok || at != 12*s {
		t.Errorf("%v %v: what was chosen in the instant of the ejection counts too", at, ok)
	}
	if _, ok := m.lastRouted(14*s, 15*s, nil); ok {
		t.Error("an ejection before the fault was taken for its doing")
	}
	m.changes = m.changes[:2]
	if at, ok := m.lastRouted(10*s, 15*s, &plan.Stats{Targets: map[string]plan.TargetStats{"web-1": {LastRoute: 14 * s}}}); !ok || at != 14*s {
		t.Errorf("%v %v: without a return the last count decides", at, ok)
	}
}
