package pick

import (
	"time"

	"github.com/seed-8025779b/shakedown/scenarios/draw"
)

// SlowStart lets a target that has just come into service have a share that grows linearly to its full one, with
// any strategy: a pick of such a target is kept as often as it has grown, by a draw, and made again without it
// otherwise. With draws and hashes it has that part of its share; in a strategy that takes turns, what a target of that
// weight has.
type SlowStart struct {
	Strategy
	Over   time.Duration
	Stream draw.Stream
}

// leastShare is what a target has at once: one that got nothing would never warm up.
const leastShare = .05

// Pick implements Strategy.
func (s SlowStart) Pick(now time.Duration, r *Request, set *Set) int {
	i := s.Strategy.Pick(now, r, set)
	if i < 0 || !set.Members[i].Warming {
		return i
	}
	m := &set.Members[i]
	grown := float64(now-m.Since) / float64(s.Over)
	if grown >= 1 || s.Stream.Float(r.Seq, r.Attempt) < max(grown, leastShare) {
		return i
	}
	r.avoid = m.ID
	j := s.Strategy.Pick(now, r, set)
	r.avoid = ""
	if j < 0 { // there is no other
		return i
	}
	return j
}
