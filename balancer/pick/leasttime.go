package pick

import (
	"time"

	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

var leastTime = spec.Kind[Builder]{
	Entry: spec.Entry{
		Name: "least_time", Doc: "the target with the least average time until an answer's head, times requests in flight",
		Params: []spec.Param{{Name: "decay", Type: spec.Duration, Default: "10s", Min: .01, Max: 3600, Doc: "time constant of the moving average"}},
	},
	New: func(v spec.Values) (Builder, error) {
		return func(draw.Stream) Strategy { return &quickest{constant: v.Duration("decay")} }, nil
	},
}

// quickest looks at every target. Response times are what TimeObserver says. One that nothing is known of counts as instant, and so gets requests until its
// first answers come.
type quickest struct {
	least
	constant time.Duration
}

func (q *quickest) Pick(now time.Duration, r *Request, s *Set) int {
	n := len(s.Members)
	if n == 0 {
		return -1
	}
	start := int((q.next.Add(1) - 1) % uint64(n))
	best, bestLoad := -1, 0.
	for k := range n {
		i := (start + k) % n
		m := &s.Members[i]
		if r.Left(m) {
			continue
		}
		load := (m.Load.latency.read(now, q.constant) + 1) * float64(m.Load.InFlight.Load()+1) / float64(m.weight())
		if best < 0 || load < bestLoad {
			best, bestLoad = i, load
		}
	}
	return best
}

// Answered implements TimeObserver.
func (q *quickest) Answered(now time.Duration, l *Load, took time.Duration) {
	l.latency.observe(now, took, q.constant, false)
}
