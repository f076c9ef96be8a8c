package attempt

import (
	"testing"
	"time"
)

func TestMetClose(t *testing.T) {
	const ms = time.Millisecond
	for _, tc := range []struct {
		race, sent, closed, connect time.Duration
		want                        bool
	}{
		{0, 100 * ms, 100 * ms, 0, true},
		{0, 100 * ms, 105 * ms, 0, true},
		{0, 100 * ms, 105*ms + 1, 0, false},
		{0, 100 * ms, 150 * ms, 100 * time.Microsecond, false},
		{0, 100 * ms, 150 * ms, 45 * ms, true}, // far away
		{0, 100 * ms, 150*ms + 1, 45 * ms, false},
		{0, 100 * ms, 355 * ms, 3 * time.Second, true}, // its SYN was sent again
		{0, 100 * ms, 355*ms + 1, 3 * time.Second, false},
		{50 * ms, 100 * ms, 150 * ms, 0, true},
		{50 * ms, 100 * ms, 150*ms + 1, 0, false},
	} {
		c := Config{CloseRace: tc.race}
		if got := c.MetClose(tc.sent, tc.closed, tc.connect); got != tc.want {
			t.Errorf("%+v: %v", tc, got)
		}
	}
}
