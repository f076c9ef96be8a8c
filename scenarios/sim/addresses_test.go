package sim

import (
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
)

// Requests come from as many client addresses as live ones would, so that a strategy by address spreads them.
func TestClientAddressesSpread(t *testing.T) {
	closed := func(users int) []plan.Phase {
		return []plan.Phase{{Name: "main", End: 10 * time.Second, Users: users, Think: 10 * time.Millisecond}}
	}
	for _, tc := range []struct {
		name                   string
		addresses, connections int
		phases                 []plan.Phase // nil: an open loop
		least, most            int          // targets that get requests
	}{
		{"one address", 1, 1000, nil, 1, 1},
		{"many", 1000, 1000, nil, 4, 4},
		{"of which one connection can come", 1000, 1, nil, 1, 1},
		{"users", 1000, 1, closed(200), 4, 4},
		{"one user", 1000, 1000, closed(1), 1, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := scenario(4, 100, 100, exponential(time.Millisecond), "ip_hash", 200, 10*time.Second)
			s.Client.Connections, s.Client.Connect.Addresses, s.Client.Timeout = tc.connections, tc.addresses, time.Second
			if tc.phases != nil {
				s.Load.Phases = tc.phases
			}
			by := map[string]int{}
			total := 0
			played(t, s, func(m *measure.Sample) { by[m.Target]++; total++ })
			if len(by) < tc.least || len(by) > tc.most {
				t.Fatalf("requests by target: %v", by)
			}
			for id, n := range by {
				if share := float64(n) / float64(total) * float64(len(by)); share < .7 || share > 1.3 {
					t.Errorf("%s has %.2f times the mean share: %v", id, share, by)
				}
			}
		})
	}
}
