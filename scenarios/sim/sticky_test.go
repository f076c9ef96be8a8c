package sim

import (
	"maps"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
)

// A user that keeps its cookies stays with the target that answered it first.
func TestUsersStick(t *testing.T) {
	for _, tc := range []struct {
		name        string
		cookies     bool
		application string // without whose cookie nobody sticks; sample backends set none
		want        map[string]int
	}{
		{"with cookies", true, "", map[string]int{"web-1": 30}},
		{"without", false, "", map[string]int{"web-1": 10, "web-2": 10, "web-3": 10}},
		{"by a cookie that no target sets", true, "app", map[string]int{"web-1": 10, "web-2": 10, "web-3": 10}},
	} {
		s := scenario(3, 8, -1, constant(10*time.Millisecond), "round_robin", 1, 3*time.Second)
		s.Load.Phases = []plan.Phase{{Name: "users", End: 3 * time.Second, Users: 1, Think: 90 * time.Millisecond}}
		s.Client.Cookies = tc.cookies
		s.Topology.Groups[0].Sticky = &group.Sticky{Cookie: "lb", For: time.Hour, Secret: "s", Application: tc.application}
		by := map[string]int{}
		played(t, s, func(m *measure.Sample) { by[m.Target]++ })
		if !maps.Equal(by, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, by, tc.want)
		}
	}
}
