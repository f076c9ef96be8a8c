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
	return &Walk{s: s, total: s.Profile.Total(), stream: s.Seed.Stream("arrivals")}
}

// Walk yields due times in order. It holds O(1) memory.
type Walk struct {
	s      Schedule
	stream draw.Stream
	total  float64
	seq    uint64
	sum    float64 // of unit exponentials, for Poisson arrivals
	part   int
}

// Next returns the next request's sequence number, from 0 on, and when it is due since the start of the
// profile; ok is false after the last one.
//
// The k-th even arrival (from 1) is where Hits = k − ½; the k-th Poisson arrival is where Hits equals the
// sum of k unit exponentials (time change of a unit Poisson process by the cumulative rate).
func (w *Walk) Next() (seq uint64, due time.Duration, ok bool) {
	var h float64
	if w.s.Arrivals == Poisson {
		w.sum += w.stream.Exp(w.seq, 0)
		h = w.sum
	} else {
		h = float64(w.seq) + .5
	}
	if h >= w.total {
		return 0, 0, false
	}
	var t float64
	t, w.part = w.s.Profile.time(h, w.part)
	seq = w.seq
	w.seq++
	return seq, time.Duration(math.Round(t * 1e9)), true
}
