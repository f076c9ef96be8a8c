package measure

import (
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

// Stall is a stretch in which the generator stood still, and the time until the burst of requests behind it
// had drained.
type Stall struct {
	From, To time.Duration
	Cause    StallCause
}

const (
	// drainShare bounds the time that a burst may take to drain, in lengths of the stall before it: what was held
	// back for a time L is worked off within L·ρ/(1−ρ) by a system used to a share ρ, which is 4 L at 80 %.
	drainShare = 4
	// leastDrain is how many beats the time after a stall lasts at least: until then the requests that it held
	// back have not even been offered.
	leastDrain = 2
	// calmBeats is over how many beats before a stall the requests in flight are looked at: the burst has drained
	// when there are no more of them than at the most in that time.
	calmBeats = 50
	// maxStalls bounds the stalls that are kept for looking at samples. Beyond it the two closest ones become one.
	maxStalls = 4096
)

// StallLedger keeps the stretches in which a generator stood still. It is told of the generator's heartbeat and
// knows of each instant before the last beat how long the generator had stood still until then. Its memory is
// bounded; it reads no clock.
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
	open   bool          // the last stall goes on: its burst has not drained
	least  time.Duration // it lasts until then,
	limit  time.Duration // and until then at the most,
	calm   int64         // ending when no more requests are in flight than that
}

// stall is a Stall and how long all those before it lasted.
type stall struct {
	Stall
	before time.Duration
}

// NewStallLedger returns a ledger for a heart that beats with the given period. A beat that is late by no more than
// the tolerance is none of its business.
func NewStallLedger(period, tolerance time.Duration) *StallLedger {
	return &StallLedger{period: period, tolerance: tolerance}
}

// Beat tells that the heart beats now, and how many requests are in flight.
func (l *StallLedger) Beat(now time.Duration, inFlight int64) {
	if l.began && now-l.last > l.period+l.tolerance {
		l.add(l.last, now, Paused)
	}
	if l.open {
		last := &l.stalls[len(l.stalls)-1]
		last.To = min(now, max(l.limit, l.least))
		l.open = now < l.least || (inFlight > l.calm && now < l.limit)
	}
	if !l.open {
		l.flight[l.beats%calmBeats] = inFlight
		l.beats++
	}
	l.last, l.began = now, true
}

// Throttle tells for how long the generator's control group has been throttled in all. Where in the time since
// it was last told that was is not known: all of it counts.
func (l *StallLedger) Throttle(now, total time.Duration) {
	if l.counted && total > l.throttled {
		l.add(l.looked, now, Throttled)
	}
	l.throttled, l.looked, l.counted = total, now, true
}

// add notes that the generator stood still from one instant to another, and waits for its burst to drain.
func (l *StallLedger) add(from, to time.Duration, cause StallCause) {
	limit := to + drainShare*(to-from)
	n := len(l.stalls)
	if n > 0 && l.stalls[n-1].To >= from { // it goes on, or stands there already
		last := &l.stalls[n-1]
		from = max(from, last.From-l.gapBefore(n-1))
		last.From, last.To = min(last.From, from), max(last.To, to)
		l.limit = max(l.limit, limit)
	} else {
		l.calm = 0
		for i := range min(l.beats, calmBeats) {
			l.calm = max(l.calm, l.flight[i])
		}
		l.stalls = append(l.stalls, stall{Stall{from, to, cause}, l.total()})
		l.limit = limit
	}
	l.open, l.least = true, to+leastDrain*l.period
	if len(l.stalls) > maxStalls {
		l.join()
	}
}

// gapBefore is how long the generator ran between a stall and the one before it.
func (l *StallLedger) gapBefore(i int) time.Duration {
	if i == 0 {
		return l.stalls[i].From
	}
	return l.stalls[i].From - l.stalls[i-1].To
}

// join makes one of the two stalls that are closest to each other.
func (l *StallLedger) join() {
	best := 1
	for i := 1; i+1 < len(l.stalls); i++ {
		if l.gapBefore(i) < l.gapBefore(best) {
			best = i
		}
	}
	l.stalls[best-1].To = l.stalls[best].To
	l.stalls = append(l.stalls[:best], l.stalls[best+1:]...)
	for i := best; i < len(l.stalls); i++ {
		l.stalls[i].before = l.stalls[i-1].before + l.stalls[i-1].To - l.stalls[i-1].From
	}
}

func (l *StallLedger) total() time.Duration {
	if len(l.stalls) == 0 {
		return 0
	}
	last := &l.stalls[len(l.stalls)-1]
	return last.before + last.To - last.From
}

// Known is up to when the ledger knows whether the generator stood still.
func (l *StallLedger) Known() time.Duration {
	if l.counted {
		return min(l.last, l.looked)
	}
	return l.last
}

// until is how long the generator had stood still before t.
func (l *StallLedger) until(t time.Duration) time.Duration {
	i := sort.Search(len(l.stalls), func(i int) bool { return l.stalls[i].From >= t }) - 1
	if i < 0 {
		return 0
	}
	s := &l.stalls[i]
	return s.before + min(t, s.To) - s.From
}

// Between is how long the generator stood still from one instant to another.
func (l *StallLedger) Between(from, to time.Duration) time.Duration {
	return max(l.until(to)-l.until(from), 0)
}

// Stalled is how much of the time from due to done the generator itself delayed a request that it offered at
// offered: its lateness, and the time it stood still afterwards. 0 when that is tolerated.
func (l *StallLedger) Stalled(due, offered, done time.Duration) time.Duration {
	offered = min(max(offered, due), done)
	d := offered - due + l.Between(offered, done)
	if d <= l.tolerance {
		return 0
	}
	return d
}

// Stalls returns the stretches in order of time.
func (l *StallLedger) Stalls() []Stall {
	out := make([]Stall, len(l.stalls))
	for i := range l.stalls {
		out[i] = l.stalls[i].Stall
	}
	return out
}
