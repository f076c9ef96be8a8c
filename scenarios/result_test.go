package scenarios

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/seed-8025779b/shakedown/reports"
)

// A list of a result is never null, not even when a run sends nothing or hardly anything.
func TestListsOfAResultAreNeverNull(t *testing.T) {
	for name, system := range map[string]string{
		"a run without requests": "load: {phases: [{name: main, rate: pause, for: 10ms}]}",
		"a very short run":       "load: {phases: [{name: main, rate: 1/h, for: 1ms}]}",
	} {
		s := decode(t, Source{Name: "x", Text: []byte("version: 1\ntopology: {groups: {web: {targets: {count: 1}}}}\n" + system + "\n")}).Scenario
		r, err := Play(t.Context(), s, Options{World: "sim"})
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"phases", "windows", "requests", "timeline", "targets", "faults", "scaling", "gates", "events", "reasons", "warnings"} {
			if bytes.Contains(b, []byte(`"`+key+`":null`)) {
				t.Errorf("%s: %s is null", name, key)
			}
		}
	}
}

// A run that is stopped in the instant in which a closed loop would begin has none of its requests.
func TestAStopAsAClosedLoopBegins(t *testing.T) {
	const text = `version: 1
topology: {groups: {web: {targets: {count: 1}, service: {time: 400ms}}}}
client: {timeout: 100ms}
load:
  arrivals: even
  phases: [{name: open, rate: 10/s, for: 2s}, {name: closed, users: 50, for: 2s}]
abort: [{when: error_rate > 50%, over: 2s}]
`
	r, err := Play(t.Context(), decode(t, Source{Name: "x", Text: []byte(text)}).Scenario, Options{World: "sim"})
	if err != nil {
		t.Fatal(err)
	}
	if r.Verdict != reports.Aborted || r.DurationMS != 2000 {
		t.Fatalf("%s after %v ms", r.Verdict, r.DurationMS)
	}
	if r.Totals.Planned != 20 || r.Totals.Cancelled != 1 || r.Rates.Planned != 10 {
		t.Errorf("planned %d, cancelled %d, %v/s planned; want 20, 1 (under way) and 10/s", r.Totals.Planned, r.Totals.Cancelled, r.Rates.Planned)
	}
}
