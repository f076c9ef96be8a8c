package scenarios

import (
	"testing"
	"time"
)

// Where the client's settings say nothing, they follow from the timeout and from constants; both engines play
// closed loops.
func TestClientSettings(t *testing.T) {
	for text, want := range map[string]struct {
		engine          string
		attempt, paused time.Duration
	}{
		"timeout: 2s": {"wire", 100 * time.Millisecond, 100 * time.Millisecond},
		"timeout: 2s, min_attempt: 0s, pause_after_failure: 0s": {"wire", 0, 0},
		"min_attempt: 5s, pause_after_failure: 1s, http2: true": {"vegeta", 5 * time.Second, time.Second},
	} {
		src := Source{Name: "x", Text: []byte("version: 1\ntarget: http://127.0.0.1:1\nclient: {" + text + "}\nload: {phases: [{name: a, users: 3, for: 1s}]}\n")}
		c := decode(t, src).Client
		if c.Engine != want.engine || c.MinAttempt != want.attempt || c.FailPause != want.paused {
			t.Errorf("%s: engine %s, least attempt %v, pause %v", text, c.Engine, c.MinAttempt, c.FailPause)
		}
	}
}
