package profile

import (
	"math"

	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

var ramp = spec.Kind[Segment]{
	Entry: spec.Entry{
		Name: "ramp", Doc: "a straight line from one rate to another, up or down",
		Params: []spec.Param{
			{Name: "from", Type: spec.Rate, Doc: "the rate at its start", Required: true, Max: maxRate},
			{Name: "to", Type: spec.Rate, Doc: "the rate at its end", Required: true, Max: maxRate},
			length,
		},
	},
	New: func(v spec.Values) (Segment, error) {
		s := Ramp{From: v.Float("from"), To: v.Float("to"), Seconds: v.Duration("for").Seconds()}
		if s.From == 0 && s.To == 0 {
			return nil, errNoArrivals
		}
		return s, nil
	},
}

// Ramp is a straight line between two rates; either may be zero.
type Ramp struct{ From, To, Seconds float64 }

func (s Ramp) slope() float64 { return (s.To - s.From) / s.Seconds }

func (s Ramp) Length() float64        { return s.Seconds }
func (s Ramp) Rate(t float64) float64 { return s.From + s.slope()*t }
func (s Ramp) Hits(t float64) float64 { return s.From*t + s.slope()*t*t/2 }

// Time solves from·t + slope·t²/2 = h. The form 2h/(from + √(from² + 2·slope·h)) loses no digits when the
// slope is near zero, unlike the schoolbook root.
func (s Ramp) Time(h float64) float64 {
	disc := s.From*s.From + 2*s.slope()*h
	root := s.From + math.Sqrt(max(disc, 0)) // rounding may push the end of a ramp to zero below it
	if root == 0 {
		return 0
	}
	return min(2*h/root, s.Seconds)
}
