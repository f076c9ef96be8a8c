package profile

import (
	"errors"

	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

var spike = spec.Kind[Segment]{
	Entry: spec.Entry{
		Name: "spike", Doc: "a base rate with one burst in its middle",
		Params: []spec.Param{
			{Name: "base", Type: spec.Rate, Doc: "the rate before and after", Required: true, Max: maxRate},
			{Name: "peak", Type: spec.Rate, Doc: "the rate of the burst", Required: true, Above: true, Max: maxRate},
			{Name: "width", Type: spec.Duration, Doc: "how long the burst lasts", Required: true, Above: true, Max: 86400},
			length,
		},
	},
	New: func(v spec.Values) (Segment, error) {
		total, width := v.Duration("for").Seconds(), v.Duration("width").Seconds()
		if width >= total {
			return nil, errors.New("the burst is as long as the whole: use a plain rate")
		}
		side := (total - width) / 2
		return chain{New(flat(v.Float("base"), side), Hold{v.Float("peak"), width}, flat(v.Float("base"), side))}, nil
	},
}

// flat is a rate that may be zero.
func flat(perSecond, seconds float64) Segment {
	if perSecond == 0 {
		return Pause{seconds}
	}
	return Hold{perSecond, seconds}
}

// chain makes one segment of a profile.
type chain struct{ *Profile }

func (c chain) Time(h float64) float64 { return c.time(h) }

var pause = spec.Kind[Segment]{
	Entry: spec.Entry{Name: "pause", Doc: "no requests", Params: []spec.Param{length}},
	New: func(v spec.Values) (Segment, error) {
		return Pause{v.Duration("for").Seconds()}, nil
	},
}

// Pause is a stretch without scheduled requests.
type Pause struct{ Seconds float64 }

func (s Pause) Length() float64      { return s.Seconds }
func (s Pause) Rate(float64) float64 { return 0 }
func (s Pause) Hits(float64) float64 { return 0 }
func (s Pause) Time(float64) float64 { return 0 }
