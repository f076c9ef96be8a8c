package pick

import (
	"sync/atomic"
	"time"

	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

var roundRobin = spec.Kind[Builder]{
	Entry: spec.Entry{Name: "round_robin", Doc: "each target in turn"},
	New: func(spec.Values) (Builder, error) {
		return func(draw.Stream) Strategy { return &turns{} }, nil
	},
}

type turns struct{ next atomic.Uint64 }

func (t *turns) Pick(_ time.Duration, r *Request, s *Set) int {
	if len(s.Members) == 0 {
		return -1
	}
	return s.from(int((t.next.Add(1)-1)%uint64(len(s.Members))), r)
}
