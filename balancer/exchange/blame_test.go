package exchange

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/http1"
)

// Who is to blame for an exchange that takes more than its ten seconds: the target that had most of them, and kept the balancer waiting
// for longer than the client did.
func TestWhoseTimeItWas(t *testing.T) {
	const s = time.Second
	type part struct {
		who string // queue, attempt, target or client; attempt takes no time
		d   time.Duration
	}
	for _, tc := range []struct {
		name  string
		parts []part
		want  Ending
	}{
		{"one target", []part{{"attempt", 0}, {"target", 10 * s}}, OverTime},
		{"a slow client, and then the target", []part{{"attempt", 0}, {"client", 3 * s}, {"target", 7 * s}}, OverTime},
		{"the client's body", []part{{"attempt", 0}, {"client", 6 * s}, {"target", 4 * s}}, ClientOverTime},
		{"a body that is kept", []part{{"client", 6 * s}, {"attempt", 0}, {"target", 4 * s}}, ClientOverTime},
		{"the queue", []part{{"queue", 6 * s}, {"attempt", 0}, {"target", 4 * s}}, OtherOverTime},
		{"the queue, not for long", []part{{"queue", 3 * s}, {"attempt", 0}, {"target", 7 * s}}, OverTime},
		{"another target", []part{{"attempt", 0}, {"target", 6 * s}, {"attempt", 0}, {"target", 4 * s}}, OtherOverTime},
		{"another target, and this client", []part{{"attempt", 0}, {"target", 3 * s}, {"attempt", 0}, {"client", 4 * s}, {"target", 3 * s}}, OtherOverTime},
		{"another target, not for long", []part{{"attempt", 0}, {"target", 2 * s}, {"attempt", 0}, {"target", 8 * s}}, OverTime},
	} {
		var now time.Duration
		var e, before Event
		x := Exchange{timeouts: Timeouts{Exchange: 10 * s}}
		for _, p := range tc.parts {
			now += p.d
			switch p.who {
			case "attempt":
				x.began, x.asked, before = now, now, e
			case "target":
				e.Waits.Target += p.d
			case "client":
				e.Waits.Client += p.d
			}
		}
		e.Ending, e.Here = OverTime, Waits{e.Waits.Target - before.Waits.Target, e.Waits.Client - before.Waits.Client}
		if got := x.endingOf(now, &e); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

// What a client can cause is not told of a target.
func TestWhatAClientCanCause(t *testing.T) {
	for _, tc := range []struct {
		name string
		e    Event
		want Ending
	}{
		{"a large head", Event{Ending: TooLarge}, TooLarge},
		{"a large head for a large request", Event{Ending: TooLarge, Said: http1.MaxLine / echoShare}, Echoed},
		{"no answer", Event{Ending: Silent}, Silent},
		{"no answer to a request that was not taken", Event{Ending: Silent, Unsent: true}, Stalled},
		{"broken off", Event{Ending: BrokenOff, Patience: tryingTime - 1}, BrokenOff},
		{"broken off after the client was waited for", Event{Ending: BrokenOff, Patience: tryingTime}, GaveUp},
		{"a stream that ended with its connection, after the client was waited for", Event{Ending: BrokenAlready, Patience: tryingTime}, GaveUp},
		{"over time while the client waits to be told to go on", Event{Ending: OverTime, Expecting: true, Waits: Waits{Client: 9}, Here: Waits{Client: 9}}, OverTime},
	} {
		x := Exchange{timeouts: Timeouts{Exchange: 10}}
		if got := x.endingOf(10, &tc.e); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

// The end of a connection that exchanges share counts once, for the first that blames the target.
func TestEndsCountOnce(t *testing.T) {
	var x Exchange
	var shared atomic.Bool
	patient := Event{Ending: BrokenOff, Patience: tryingTime, Shared: &shared}
	plain := Event{Ending: BrokenOff, Shared: &shared}
	for i, tc := range []struct {
		e    *Event
		want Ending
	}{{&patient, GaveUp}, {&plain, BrokenOff}, {&plain, BrokenAlready}, {&patient, GaveUp}} {
		if got := x.endingOf(0, tc.e); got != tc.want {
			t.Errorf("exchange %d: %s, want %s", i, got, tc.want)
		}
	}
}
