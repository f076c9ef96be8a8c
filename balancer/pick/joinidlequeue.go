package pick

import (
	"time"

	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

var joinIdleQueue = spec.Kind[Builder]{
	Entry: spec.Entry{Name: "join_idle_queue", Doc: "the target that has been idle the longest; any, at random, when none is idle"},
	New: func(spec.Values) (Builder, error) {
		return func(s draw.Stream) Strategy { return idleFirst{uniform{s}} }, nil
	},
}

// idleFirst keeps the queue of idle targets in their loads: each notes when it fell idle (Lu, Xie, Kliot, Geller, Larus,
// Greenberg: "Join-Idle-Queue", 2011).
type idleFirst struct{ busy uniform }

// Done implements Observer.
func (idleFirst) Done(now time.Duration, l *Load, _ time.Duration, _ bool) {
	if l.InFlight.Load() == 0 {
		l.idle.Store(int64(now))
	}
}

func (q idleFirst) Pick(now time.Duration, r *Request, s *Set) int {
	best, since := -1, int64(0)
	for i := range s.Members {
		m := &s.Members[i]
		if m.Load.InFlight.Load() > 0 || r.Left(m) {
			continue
		}
		if t := m.Load.idle.Load(); best < 0 || t < since {
			best, since = i, t
		}
	}
	if best < 0 {
		return q.busy.Pick(now, r, s)
	}
	return best
}
