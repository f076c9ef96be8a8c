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
		w.h = -.5
	}
	return w
}

// Walk yields due times in order. It holds O(1) memory.
type Walk struct {
	s      Schedule
	stream draw.Stream
	total  float64
	seq    uint64
	h      float64 // where the last arrival was, in expected arrivals
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
	h := w.step()
	for {
		p, n := w.s.Profile.exactAt(w.part)
		if n > 0 && w.taken < n {
			h = p.hits + float64(w.taken) + .5
			w.taken++
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
	w.h = h
	p := w.s.Profile.parts[w.part]
	seq = w.seq
	w.seq++
	return seq, time.Duration(math.Round((p.start + p.Time(h-p.hits)) * 1e9)), true
}

// Left is how many requests Next has still to return: exactly so many even arrivals and recorded instants, and the expected
// number of Poisson arrivals. It takes as long as the profile has segments.
func (w *Walk) Left() float64 {
	parts, n := w.s.Profile.parts, 0.
	h, taken := w.h, w.taken // h is the last arrival, or where Poisson arrivals begin anew
	for i := w.part; i < len(parts); {
		if p, exact := w.s.Profile.exactAt(i); exact > 0 {
			n += float64(exact - taken)
			h, taken = p.hits+float64(exact), 0
			if w.s.Arrivals != Poisson {
				h -= .5
			}
			i++
			continue
		}
		end := w.total
		for i++; i < len(parts); i++ {
			if _, exact := w.s.Profile.exactAt(i); exact > 0 {
				end = parts[i].hits
				break
			}
		}
		switch left := end - h; {
		case left <= 0:
		case w.s.Arrivals == Poisson:
			n += left
		case i < len(parts): // an arrival at the very edge belongs to the segment before it
			n += math.Floor(left)
		default: // but one at the end is none
			n += math.Ceil(left) - 1
		}
	}
	return n
}

// step is where the arrival after the last one is.
func (w *Walk) step() float64 {
	if w.s.Arrivals == Poisson {
		return w.h + w.stream.Exp(w.seq, 0)
	}
	return w.h + 1
}

// leave is where the first arrival after an exact segment is, which ends at h.
func (w *Walk) leave(h float64) float64 {
	if w.s.Arrivals == Poisson {
		return h + w.stream.Exp(w.seq, 0)
	}
	return h + .5
}
