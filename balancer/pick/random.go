package pick

import (
	"sort"
	"time"

	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

var random = spec.Kind[Builder]{
	Entry: spec.Entry{Name: "random", Doc: "any target, each as likely as the others"},
	New: func(spec.Values) (Builder, error) {
		return func(s draw.Stream) Strategy { return uniform{s} }, nil
	},
}

type uniform struct{ stream draw.Stream }

func (u uniform) Pick(_ time.Duration, r *Request, s *Set) int {
	if len(s.Members) == 0 {
		return -1
	}
	return s.drawn(u.stream.Float(r.Seq, r.Attempt), r, nil)
}

var weightedRandom = spec.Kind[Builder]{
	Entry: spec.Entry{Name: "weighted_random", Doc: "any target, as likely as its weight says"},
	New: func(spec.Values) (Builder, error) {
		return func(s draw.Stream) Strategy { return weighted{s} }, nil
	},
}

type weighted struct{ stream draw.Stream }

// Prepare implements Preparer: the cumulative weights.
func (weighted) Prepare(s *Set) any {
	upTo, sum := make([]int, len(s.Members)), 0
	for i := range s.Members {
		sum += s.Members[i].weight()
		upTo[i] = sum
	}
	return upTo
}

func (w weighted) Pick(_ time.Duration, r *Request, s *Set) int {
	upTo, _ := s.Prepared.([]int)
	if len(upTo) == 0 {
		return -1
	}
	u := w.stream.Float(r.Seq, r.Attempt)
	if r.all() {
		x := int(u * float64(upTo[len(upTo)-1]))
		return min(sort.SearchInts(upTo, x+1), len(upTo)-1)
	}
	left := 0
	for i := range s.Members {
		if m := &s.Members[i]; !r.Left(m) {
			left += m.weight()
		}
	}
	x := int(u * float64(left))
	for i := range s.Members {
		if m := &s.Members[i]; !r.Left(m) {
			if x < m.weight() {
				return i
			}
			x -= m.weight()
		}
	}
	return -1
}
