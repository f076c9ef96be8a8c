package scenarios

import (
	"fmt"
	"testing"
)

// Even arrivals are as many as the profile says, and progress tells that number from the first second on.
func TestProgressOfEvenArrivals(t *testing.T) {
	for _, tc := range []struct {
		phases string
		want   uint64
	}{
		{"{name: a, rate: 100/s, for: 3s}, {name: b, rate: 250/s, for: 10s}", 2800},
		{"{name: a, rate: 3.3/s, for: 4s}", 13},
		{"{name: a, rate: 3.4/s, for: 4s}", 14},
		{"{name: a, rate: {kind: ramp, from: 1/s, to: 50/s}, for: 8s}, {name: b, rate: pause, for: 2s}", 204},
		{"{name: a, rate: 11/s, for: 4500ms}", 49},
		{"{name: a, rate: 7/s, for: 1500ms}, {name: b, rate: 2/s, for: 3s}", 16},
		{"{name: a, rate: pause, for: 2s}, {name: b, rate: 10/s, for: 3s}", 30},
	} {
		text := fmt.Appendf(nil, "version: 1\nseed: 1\ntopology: {groups: {web: {targets: {count: 1}}}}\nload: {arrivals: even, phases: [%s]}\n", tc.phases)
		r, err := Play(t.Context(), decode(t, Source{Name: "x", Text: text}).Scenario, Options{World: "sim", Progress: func(p Progress) {
			if p.Planned != tc.want {
				t.Errorf("%s: %d at %v, want %d", tc.phases, p.Planned, p.Now, tc.want)
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		if r.Totals.Planned != tc.want {
			t.Errorf("%s: %d planned, want %d", tc.phases, r.Totals.Planned, tc.want)
		}
	}
}

// The number of requests that progress tells becomes the one that the result has, once all were offered: random arrivals
// are seldom as many as the rate says.
func TestProgressEndsAtTheNumberPlanned(t *testing.T) {
	differ := 0
	for seed := range 20 {
		text := fmt.Appendf(nil, "version: 1\nseed: %d\ntopology: {groups: {web: {targets: {count: 1}}}}\nload: {phases: [{name: main, rate: 3/s, for: 2s}, {name: end, rate: pause, for: 3s}]}\n", seed+1)
		var last Progress
		r, err := Play(t.Context(), decode(t, Source{Name: "x", Text: text}).Scenario, Options{World: "sim", Progress: func(p Progress) { last = p }})
		if err != nil {
			t.Fatal(err)
		}
		if last.Planned != r.Totals.Planned || last.Ended != r.Totals.Planned {
			t.Errorf("seed %d: at the end %d of %d, and %d are planned", seed+1, last.Ended, last.Planned, r.Totals.Planned)
		}
		if r.Totals.Planned != 6 {
			differ++
		}
	}
	if differ == 0 {
		t.Error("each seed has as many requests as the rate says: nothing was tested")
	}
}
