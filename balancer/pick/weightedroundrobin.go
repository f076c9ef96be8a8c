package pick

import (
	"sync/atomic"
	"time"

	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

var weightedRoundRobin = spec.Kind[Builder]{
	Entry: spec.Entry{Name: "weighted_round_robin", Doc: "in turn, as often as its weight says and evenly spread (smooth weighting)"},
	New: func(spec.Values) (Builder, error) {
		return func(draw.Stream) Strategy { return &smooth{} }, nil
	},
}

// smooth follows the sequence of nginx' smooth weighting: each member gains its weight, the one that has gained
// the most is next and loses the sum. The sequence repeats after the sum of the weights, so that it is written down
// once for a set, and a pick is a step in it.
type smooth struct{ next atomic.Uint64 }

// maxSequence bounds the sequence that is written down; weights that sum to more are scaled, none below 1.
const maxSequence = 1 << 14

// Prepare implements Preparer.
func (*smooth) Prepare(s *Set) any {
	weights, sum := scaledWeights(s, maxSequence)
	sequence, gained := make([]int32, sum), make([]int, len(weights))
	for k := range sequence {
		best := 0
		for i, w := range weights {
			gained[i] += w
			if gained[i] > gained[best] {
				best = i
			}
		}
		gained[best] -= sum
		sequence[k] = int32(best)
	}
	return sequence
}

// scaledWeights are the members' weights without their common divisor, and their sum, which is at most limit
// unless there are more members than that.
func scaledWeights(s *Set, limit int) (weights []int, sum int) {
	divisor := 0
	for i := range s.Members {
		w := s.Members[i].weight()
		weights = append(weights, w)
		sum += w
		for a := divisor; ; { // the greatest common divisor, by Euclid
			if a == 0 {
				divisor = w
				break
			}
			w, a = a, w%a
		}
	}
	scale := func(f func(int) int) {
		sum = 0
		for i, w := range weights {
			weights[i] = max(f(w), 1)
			sum += weights[i]
		}
	}
	if divisor > 1 {
		scale(func(w int) int { return w / divisor })
	}
	if total := sum; total > limit {
		scale(func(w int) int { return w * limit / total })
	}
	return weights, sum
}

func (t *smooth) Pick(_ time.Duration, r *Request, s *Set) int {
	sequence, _ := s.Prepared.([]int32)
	if len(sequence) == 0 {
		return -1
	}
	return s.from(int(sequence[(t.next.Add(1)-1)%uint64(len(sequence))]), r)
}
