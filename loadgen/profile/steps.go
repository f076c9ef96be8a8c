package profile

import (
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

var steps = spec.Kind[Segment]{
	Entry: spec.Entry{
		Name: "steps", Doc: "equal steps from one rate to another, each held for the same time",
		Params: []spec.Param{
			{Name: "from", Type: spec.Rate, Doc: "the rate of the first step", Required: true, Max: maxRate},
			{Name: "to", Type: spec.Rate, Doc: "the rate of the last step", Required: true, Max: maxRate},
			{Name: "count", Type: spec.Count, Doc: "how many steps", Default: "5", Min: 2, Max: 1000},
			length,
		},
	},
	New: func(v spec.Values) (Segment, error) {
		s := Steps{From: v.Float("from"), To: v.Float("to"), Count: v.Int("count"), Seconds: v.Duration("for").Seconds()}
		if s.From == 0 && s.To == 0 {
			return nil, errNoArrivals
		}
		return s, nil
	},
}

// Steps holds Count rates in turn, evenly spaced from From to To.
type Steps struct {
	From, To float64
	Count    int
	Seconds  float64
}

func (s Steps) each() float64          { return s.Seconds / float64(s.Count) }
func (s Steps) step(i int) float64     { return s.From + (s.To-s.From)*float64(i)/float64(s.Count-1) }
func (s Steps) at(t float64) int       { return min(int(t/s.each()), s.Count-1) }
func (s Steps) Length() float64        { return s.Seconds }
func (s Steps) Rate(t float64) float64 { return s.step(s.at(t)) }

// before is the arrivals of the first i steps: an arithmetic series.
func (s Steps) before(i int) float64 {
	n := float64(i)
	return s.each() * (n*s.From + (s.To-s.From)*n*(n-1)/2/float64(s.Count-1))
}

func (s Steps) Hits(t float64) float64 {
	i := s.at(t)
	return s.before(i) + s.step(i)*(t-float64(i)*s.each())
}

// Time finds the step by bisection over the closed form of the steps before it.
func (s Steps) Time(h float64) float64 {
	low, high := 0, s.Count-1
	for low < high {
		if mid := (low + high + 1) / 2; s.before(mid) < h {
			low = mid
		} else {
			high = mid - 1
		}
	}
	if s.step(low) == 0 {
		return float64(low) * s.each()
	}
	return min(float64(low)*s.each()+(h-s.before(low))/s.step(low), s.Seconds)
}
