package pick

import (
	"time"

	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// choicesParams are the parameters of strategies that compare a few drawn targets.
func choicesParams() []spec.Param {
	return []spec.Param{
		{Name: "choices", Type: spec.Count, Default: "2", Min: 1, Max: 16, Doc: "how many targets are drawn; 1 is plain random"},
		{Name: "replacement", Type: spec.Bool, Default: "true", Doc: "a target may be drawn twice; without, the worst one is never chosen"},
	}
}

var p2c = spec.Kind[Builder]{
	Entry: spec.Entry{Name: "p2c", Doc: "the least loaded of a few drawn at random (power of two choices)", Params: choicesParams()},
	New: func(v spec.Values) (Builder, error) {
		return func(s draw.Stream) Strategy {
			return &choices{s, v.Int("choices"), v.Bool("replacement"), func(_ time.Duration, a, b *Member) bool { return lighter(a, b) }}
		}, nil
	},
}

// choices draws a few members and takes the best.
type choices struct {
	stream      draw.Stream
	n           int
	replacement bool
	better      func(now time.Duration, a, b *Member) bool
}

func (c *choices) Pick(now time.Duration, r *Request, s *Set) int {
	if len(s.Members) == 0 {
		return -1
	}
	best := -1
	var drawn [16]int
	for k := range c.n {
		taken := drawn[:k]
		if c.replacement {
			taken = nil
		}
		// Each candidate is a draw of its own: attempts are spaced so that they never share one.
		i := s.drawn(c.stream.Float(r.Seq, r.Attempt*c.n+k), r, taken)
		if i < 0 {
			return best
		}
		drawn[k] = i
		if best < 0 || c.better(now, &s.Members[i], &s.Members[best]) {
			best = i
		}
	}
	return best
}
