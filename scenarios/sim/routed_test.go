package sim

import (
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/route"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/mix"
)

// A rule meets the headers that the generator adds, as in a live run.
func TestRulesMeetTheHeadersThatTheGeneratorAdds(t *testing.T) {
	for _, tc := range []struct {
		header, pattern string
		method, body    string
		identify, match bool
	}{
		{"user-agent", "shakedown*", "GET", "", true, true},
		{"user-agent", "curl*", "GET", "", true, false},
		{"shakedown-seq", "*", "GET", "", true, true},
		{"shakedown-seq", "*", "GET", "", false, false},
		{"host", "127.0.0.1:*", "GET", "", true, true},
		{"content-length", "3", "POST", "abc", true, true},
		{"content-length", "*", "GET", "", true, false},
		{"content-length", "0", "POST", "", true, true},
	} {
		s := scenario(1, 100, 100, exponential(time.Millisecond), "random", 20, time.Second)
		s.Client.Identify, s.Client.Timeout = tc.identify, time.Second
		s.Load.Set.Requests = []mix.Request{{Name: "x", Method: tc.method, Path: "/", Body: tc.body, Weight: 1}}
		s.Topology.Listeners[0].Address = "127.0.0.1:0"
		s.Topology.Listeners[0].Rules = route.Table{
			{Headers: []route.Pair{{Name: tc.header, Value: tc.pattern}}, Respond: &route.Respond{Status: 299}},
			{Respond: &route.Respond{Status: 200}},
		}
		statuses := map[int]int{}
		played(t, s, func(m *measure.Sample) { statuses[m.Status]++ })
		if want := map[bool]int{true: 299, false: 200}[tc.match]; len(statuses) != 1 || statuses[want] == 0 {
			t.Errorf("%s: %s with %s and a body of %q, identify %v: statuses %v, want %d only", tc.header, tc.pattern, tc.method, tc.body, tc.identify, statuses, want)
		}
	}
}
