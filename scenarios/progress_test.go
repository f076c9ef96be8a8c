package scenarios

import (
	"fmt"
	"testing"
)

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
