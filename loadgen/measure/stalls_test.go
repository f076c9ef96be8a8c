package measure

import (
	"slices"
	"testing"
	"time"
)

// heart beats every two milliseconds until to, but for the stretches in which it is frozen.
func heart(l *StallLedger, to time.Duration, inFlight func(time.Duration) int64, frozen ...[2]time.Duration) {
	for t := time.Duration(0); t <= to; t += 2 * ms {
		for _, f := range frozen {
			if t > f[0] && t < f[1] {
				t = f[1]
			}
		}
		l.Beat(t, inFlight(t))
	}
}

func TestLedger(t *testing.T) {
	calm := func(time.Duration) int64 { return 5 }
	burst := func(until time.Duration) func(time.Duration) int64 {
		return func(t time.Duration) int64 {
			if t >= 300*ms && t < until {
				return 200
			}
			return 5
		}
	}
	for name, tc := range map[string]struct {
		inFlight func(time.Duration) int64
		frozen   [][2]time.Duration
		want     []Stall
	}{
		"calm":                      {calm, nil, nil},
		"late within the tolerance": {calm, [][2]time.Duration{{100 * ms, 103 * ms}}, nil},
		"frozen, nothing behind it": {calm, [][2]time.Duration{{100 * ms, 300 * ms}}, []Stall{{100 * ms, 304 * ms, Paused}}},
		"frozen, a burst behind it": {burst(350 * ms), [][2]time.Duration{{100 * ms, 300 * ms}}, []Stall{{100 * ms, 350 * ms, Paused}}},
		"a burst that never drains": {burst(time.Hour), [][2]time.Duration{{100 * ms, 300 * ms}}, []Stall{{100 * ms, 1100 * ms, Paused}}},
		"frozen again in the burst": {burst(800 * ms), [][2]time.Duration{{100 * ms, 300 * ms}, {400 * ms, 500 * ms}}, []Stall{{100 * ms, 800 * ms, Paused}}},
		"frozen twice":              {calm, [][2]time.Duration{{100 * ms, 300 * ms}, {500 * ms, 510 * ms}}, []Stall{{100 * ms, 304 * ms, Paused}, {500 * ms, 514 * ms, Paused}}},
	} {
		l := NewStallLedger(2*ms, ms)
		heart(l, 2*time.Second, tc.inFlight, tc.frozen...)
		if got := l.Stalls(); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}

func TestLedgerKnowsOfThrottlingOnceItWasTold(t *testing.T) {
	l := NewStallLedger(2*ms, ms)
	l.Throttle(0, 70*ms) // before the run
	for at := time.Duration(0); at <= 200*ms; at += 2 * ms {
		l.Beat(at, 5)
		if at%(20*ms) == 0 && at > 0 {
			total := 70 * ms
			if at >= 100*ms {
				total += 3 * ms
			}
			l.Throttle(at, total)
		}
		if want := at / (20 * ms) * (20 * ms); l.Known() != want {
			t.Fatalf("known up to %v at %v", l.Known(), at)
		}
	}
	if got, want := l.Stalls(), []Stall{{80 * ms, 104 * ms, Throttled}}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// What a sample is delayed by is its lateness and the stalls after it was offered, never more than it took.
func TestStalled(t *testing.T) {
	l := NewStallLedger(2*ms, ms)
	heart(l, time.Second, func(time.Duration) int64 { return 5 }, [2]time.Duration{100 * ms, 300 * ms}, [2]time.Duration{500 * ms, 510 * ms})
	for _, tc := range []struct{ due, offered, done, want time.Duration }{
		{0, 0, 50 * ms, 0},
		{0, 900 * time.Microsecond, 50 * ms, 0}, // tolerated
		{0, 10 * ms, 50 * ms, 10 * ms},
		{90 * ms, 90 * ms, 320 * ms, 204 * ms},
		{150 * ms, 301 * ms, 320 * ms, 154 * ms},
		{90 * ms, 90 * ms, 600 * ms, 218 * ms},
		{310 * ms, 310 * ms, 400 * ms, 0},
		{150 * ms, 500 * ms, 400 * ms, 250 * ms}, // offered after it had ended: a request that was cancelled
	} {
		if got := l.Stalled(tc.due, tc.offered, tc.done); got != tc.want {
			t.Errorf("due %v, offered %v, done %v: %v, want %v", tc.due, tc.offered, tc.done, got, tc.want)
		}
	}
}

// However many stalls there are: few are kept, in order and apart, and times add up.
func TestStallLedgerIsBoundedAndAdditive(t *testing.T) {
	for _, n := range []int{20, 2 * maxStalls} {
		l := NewStallLedger(2*ms, ms)
		now := time.Duration(0)
		for i := range n {
			now += time.Duration(4+i*i%97) * ms
			l.Beat(now, 0)
			if i%7 == 0 {
				l.Throttle(now, time.Duration(i)*ms)
			}
			for range 4 {
				now += 2 * ms
				l.Beat(now, 0)
			}
		}
		last, sum := time.Duration(0), time.Duration(0)
		for _, s := range l.Stalls() {
			if s.From < last || s.To <= s.From {
				t.Fatalf("%+v after %v", s, last)
			}
			last = s.To
			sum += s.To - s.From
		}
		if len(l.Stalls()) > maxStalls || l.Between(0, now) != sum || sum > now {
			t.Fatalf("%d stalls, %v in all, their sum %v of %v", len(l.Stalls()), l.Between(0, now), sum, now)
		}
		for i := range 100 {
			a := now * time.Duration(i*37%100) / 100
			b := a + (now-a)*time.Duration(i*61%100)/100
			if l.Between(0, a)+l.Between(a, b) != l.Between(0, b) || l.Between(a, b) > b-a {
				t.Fatalf("%v and %v: %v + %v, %v", a, b, l.Between(0, a), l.Between(a, b), l.Between(0, b))
			}
		}
	}
}
