package profile

import (
	"fmt"
	"math"

	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

var sine = spec.Kind[Segment]{
	Entry: spec.Entry{
		Name: "sine", Doc: "a wave around a mean; it may touch zero",
		Params: []spec.Param{
			{Name: "mean", Type: spec.Rate, Doc: "the rate it swings around", Required: true, Above: true, Max: maxRate},
			{Name: "amplitude", Type: spec.Rate, Doc: "how far it swings; not more than the mean", Required: true, Max: maxRate},
			{Name: "period", Type: spec.Duration, Doc: "of one wave, which begins at the mean and rises", Required: true, Above: true, Max: 7 * 86400},
			length,
		},
	},
	New: func(v spec.Values) (Segment, error) {
		s := Sine{Mean: v.Float("mean"), Amplitude: v.Float("amplitude"), Period: v.Duration("period").Seconds(), Seconds: v.Duration("for").Seconds()}
		if s.Amplitude > s.Mean {
			return nil, fmt.Errorf("amplitude %g/s is more than the mean %g/s: a rate can't be negative", s.Amplitude, s.Mean)
		}
		return s, nil
	},
}

// Sine is Mean + Amplitude·sin(2πt/Period).
type Sine struct{ Mean, Amplitude, Period, Seconds float64 }

func (s Sine) omega() float64         { return 2 * math.Pi / s.Period }
func (s Sine) Length() float64        { return s.Seconds }
func (s Sine) Rate(t float64) float64 { return s.Mean + s.Amplitude*math.Sin(s.omega()*t) }

// Hits is the integral: Mean·t + Amplitude/ω·(1 − cos ωt).
func (s Sine) Hits(t float64) float64 {
	return s.Mean*t + s.Amplitude/s.omega()*(1-math.Cos(s.omega()*t))
}

// Time inverts Hits. The equation, Kepler's, has no closed form; the root lies within 2·Amplitude/(ω·Mean) of
// h/Mean, and Newton's steps, kept inside a shrinking bracket, find it to the last digits in a few rounds even
// where the rate touches zero.
func (s Sine) Time(h float64) float64 {
	low := max(0, (h-2*s.Amplitude/s.omega())/s.Mean)
	high := min(s.Seconds, h/s.Mean)
	t := (low + high) / 2
	for range 60 {
		d := s.Hits(t) - h
		if d > 0 {
			high = t
		} else {
			low = t
		}
		next := t - d/s.Rate(t)
		if !(next > low && next < high) { // outside, or not a number
			next = (low + high) / 2
		}
		if math.Abs(next-t) <= 1e-12*(1+t) {
			return next
		}
		t = next
	}
	return t
}
