package scenarios

import (
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/scenarios/plan"
)

// twoGroups is a scenario with groups a and b of one target each.
func twoGroups() *plan.Scenario {
	group := func(name string) plan.Group {
		return plan.Group{Name: name, Targets: plan.Targets{Run: plan.Builtin, Count: 1}}
	}
	return &plan.Scenario{Topology: &plan.Topology{Groups: []plan.Group{group("a"), group("b")}}}
}

// Every group's requests are counted over the same stretch of time.
func TestMomentsOfTwoGroups(t *testing.T) {
	f := newFleet(twoGroups())
	for i := 1; i <= 3; i++ {
		n := uint64(i)
		f.measured(&plan.Stats{At: time.Duration(i) * 2 * time.Second, Targets: map[string]plan.TargetStats{
			"a-1": {Group: "a", Requests: 100 * n}, "b-1": {Group: "b", Requests: 6 * n, Discarded: 2 * n},
		}})
		for group, want := range map[string]float64{"a": 50, "b": 4} {
			if got := f.moment(f.now.At, group, 1).Requests; len(got) != 1 || got[group+"-1"] != want {
				t.Errorf("moment %d, group %s: %v, want %v a second", i, group, got, want)
			}
		}
	}
	// Without new counters there is nothing to tell.
	if got := f.moment(f.now.At, "a", 1).Requests; len(got) != 0 {
		t.Errorf("between two counts: %v", got)
	}
}
