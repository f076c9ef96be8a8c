package measure

import (
	"math"
	"math/bits"
	"slices"
	"sort"
	"time"
)

// StallCause is why a generator stood still.
type StallCause string

// The causes.
const (
	Paused    StallCause = "paused"    // it did not run: frozen, or without a processor
	Throttled StallCause = "throttled" // its control group had used up its CPU quota
)

// Stall is a stretch in which the generator stood still, and the time until the burst of requests behind it had
// drained. In a run with very many stalls one may stand for several (StallLedger): From and To are then its bounds, and
// Resumed is of the last one.
type Stall struct {
	From    time.Duration
	Resumed time.Duration // it runs again
	To      time.Duration // the burst has drained; Resumed when there was none
	Cause   StallCause    // of the first one

	// Stopped is how much of the time from From to To it did not run. It is Resumed − From, and more when it stopped
	// again before the burst had drained. Of a control group's throttling the whole time between two looks at its
	// counters counts: where in it that was is not known.
	Stopped time.Duration

	// Ran is how much of the time from From to To does not count, because it ran as usual between the stalls that this
	// one stands for. It is 0 when it stands for itself.
	Ran time.Duration

	// Longest is the longest time of Stopped in which the generator did not run in between, or not for long enough to work off what
	// waited for it; 0 when all of Stopped was such a time.
	Longest time.Duration
}

// LongestStop is the longest time for which the generator stood still at once: what it then sends together is at most what was due in it.
func (s *Stall) LongestStop() time.Duration {
	if s.Longest > 0 {
		return s.Longest
	}
	return s.Stopped
}

// Length is how long the generator stood still, the time in which the burst drained included.
func (s *Stall) Length() time.Duration { return s.To - s.From - s.Ran }

// Drained is how much of its length the burst drained while the generator ran.
func (s *Stall) Drained() time.Duration { return s.Length() - s.Stopped }

// Within is how much of its length lies between two instants. Of one that stands for several it is not known where they
// were: its length counts as spread evenly from From to To.
func (s *Stall) Within(from, to time.Duration) time.Duration {
	return max(s.share(s.Length(), to)-s.share(s.Length(), from), 0)
}

// share is the part of a time that lies before an instant when it is spread evenly from From to To.
func (s *Stall) share(d, before time.Duration) time.Duration {
	before = min(max(before, s.From), s.To)
	if before == s.From {
		return 0
	}
	hi, lo := bits.Mul64(uint64(d), uint64(before-s.From))
	quotient, _ := bits.Div64(hi, lo, uint64(s.To-s.From))
	return time.Duration(quotient)
}

const (
	// drainShare bounds the time that a burst may take to drain, in lengths of the stall before it: what was held
	// back for a time L is worked off within L·ρ/(1−ρ) by a system used to a share ρ, which is 4 L at 80 %.
	drainShare = 4
	// workShare is how much of a stall's length a generator must run before the next one for the two to be told apart: in
	// less it has not worked off what waited for it.
	workShare = 1. / drainShare
	// burstBeats is how many beats after a stall a burst may take to show.
	burstBeats = 3
	// burstDeviations is how many standard deviations more requests in flight than before are a burst. The number of
	// independent requests in flight is Poisson distributed, so that its standard deviation is its root.
	burstDeviations = 3
	// calmBeats is over how many beats before a stall the requests in flight are looked at.
	calmBeats = 50
	// touchBeats is how many beats after a stall an answer may still be stamped that came during it.
	touchBeats = 2
	// maxStalls bounds the stalls that are kept for looking at samples. Beyond it older neighbours become one.
	maxStalls = 4096
	// keptApart is how many of the latest stalls stay as they are: samples are looked at soon after they ended.
	keptApart = maxStalls / 4
)

// StallLedger keeps the stretches in which a generator stood still. It is told of the generator's heartbeat and
// knows of each instant before the last beat how long the generator had stood still until then. Its memory is
// bounded, so that in a run with thousands of stalls an older one stands for several; it still counts for as long as they
// took. It reads no clock.
type StallLedger struct {
	period    time.Duration
	tolerance time.Duration

	last      time.Duration // the last beat
	began     bool
	throttled time.Duration // as last told
	looked    time.Duration // when that was
	counted   bool          // it was told at all

	flight [calmBeats]int64 // requests in flight at the last beats
	beats  int

	stalls []stall
	most   int           // of them are kept
	latest time.Duration // length of what was added last; of the longest that told of the same stall
	ended  time.Duration // until then it is known for how long the generator did not run
	single time.Duration // how much of that it did not run without a pause in which it could work off what waited
	watch  int           // beats for which a burst behind the last stall may still show
	burst  bool          // it drains
	calm   float64       // more requests in flight than that are a burst
	limit  time.Duration // it counts until then at the most
}

// stall is a Stall, and how much time those before it took.
type stall struct {
	Stall
	before, drained time.Duration // in all; of it while bursts drained

	joined bool          // it stands for several
	bursts time.Duration // for how long their bursts drained; only of a joined one
}

// burst is for how long bursts drained, the time included in which the generator stopped again meanwhile.
func (s *stall) burst() time.Duration {
	if s.joined {
		return s.bursts
	}
	return s.To - s.Resumed
}

// burstBefore is how much of that lies before an instant.
func (s *stall) burstBefore(t time.Duration) time.Duration {
	if s.joined {
		return s.share(s.bursts, t)
	}
	return max(min(t, s.To)-s.Resumed, 0)
}

// NewStallLedger returns a ledger for a heart that beats with the given period. A beat that is late by no more than
// the tolerance is none of its business.
func NewStallLedger(period, tolerance time.Duration) *StallLedger {
	return &StallLedger{period: period, tolerance: tolerance, most: maxStalls}
}

// Beat tells that the heart beats now, and how many requests are in flight.
func (l *StallLedger) Beat(now time.Duration, inFlight int64) {
	switch due := l.last + l.period; {
	case l.began && now-due > l.tolerance:
		if l.watch > 0 && due < l.limit && float64(inFlight) > l.calm { // the last stall's burst had no beat in which to show
			l.burst = true
		}
		l.add(due, now, Paused)
	case l.watch > 0:
		l.watchBurst(now, inFlight)
	default:
		l.flight[l.beats%calmBeats] = inFlight
		l.beats++
	}
	l.last, l.began = now, true
}

// watchBurst looks whether the requests that the last stall held back are still in flight.
func (l *StallLedger) watchBurst(now time.Duration, inFlight int64) {
	l.watch--
	above := float64(inFlight) > l.calm
	if l.burst = above && now < l.limit; l.burst {
		l.stalls[len(l.stalls)-1].To = now
		l.watch = burstBeats
	} else if above { // it has had its time to drain: so many are in flight without a stall
		l.beats, l.flight[0] = 1, inFlight
		l.watch = 0
	}
}

// Throttle tells for how long the generator's control group has been throttled in all. Where in the time since
// it was last told that was is not known: all of it counts.
func (l *StallLedger) Throttle(now, total time.Duration) {
	if l.counted && total > l.throttled {
		l.add(l.looked, now, Throttled)
	}
	l.throttled, l.looked, l.counted = total, now, true
}

// add notes that the generator stood still from one instant to another, and waits for a burst behind it.
func (l *StallLedger) add(from, to time.Duration, cause StallCause) {
	limit := to + drainShare*(to-from)
	n, before := len(l.stalls), l.latest
	l.latest = to - from
	stopped := max(to-max(from, l.ended), 0) // what was told twice counts once
	goesOn := from <= l.ended || float64(from-l.ended) < workShare*float64(before)
	l.ended = max(l.ended, to)
	switch {
	case n > 0 && l.stalls[n-1].To >= from: // it goes on, or stands there already
		l.latest = max(l.latest, before)
		last := &l.stalls[n-1]
		begin := min(last.From, max(from, last.From-l.gapBefore(n-1)))
		l.stop(last.From-begin+stopped, goesOn)
		last.From = begin
		last.Resumed = max(last.Resumed, to)
		last.To = max(last.To, last.Resumed)
		l.limit = max(l.limit, limit)
	case l.burst, n > 0 && float64(from-l.stalls[n-1].To) < workShare*float64(before): // the burst of the one before goes on
		l.stalls[n-1].To = to
		l.stop(stopped, goesOn)
		l.limit = max(l.limit, limit)
	default:
		most := int64(0)
		for i := range min(l.beats, calmBeats) {
			most = max(most, l.flight[i])
		}
		l.calm = float64(most) + burstDeviations*math.Sqrt(float64(max(most, 1)))
		l.stalls = append(l.stalls, l.after(Stall{From: from, Resumed: to, To: to, Cause: cause, Stopped: stopped}))
		l.limit, l.single = limit, stopped
	}
	l.watch = burstBeats
	if len(l.stalls) > l.most {
		l.join()
	}
}

// stop adds time in which the generator did not run to the last stall: more of its latest stop, or another one.
func (l *StallLedger) stop(d time.Duration, goesOn bool) {
	last := &l.stalls[len(l.stalls)-1]
	longest := last.LongestStop()
	if !goesOn {
		l.single = 0
	}
	l.single += d
	last.Stopped += d
	if last.Longest = max(longest, l.single); last.Longest == last.Stopped {
		last.Longest = 0
	}
}

// after returns a stall that follows the last one.
func (l *StallLedger) after(s Stall) stall {
	if len(l.stalls) == 0 {
		return stall{Stall: s}
	}
	last := &l.stalls[len(l.stalls)-1]
	return stall{Stall: s, before: last.before + last.Length(), drained: last.drained + last.burst()}
}

// gapBefore is how long the generator ran between a stall and the one before it.
func (l *StallLedger) gapBefore(i int) time.Duration {
	if i == 0 {
		return l.stalls[i].From
	}
	return l.stalls[i].From - l.stalls[i-1].To
}

// join makes fewer stalls of the older ones: of two neighbours one where the least time lies in between, so that it is
// known as well as can be when the generator stood still. It takes away a quarter of them at least.
func (l *StallLedger) join() {
	older := len(l.stalls) - keptApart
	ran := make([]time.Duration, older-1)
	for i := range ran {
		ran[i] = joined(&l.stalls[i], &l.stalls[i+1]).Ran
	}
	slices.Sort(ran)
	most, out := ran[len(ran)/2], l.stalls[:0]
	for i := 0; i < len(l.stalls); i++ {
		s := l.stalls[i]
		if i+1 < older {
			if both := joined(&s, &l.stalls[i+1]); both.Ran <= most {
				s = both
				i++
			}
		}
		out = append(out, s)
	}
	l.stalls = out
}

// joined is a stall that stands for two neighbours. It takes as long as both.
func joined(a, b *stall) stall {
	out := *a
	out.joined, out.bursts = true, a.burst()+b.burst()
	out.Resumed, out.To = b.Resumed, b.To
	out.Stopped += b.Stopped
	out.Longest = max(a.LongestStop(), b.LongestStop())
	out.Ran += b.From - a.To + b.Ran
	return out
}

// Known is up to when the ledger knows whether the generator stood still.
func (l *StallLedger) Known() time.Duration {
	if l.counted {
		return min(l.last, l.looked)
	}
	return l.last
}

// until is for how long before t the generator had stood still, and for how much of that bursts had drained.
func (l *StallLedger) until(t time.Duration) (all, drained time.Duration) {
	i := sort.Search(len(l.stalls), func(i int) bool { return l.stalls[i].From >= t }) - 1
	if i < 0 {
		return 0, 0
	}
	s := &l.stalls[i]
	return s.before + s.Within(s.From, t), s.drained + s.burstBefore(t)
}

// Between is how long the generator stood still from one instant to another, the time in which bursts drained
// included.
func (l *StallLedger) Between(from, to time.Duration) time.Duration {
	a, _ := l.until(from)
	b, _ := l.until(to)
	return max(b-a, 0)
}

// Stalled is how much of a sample's time from due to done the generator itself may have taken; 0 when that is
// tolerated.
//
// It is its lateness; the time it stood still while it had something to do, which is until the request was sent
// and from the first byte of the answer on; and, of the time in which it only waited for that byte, a stall that
// was under way or had just ended when the byte was seen, since it may have come before. A stall that ended well
// before the byte came has delayed nothing by itself, but a burst that drained at that time may have slowed the
// system down.
func (l *StallLedger) Stalled(s *Sample) time.Duration {
	offered := min(max(s.Offered, s.Due), s.Done)
	d := offered - s.Due
	if n := len(l.stalls); n == 0 || l.stalls[n-1].To+touchBeats*l.period < offered { // as nearly always
		if d <= l.tolerance {
			return 0
		}
		return d
	}
	if s.Sent < offered || s.Sent > s.Done { // it was never sent
		d += l.Between(offered, s.Done)
	} else {
		first := s.First
		if first < s.Sent || first > s.Done {
			first = s.Done
		}
		d += l.Between(offered, s.Sent) + l.waiting(s.Sent, first) + l.Between(first, s.Done)
	}
	if d <= l.tolerance {
		return 0
	}
	return d
}

// waiting is how much of the time in which it waited for a byte the generator may have missed that it was there.
func (l *StallLedger) waiting(from, to time.Duration) time.Duration {
	i := sort.Search(len(l.stalls), func(i int) bool { return l.stalls[i].From >= to }) - 1
	if i < 0 || l.stalls[i].To < from {
		return 0
	}
	last := &l.stalls[i]
	if to > last.To+touchBeats*l.period {
		_, a := l.until(from)
		_, b := l.until(to)
		return max(b-a, 0)
	}
	begin := max(from, last.From)
	_, a := l.until(from)
	_, b := l.until(begin)
	return max(b-a, 0) + l.Between(begin, to)
}

// Stalls returns the stretches in order of time.
func (l *StallLedger) Stalls() []Stall {
	out := make([]Stall, len(l.stalls))
	for i := range l.stalls {
		out[i] = l.stalls[i].Stall
	}
	return out
}
