package pick

import (
	"time"

	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

var p2c = spec.Kind[Builder]{
	Entry: spec.Entry{
		Name: "p2c", Doc: "the least loaded of a few drawn at random (power of two choices)",
		Params: []spec.Param{{
			Name: "choices", Type: spec.Count, Default: "2", Min: 1, Max: 16,
			Doc: "how many targets are drawn, with replacement; 1 is plain random",
		}},
	},
	New: func(v spec.Values) (Builder, error) {
		return func(s draw.Stream) Strategy { return &choices{s, v.Int("choices")} }, nil
	},
}

type choices struct {
	stream draw.Stream
	n      int
}

func (c *choices) Pick(_ time.Duration, r *Request, s *Set) int {
	if len(s.Members) == 0 {
		return -1
	}
	best := -1
	for k := range c.n {
		// Each candidate is a draw of its own: attempts are spaced so that they never share one.
		i := s.from(c.stream.Intn(len(s.Members), r.Seq, r.Attempt*c.n+k), r)
		if i < 0 {
			return -1
		}
		if best < 0 || s.Members[i].Load.InFlight.Load() < s.Members[best].Load.InFlight.Load() {
			best = i
		}
	}
	return best
}
