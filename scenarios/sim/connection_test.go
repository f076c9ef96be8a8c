package sim

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/profile"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
)

// A request without a connection is dropped once too little of its time is left for an attempt; one that gets a
// connection late tells how long it waited. Here requests are due at 50, 150 and 250 ms, and take 300 ms.
func TestWaitsForAConnection(t *testing.T) {
	for _, tc := range []struct {
		timeout, minAttempt time.Duration
		want                []string // outcome, then since the begin: sent and done, and the wait, in milliseconds
	}{
		{time.Second, 0, []string{"0 50 350 0", "0 350 650 200", "0 650 950 400"}},
		{time.Second, 700 * time.Millisecond, []string{"0 50 350 0", "0 350 650 200", "2 0 550 300"}},
		{time.Second, 800 * time.Millisecond, []string{"0 50 350 0", "2 0 350 200", "0 350 650 100"}}, // at the very instant it is too late
		{time.Second, time.Second, []string{"0 50 350 0", "2 0 150 0", "2 0 250 0"}},
		{320 * time.Millisecond, 0, []string{"0 50 350 0", "1 350 470 200", "1 470 570 220"}},
		{200 * time.Millisecond, 150 * time.Millisecond, []string{"1 50 250 0", "2 0 200 50", "1 250 450 0"}},
	} {
		s := scenario(1, 8, -1, constant(300*time.Millisecond), "round_robin", 10, 300*time.Millisecond)
		s.Load.Arrivals = profile.Even
		s.Client.Connections, s.Client.Timeout, s.Client.MinAttempt = 1, tc.timeout, tc.minAttempt
		out := samples(t, s, nil)
		slices.SortFunc(out, func(a, b measure.Sample) int { return int(a.Seq) - int(b.Seq) })
		var got []string
		for _, x := range out {
			got = append(got, fmt.Sprint(x.Outcome, x.Sent.Milliseconds(), x.Done.Milliseconds(), x.Wait.Milliseconds()))
			if x.Outcome == measure.Dropped && x.Class != measure.NoConnection {
				t.Errorf("a dropped request is of class %s", x.Class)
			}
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("timeout %v, at least %v for an attempt: %q, want %q", tc.timeout, tc.minAttempt, got, tc.want)
		}
	}
}

// A user pauses after a failure besides its think time, and does not stay beyond the end of its stretch to think.
func TestUsersPauseAfterFailures(t *testing.T) {
	for _, tc := range []struct {
		name             string
		targets          int
		think, failPause time.Duration
		want             int
	}{
		{"successes", 1, 90 * time.Millisecond, time.Minute, 10},
		{"failures", 0, 90 * time.Millisecond, 110 * time.Millisecond, 5},
		{"failures without a pause", 0, 100 * time.Millisecond, 0, 10},
		{"failures without thinking", 0, 0, 100 * time.Millisecond, 10},
		{"a thought longer than the stretch", 1, time.Hour, 0, 1},
	} {
		s := scenario(tc.targets, 8, -1, constant(10*time.Millisecond), "round_robin", 1, time.Second)
		s.Load.Phases = []plan.Phase{{Name: "users", End: time.Second, Users: 1, Think: tc.think}}
		s.Client.FailPause = tc.failPause
		n := 0
		w := played(t, s, func(*measure.Sample) { n++ })
		if n != tc.want || w.Now() > 2*time.Second {
			t.Errorf("%s: %d requests until %v, want %d", tc.name, n, w.Now(), tc.want)
		}
	}
}

// A user has a connection of its own, as in a live run: requests of the load before do not keep it waiting.
func TestUsersHaveConnectionsOfTheirOwn(t *testing.T) {
	s := scenario(1, 8, -1, constant(500*time.Millisecond), "round_robin", 10, 100*time.Millisecond)
	s.Load.Arrivals = profile.Even
	s.Client.Connections = 1
	s.Load.Phases = append(s.Load.Phases, plan.Phase{Name: "users", Start: 100 * time.Millisecond, End: 200 * time.Millisecond, Users: 1})
	for _, x := range samples(t, s, nil) {
		if x.Wait != 0 {
			t.Errorf("request %d waited %v", x.Seq, x.Wait)
		}
	}
}
