package pick

import (
	"time"

	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

var first = spec.Kind[Builder]{
	Entry: spec.Entry{
		Name: "first", Doc: "the first target that is not full, so that the others may be switched off",
		Params: []spec.Param{{Name: "full", Type: spec.Count, Default: "100", Min: 1, Max: 1e6, Doc: "requests in flight from which on a target is full"}},
	},
	New: func(v spec.Values) (Builder, error) {
		return func(draw.Stream) Strategy { return filling(v.Int("full")) }, nil
	},
}

// filling is how many requests fill a target. When all are full, the least loaded one takes more.
type filling int

func (f filling) Pick(_ time.Duration, r *Request, s *Set) int {
	best := -1
	for i := range s.Members {
		m := &s.Members[i]
		switch {
		case r.Left(m):
		case m.Load.InFlight.Load() < int64(f):
			return i
		case best < 0 || m.Load.InFlight.Load() < s.Members[best].Load.InFlight.Load():
			best = i
		}
	}
	return best
}
