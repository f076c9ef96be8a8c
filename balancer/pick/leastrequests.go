package pick

import (
	"sync/atomic"
	"time"

	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

var leastRequests = spec.Kind[Builder]{
	Entry: spec.Entry{Name: "least_requests", Doc: "the target with the fewest requests in flight for its weight; among equals, in turn"},
	New: func(spec.Values) (Builder, error) {
		return func(draw.Stream) Strategy { return &least{lighter: lighter} }, nil
	},
}

// least takes the member with the least to do. It starts its scan one further each time, so that an idle group is
// not always served by its first target.
type least struct {
	next    atomic.Uint64
	lighter func(a, b *Member) bool
}

func (l *least) Pick(_ time.Duration, r *Request, s *Set) int {
	n := len(s.Members)
	if n == 0 {
		return -1
	}
	start := int((l.next.Add(1) - 1) % uint64(n))
	best := -1
	for k := range n {
		i := start + k
		if i >= n {
			i -= n
		}
		if m := &s.Members[i]; (best < 0 || l.lighter(m, &s.Members[best])) && !r.Left(m) {
			best = i
		}
	}
	return best
}
