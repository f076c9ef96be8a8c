// Package profile says how the rate of a load runs over time, and from it when each request is due.
//
// A Profile is a sequence of segments; each segment knows its expected arrivals in closed form and how to
// invert them, so that the k-th due time costs O(1) memory however long the run is. A Schedule walks a
// profile with even or Poisson arrivals.
//
// Times are seconds since the profile began, rates are arrivals a second. Nothing here waits or reads a
// clock.
package profile

import (
	"errors"

	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// Segment is a stretch of load.
type Segment interface {
	Length() float64        // in seconds, positive
	Rate(t float64) float64 // arrivals a second at t in [0, Length]
	Hits(t float64) float64 // expected arrivals in [0, t], monotone, t in [0, Length]
	Time(h float64) float64 // the inverse of Hits: the least t with Hits(t) = h
}

// Kinds is the table of rate shapes. Each takes `for`, the segment's length, besides its own parameters.
func Kinds() spec.Kinds[Segment] {
	return spec.Kinds[Segment]{hold, ramp, steps, sine, spike, pause, replay}
}

// exact is a segment whose arrivals are given one by one: Poisson arrivals or even ones, they stay what they
// are. The k-th is where its Hits is k − ½.
type exact interface{ Exact() int }

// length is the parameter that every rate shape has; the file writes it beside the rate, as the phase's `for`.
var length = spec.Param{Name: "for", Type: spec.Duration, Doc: "how long it lasts", Required: true, Above: true}

// Profile is a sequence of segments. The zero Profile is empty.
type Profile struct {
	parts []part
}

type part struct {
	Segment
	start, hits float64 // before this segment
}

// New joins segments end to end.
func New(segments ...Segment) *Profile {
	p := &Profile{}
	for _, s := range segments {
		p.parts = append(p.parts, part{s, p.Length(), p.Total()})
	}
	return p
}

// Length is the profile's length in seconds.
func (p *Profile) Length() float64 {
	if len(p.parts) == 0 {
		return 0
	}
	last := p.parts[len(p.parts)-1]
	return last.start + last.Length()
}

// Total is the expected number of arrivals of the whole profile.
func (p *Profile) Total() float64 {
	if len(p.parts) == 0 {
		return 0
	}
	last := p.parts[len(p.parts)-1]
	return last.hits + last.Hits(last.Length())
}

// Hits is the expected number of arrivals in [0, t].
func (p *Profile) Hits(t float64) float64 {
	for i := len(p.parts) - 1; i >= 0; i-- {
		if s := p.parts[i]; t >= s.start {
			return s.hits + s.Hits(min(t-s.start, s.Length()))
		}
	}
	return 0
}

// Rate is the arrivals a second at t; zero outside the profile.
func (p *Profile) Rate(t float64) float64 {
	for i := len(p.parts) - 1; i >= 0; i-- {
		if s := p.parts[i]; t >= s.start && t <= s.start+s.Length() {
			return s.Rate(t - s.start)
		}
	}
	return 0
}

// next returns the segment that the arrival at h belongs to, from segment i on, but none beyond an exact one:
// that has arrivals of its own. Arrivals come in order, so a walk over the whole profile visits each once.
func (p *Profile) next(i int, h float64) int {
	for i+1 < len(p.parts) && p.parts[i+1].hits < h {
		i++
		if _, n := p.exactAt(i); n > 0 {
			return i
		}
	}
	return i
}

// time inverts Hits.
func (p *Profile) time(h float64) float64 {
	i := 0
	for i+1 < len(p.parts) && p.parts[i+1].hits < h {
		i++
	}
	return p.parts[i].start + p.parts[i].Time(h-p.parts[i].hits)
}

// exactAt returns the i-th segment, and how many arrivals it gives one by one; 0 for one that does not.
func (p *Profile) exactAt(i int) (part, int) {
	if i >= len(p.parts) {
		return part{}, 0
	}
	if x, ok := p.parts[i].Segment.(exact); ok {
		return p.parts[i], x.Exact()
	}
	return p.parts[i], 0
}

var errNoArrivals = errors.New("it never asks for a request: its rate is zero throughout")
