package scenarios

import (
	"bytes"
	"encoding/json"
	"testing"
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
