package profile

import "github.com/seed-8025779b/shakedown/scenarios/spec"

var hold = spec.Kind[Segment]{
	Entry: spec.Entry{
		Name: "hold", Doc: "one rate throughout", Plain: "rate",
		Params: []spec.Param{
			{Name: "rate", Type: spec.Rate, Doc: "requests a second", Required: true, Above: true, Max: maxRate},
			length,
		},
	},
	New: func(v spec.Values) (Segment, error) {
		return Hold{PerSecond: v.Float("rate"), Seconds: v.Duration("for").Seconds()}, nil
	},
}

// maxRate bounds every rate: a million requests a second is beyond what one generator can offer, and a
// typing error of three digits should be said rather than tried.
const maxRate = 1e6

// Hold is one rate throughout.
type Hold struct{ PerSecond, Seconds float64 }

func (s Hold) Length() float64        { return s.Seconds }
func (s Hold) Rate(float64) float64   { return s.PerSecond }
func (s Hold) Hits(t float64) float64 { return s.PerSecond * t }
func (s Hold) Time(h float64) float64 { return h / s.PerSecond }
