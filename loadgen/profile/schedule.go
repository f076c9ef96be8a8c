package profile

import (
	"math"
	"time"

	"github.com/seed-8025779b/shakedown/scenarios/draw"
)

// Arrivals is how requests are spread over a profile.
type Arrivals string

// Even arrivals keep equal expected distances; Poisson arrivals are those of independent users.
const (
	Even    Arrivals = "even"
	Poisson Arrivals = "poisson"
)

// Schedule says when each request is due. It is a value: walking it twice gives the same instants to
// the nanosecond.
type Schedule struct {
	Profile  *Profile
	Arrivals Arrivals
	Seed     draw.Seed
	Closed   []Closed // stretches of closed-loop load, during which the profile pauses
}

// Walk starts at the first request.
func (s Schedule) Walk() *Walk {
	w := &Walk{s: s, total: s.Profile.Total(), stream: s.Seed.Stream("arrivals")}
	if s.Arrivals != Poisson {
		w.h = .5
	}
	return w
}

// Walk yields due times in order. It holds O(1) memory.
type Walk struct {
	s      Schedule
	stream draw.Stream
	total  float64
	seq    uint64
	h      float64 // in expected arrivals: where the last Poisson arrival was, or the first even one since the start or an exact segment
	n      float64 // even arrivals from there on so far
	part   int
	taken  int // arrivals of an exact segment so far
}

// Next returns the next request's sequence number, from 0 on, and when it is due since the start of the
// profile; ok is false after the last one.
//
// The k-th even arrival (from 1) is where Hits = k − ½; the k-th Poisson arrival is where Hits equals the
// sum of k unit exponentials (time change of a unit Poisson process by the cumulative rate). Before an exact
// segment an even schedule's count begins anew, and a Poisson one has no memory to lose.
func (w *Walk) Next() (seq uint64, due time.Duration, ok bool) {
	h, given := w.step(), false
	for {
		p, n := w.s.Profile.exactAt(w.part)
		if n > 0 && w.taken < n {
			h = p.hits + float64(w.taken) + .5
			w.taken++
			given = true
			break
		}
		if n > 0 { // the last of them is behind us
			h = w.leave(p.hits + float64(n))
			w.part, w.taken = w.part+1, 0
			continue
		}
		if next := w.s.Profile.next(w.part, h); next == w.part {
			break
		} else {
			w.part = next
		}
	}
	if h >= w.total || w.part >= len(w.s.Profile.parts) {
		return 0, 0, false
	}
	switch {
	case w.s.Arrivals == Poisson:
		w.h = h
	case !given:
		w.n++
	}
	p := w.s.Profile.parts[w.part]
	seq = w.seq
	w.seq++
	return seq, time.Duration(math.Round((p.start + p.Time(h-p.hits)) * 1e9)), true
}

// Left is how many requests Next has still to return: exactly so many even arrivals and recorded instants, and the expected
// number of Poisson arrivals. It takes as long as the profile has segments.
func (w *Walk) Left() (left float64) {
	parts, ahead := w.s.Profile.parts, *w
	for i := w.part; i < len(parts); {
		if p, n := w.s.Profile.exactAt(i); n > 0 {
			left += float64(n - ahead.taken)
			ahead.h, ahead.n, ahead.taken = p.hits+float64(n), 0, 0
			if w.s.Arrivals != Poisson {
				ahead.h += .5
			}
			i++
			continue
		}
		for i++; i < len(parts); i++ {
			if _, n := w.s.Profile.exactAt(i); n > 0 {
				break
			}
		}
		switch {
		case i == len(parts):
			left += ahead.until(w.total, false)
		default: // an arrival at the very edge belongs to the segment before it
			left += ahead.until(parts[i].hits, true)
		}
	}
	return left
}

// until is how many arrivals there are, or are to be expected, until Hits = end, without recorded instants. An even one at the end
// itself counts when the end is inclusive.
func (w *Walk) until(end float64, inclusive bool) float64 {
	if w.s.Arrivals == Poisson {
		return max(end-w.h, 0)
	}
	n := max(math.Floor(end-w.h)-1, w.n) // rounding moves it by less than one
	for w.h+n < end || (inclusive && w.h+n == end) {
		n++
	}
	return n - w.n
}

// step is where the arrival after the last one is.
func (w *Walk) step() float64 {
	if w.s.Arrivals == Poisson {
		return w.h + w.stream.Exp(w.seq, 0)
	}
	return w.h + w.n
}

// leave is where the first arrival after an exact segment is, which ends at h.
func (w *Walk) leave(h float64) float64 {
	if w.s.Arrivals == Poisson {
		return h + w.stream.Exp(w.seq, 0)
	}
	w.h, w.n = h+.5, 0
	return w.h
}
