package measure

import (
	"math/rand"
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
	several := func(longest time.Duration, list []Stall) []Stall {
		list[0].Longest = longest * ms
		return list
	}
	stalls := func(at ...time.Duration) (out []Stall) {
		for i := 0; i < len(at); i += 4 {
			out = append(out, Stall{From: at[i] * ms, Resumed: at[i+1] * ms, To: at[i+2] * ms, Cause: Paused, Stopped: at[i+3] * ms})
		}
		return out
	}
	for name, tc := range map[string]struct {
		inFlight func(time.Duration) int64
		frozen   [][2]time.Duration
		want     []Stall
	}{
		"calm":                      {calm, nil, nil},
		"late within the tolerance": {calm, [][2]time.Duration{{100 * ms, 103 * ms}}, nil},
		"frozen, nothing behind it": {calm, [][2]time.Duration{{100 * ms, 300 * ms}}, stalls(102, 300, 300, 198)},
		"frozen, a burst behind it": {burst(350 * ms), [][2]time.Duration{{100 * ms, 300 * ms}}, stalls(102, 300, 348, 198)},
		"a burst that never drains": {burst(time.Hour), [][2]time.Duration{{100 * ms, 300 * ms}}, stalls(102, 300, 1090, 198)},
		"frozen again in the burst": {burst(800 * ms), [][2]time.Duration{{100 * ms, 300 * ms}, {400 * ms, 500 * ms}}, several(198, stalls(102, 300, 798, 296))},
		"a hiccup in the burst":     {burst(800 * ms), [][2]time.Duration{{100 * ms, 300 * ms}, {400 * ms, 406 * ms}}, several(198, stalls(102, 300, 798, 202))},
		"frozen twice":              {calm, [][2]time.Duration{{100 * ms, 300 * ms}, {500 * ms, 510 * ms}}, stalls(102, 300, 300, 198, 502, 510, 510, 8)},
		"hardly any time between":   {calm, [][2]time.Duration{{100 * ms, 195 * ms}, {200 * ms, 295 * ms}, {300 * ms, 395 * ms}}, stalls(102, 195, 395, 281)},
		"some time between":         {calm, [][2]time.Duration{{100 * ms, 195 * ms}, {230 * ms, 295 * ms}}, stalls(102, 195, 195, 93, 231, 295, 295, 64)},
		"longer in the burst":       {burst(800 * ms), [][2]time.Duration{{100 * ms, 300 * ms}, {400 * ms, 450 * ms}, {480 * ms, 790 * ms}}, several(308, stalls(102, 300, 798, 198+48+308))},
		"a few more than before":    {func(t time.Duration) int64 { return 5 + int64(t/(300*ms))*6 }, [][2]time.Duration{{100 * ms, 300 * ms}}, stalls(102, 300, 300, 198)},
	} {
		l := NewStallLedger(2*ms, ms)
		heart(l, 2*time.Second, tc.inFlight, tc.frozen...)
		if got := l.Stalls(); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}

// A generator that gets two milliseconds of every hundred never has the time for a beat that is not late, and never
// works off what waits for it. Whatever ends then may have ended long before.
func TestAGeneratorThatNeverCatchesUp(t *testing.T) {
	var starved [][2]time.Duration
	for at := 100 * ms; at < 2*time.Second; at += 100 * ms {
		starved = append(starved, [2]time.Duration{at, at + 100*ms})
	}
	l := NewStallLedger(2*ms, ms)
	heart(l, 2100*ms, func(t time.Duration) int64 { return 5 + int64(t/ms)/2 }, starved...)
	s := &Sample{Due: 150 * ms, Offered: 201 * ms, Sent: 201 * ms, First: 1401 * ms, Done: 1401 * ms}
	if got := s.Done - s.Due - l.Stalled(s); got > 20*ms {
		t.Errorf("of a request that waited in the generator's own queue, %v are the system's: %v", got, l.Stalls())
	}
}

// A stall that the counters tell of in a short look right after it is as long as it was: what follows it in less time than
// it takes to catch up belongs to it.
func TestStallsToldOfInAShortLook(t *testing.T) {
	l := NewStallLedger(2*ms, ms)
	heart(l, 100*ms, func(time.Duration) int64 { return 5 })
	l.Throttle(100*ms, 0)
	l.Beat(196*ms, 5)
	l.Throttle(196*ms, 94*ms)
	l.Throttle(198*ms, 95*ms)
	for at := 198 * ms; at <= 204*ms; at += 2 * ms {
		l.Beat(at, 5)
	}
	l.Beat(298*ms, 5)
	if got := l.Stalls(); len(got) != 1 || got[0].From != 100*ms || got[0].To != 298*ms {
		t.Errorf("%v", got)
	}
}

// Short stops while much is in flight, such as beside a fault that makes answers slow, are one stretch in which bursts drain. What is sent
// together after each of them is what was due in it alone.
func TestShortStopsAreNoLongOne(t *testing.T) {
	var short [][2]time.Duration
	for at := 200 * ms; at < 1400*ms; at += 20 * ms {
		short = append(short, [2]time.Duration{at, at + 7*ms})
	}
	l := NewStallLedger(2*ms, ms)
	heart(l, 1400*ms, func(at time.Duration) int64 { return 5 + 95*int64(min(at/(207*ms), 1)) }, short...)
	got := l.Stalls()
	if len(got) != 1 || got[0].Stopped < 250*ms {
		t.Fatalf("no stretch with many stops: %+v", got)
	}
	if stop := got[0].LongestStop(); stop < 4*ms || stop > 8*ms {
		t.Errorf("of stops of 5 ms each, %v in all, the longest took %v", got[0].Stopped, stop)
	}
}

// Of a control group's throttling a whole look counts, and looks without a pause between them are one stop; what comes later in the same
// burst is another.
func TestThrottlingInLooksInARowIsOneStop(t *testing.T) {
	l := NewStallLedger(2*ms, ms)
	total := time.Duration(0)
	for at := time.Duration(0); at <= 400*ms; at += 2 * ms {
		inFlight := int64(5)
		if at >= 160*ms {
			inFlight = 200
		}
		l.Beat(at, inFlight)
		if at%(20*ms) == 0 {
			if (at > 80*ms && at <= 160*ms) || (at > 200*ms && at <= 220*ms) {
				total += 10 * ms
			}
			l.Throttle(at, total)
		}
	}
	got := l.Stalls()
	if len(got) != 1 || got[0].Stopped != 100*ms || got[0].LongestStop() != 80*ms {
		t.Errorf("%+v", got)
	}
}

// More load than before, beside hiccups, is no burst that never drains: what is still in flight when a burst has had its
// time is what there is without it.
func TestAHigherLoadIsNoBurst(t *testing.T) {
	var hiccups [][2]time.Duration
	for at := 100 * ms; at < 5*time.Second; at += 24 * ms {
		hiccups = append(hiccups, [2]time.Duration{at, at + 6*ms})
	}
	l := NewStallLedger(2*ms, ms)
	heart(l, 5*time.Second, func(at time.Duration) int64 { return 5 + 55*int64(min(at/time.Second, 1)) }, hiccups...)
	if got := l.Between(time.Second, 5*time.Second); got > time.Second {
		t.Errorf("of 4 s in which it was late for 0.67 s it stood still for %v", got)
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
	if got, want := l.Stalls(), []Stall{{From: 80 * ms, Resumed: 100 * ms, To: 100 * ms, Cause: Throttled, Stopped: 20 * ms}}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// A pause that the heart missed and the control group's counters tell of too has stopped the generator once.
func TestStoppedTimeCountsOnce(t *testing.T) {
	for name, tc := range map[string]struct {
		frozen [2]time.Duration
		looks  []time.Duration // at each the group has been throttled
		want   Stall
	}{
		"told after it":             {[2]time.Duration{100 * ms, 300 * ms}, []time.Duration{0, 310 * ms}, Stall{From: 0, Resumed: 310 * ms, To: 310 * ms, Cause: Paused, Stopped: 310 * ms}},
		"told twice":                {[2]time.Duration{100 * ms, 300 * ms}, []time.Duration{90 * ms, 300 * ms, 304 * ms}, Stall{From: 90 * ms, Resumed: 304 * ms, To: 304 * ms, Cause: Paused, Stopped: 214 * ms}},
		"told of again in a moment": {[2]time.Duration{100 * ms, 300 * ms}, []time.Duration{300 * ms, 310 * ms}, Stall{From: 102 * ms, Resumed: 310 * ms, To: 310 * ms, Cause: Paused, Stopped: 208 * ms}},
	} {
		l := NewStallLedger(2*ms, ms)
		heart(l, tc.frozen[0], func(time.Duration) int64 { return 5 })
		looks := tc.looks
		if looks[0] < tc.frozen[0] {
			l.Throttle(looks[0], 0)
			looks = looks[1:]
		}
		l.Beat(tc.frozen[1], 5)
		for i, at := range looks {
			l.Throttle(at, time.Duration(i+1)*ms)
		}
		if got := l.Stalls(); len(got) != 1 || got[0] != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}

// What a sample is delayed by is its lateness, the stalls while the generator had something to do for it, the one
// that may have hidden its answer, and bursts; never more than it took.
func TestStalled(t *testing.T) {
	burst := func(at time.Duration) int64 {
		if at >= 700*ms && at < 720*ms {
			return 100
		}
		return 5
	}
	l := NewStallLedger(2*ms, ms)
	// Stalls from 102 to 300 ms, from 502 to 510 ms, and from 602 to 700 ms with a burst until 718 ms.
	heart(l, time.Second, burst, [2]time.Duration{100 * ms, 300 * ms}, [2]time.Duration{500 * ms, 510 * ms}, [2]time.Duration{600 * ms, 700 * ms})
	for name, tc := range map[string]struct{ due, offered, sent, first, done, want time.Duration }{
		"nothing":                              {0, 0, 0, 50, 50, 0},
		"tolerated":                            {0, 1, 1, 50, 50, 0},
		"late":                                 {0, 10, 10, 50, 50, 10},
		"answered in the stall":                {90, 90, 90, 301, 301, 198},
		"a moment after it":                    {90, 90, 90, 304, 304, 198},
		"well after it":                        {90, 90, 90, 330, 330, 0},
		"offered after it":                     {150, 301, 301, 330, 330, 151},
		"connected in it":                      {90, 90, 301, 330, 330, 198},
		"its body came in it":                  {90, 90, 90, 100, 301, 198},
		"never answered, given up in it":       {90, 90, 90, 0, 300, 198},
		"never sent":                           {90, 90, 0, 0, 320, 198},
		"sent in it, answered in the next":     {250, 301, 301, 510, 510, 59},
		"the burst may have slowed it":         {590, 590, 590, 800, 800, 18},
		"answered in the burst":                {590, 590, 590, 710, 710, 108},
		"cancelled before it was offered":      {150, 500, 0, 0, 400, 250},
		"long, with stalls that hid nothing":   {0, 0, 0, 599, 599, 0},
		"long, answered while the burst lasts": {90, 90, 90, 712, 712, 110},
	} {
		s := &Sample{Due: tc.due * ms, Offered: tc.offered * ms, Sent: tc.sent * ms, First: tc.first * ms, Done: tc.done * ms}
		if got := l.Stalled(s); got != tc.want*ms {
			t.Errorf("%s: %v, want %v", name, got, tc.want*ms)
		}
	}
}

// However many stalls there are: few are kept, in order and apart, times add up, and nothing is counted that would not be
// if all were kept.
func TestStallLedgerIsBoundedAndAdditive(t *testing.T) {
	for _, n := range []int{20, 3 * maxStalls} {
		l, all := NewStallLedger(2*ms, ms), NewStallLedger(2*ms, ms)
		all.most = n + 1
		now := time.Duration(0)
		for i := range n {
			for _, x := range []*StallLedger{l, all} {
				at := now + time.Duration(4+i*i%97)*ms
				x.Beat(at, int64(i%300))
				if i%7 == 0 {
					x.Throttle(at, time.Duration(i)*ms)
				}
				for k := range 30 {
					x.Beat(at+time.Duration(k)*2*ms, int64(i%300/(k+1)))
				}
			}
			now = l.last
		}
		kept, stopped, drained := l.Stalls(), time.Duration(0), time.Duration(0)
		last, longest, longestOfAll := time.Duration(0), time.Duration(0), time.Duration(0)
		for _, s := range kept {
			if s.From < last || s.Length() <= 0 || s.Stopped <= 0 || s.Drained() < 0 || s.Ran < 0 || n == 20 && s.Ran > 0 {
				t.Fatalf("%+v after %v", s, last)
			}
			last = s.To
			stopped, drained = stopped+s.Stopped, drained+s.Drained()
			longest = max(longest, s.LongestStop())
		}
		for _, s := range all.Stalls() {
			longestOfAll = max(longestOfAll, s.Stopped)
			stopped, drained = stopped-s.Stopped, drained-s.To+s.From+s.Stopped
		}
		if longest != longestOfAll {
			t.Errorf("of %d stalls, %d of them kept, the longest is %v, want %v", len(all.stalls), len(kept), longest, longestOfAll)
		}
		if stopped != 0 || drained != 0 {
			t.Errorf("of %d stalls, %d of them kept, it stopped for %v too long, and drained for %v", len(all.stalls), len(kept), stopped, drained)
		}
		gotAll, gotDrained := l.until(now)
		wantAll, wantDrained := all.until(now)
		if len(kept) > maxStalls || (len(kept) < len(all.stalls)) != (n > maxStalls) || gotAll != wantAll || gotDrained != wantDrained || wantDrained == 0 || wantAll > now {
			t.Fatalf("%d stalls, %v in all of %v, bursts of %v of %v", len(kept), gotAll, wantAll, gotDrained, wantDrained)
		}
		for _, s := range kept {
			gotAll, gotDrained := l.until(s.To)
			if wantAll, wantDrained := all.until(s.To); gotAll != wantAll || gotDrained != wantDrained {
				t.Fatalf("until %v: %v in all of %v, bursts of %v of %v", s.To, gotAll, wantAll, gotDrained, wantDrained)
			}
		}
		for i := range 100 {
			a := now * time.Duration(i*37%100) / 100
			b := a + (now-a)*time.Duration(i*61%100)/100
			if l.Between(0, a)+l.Between(a, b) != l.Between(0, b) || l.Between(a, b) > b-a {
				t.Fatalf("%v and %v: %v + %v, %v", a, b, l.Between(0, a), l.Between(a, b), l.Between(0, b))
			}
			sum := time.Duration(0)
			for k := range kept {
				sum += kept[k].Within(a, b)
			}
			if sum != l.Between(a, b) {
				t.Fatalf("%v and %v: the stalls themselves tell of %v, the ledger of %v", a, b, sum, l.Between(a, b))
			}
		}
	}
}

// A generator that now and then is two milliseconds late has stood still for as long as that took, however many times it
// was: in all, in any stretch, and of any request.
func TestManyStallsCountForAsLongAsTheyTook(t *testing.T) {
	const hiccup = 2 * ms
	for _, tc := range []struct {
		name string
		rate func(time.Duration) float64 // of hiccups, a second
		to   time.Duration
	}{
		{"few enough to keep all", func(time.Duration) float64 { return 5 }, time.Minute},
		{"more", func(time.Duration) float64 { return 20 }, 8 * time.Minute},
		{"many", func(time.Duration) float64 { return 100 }, 4 * time.Minute},
		{"in some minutes only", func(at time.Duration) float64 { return 100 * float64(at/time.Minute%2) }, 6 * time.Minute},
	} {
		rnd := rand.New(rand.NewSource(1))
		l := NewStallLedger(2*ms, ms)
		var at []time.Duration // of hiccups
		counted := func(from, to time.Duration) (sum time.Duration) {
			for i := len(at) - 1; i >= 0 && at[i]+hiccup > from; i-- {
				sum += max(min(at[i]+hiccup, to)-max(at[i], from), 0)
			}
			return sum
		}
		kept := 0
		for now := time.Duration(0); now < tc.to; {
			if now += 2 * ms; rnd.Float64() < tc.rate(now)*.002 {
				at = append(at, now)
				now += hiccup
			}
			l.Beat(now, 5)
			if len(l.stalls) < kept { // some have become one
				checkLatest(t, tc.name, l, now, counted)
			}
			kept = len(l.stalls)
		}
		if got, want := l.Between(0, tc.to+time.Second), counted(0, tc.to+time.Second); got != want || want == 0 {
			t.Errorf("%s: it stood still for %v in all, and %v are counted", tc.name, want, got)
		}
		for from := time.Duration(0); from < tc.to; from += time.Minute {
			got, want := l.Between(from, from+time.Minute), counted(from, from+time.Minute)
			if off := (got - want).Abs(); off > want/10+10*hiccup {
				t.Errorf("%s: in the minute from %v on it stood still for %v, and %v are counted", tc.name, from, want, got)
			}
		}
		checkLatest(t, tc.name, l, at[len(at)-1]+hiccup, counted)
	}
}

// checkLatest looks at requests that end now, at the end of a hiccup: the monitor looks at each when it has just ended.
func checkLatest(t *testing.T, name string, l *StallLedger, now time.Duration, counted func(from, to time.Duration) time.Duration) {
	t.Helper()
	for _, length := range []time.Duration{10 * ms, 100 * ms, time.Second, 5 * time.Second} {
		s := &Sample{Due: now - length, Offered: now - length, Sent: now, First: now, Done: now}
		if got, want := l.Stalled(s), counted(s.Due, s.Done); got != want {
			t.Errorf("%s: of a request that took %v and ended at %v it stood still for %v, and %v are counted", name, length, now, want, got)
		}
	}
}
