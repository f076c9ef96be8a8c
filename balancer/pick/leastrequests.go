package pick

import (
	"sync/atomic"
	"time"

	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

var leastRequests = spec.Kind[Builder]{
	Entry: spec.Entry{Name: "least_requests", Doc: "the target with the fewest requests in flight; among equals, in turn"},
	New: func(spec.Values) (Builder, error) {
		return func(draw.Stream) Strategy { return &least{} }, nil
	},
}

// least starts its scan one further each time, so that an idle group is not always served by its first
// target.
type least struct{ next atomic.Uint64 }

func (l *least) Pick(_ time.Duration, r *Request, s *Set) int {
	n := len(s.Members)
	if n == 0 {
		return -1
	}
	start := int((l.next.Add(1) - 1) % uint64(n))
	best, bestLoad := -1, int64(0)
	for k := range n {
		i := (start + k) % n
		m := &s.Members[i]
		if load := m.Load.InFlight.Load(); (best < 0 || load < bestLoad) && !r.tried(m) {
			best, bestLoad = i, load
		}
	}
	return best
}
