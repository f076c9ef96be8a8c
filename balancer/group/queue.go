package group

import (
	"time"

	"github.com/seed-8025779b/shakedown/balancer/pick"
)

// Queue is the requests that wait for a target with room, first come, first served. It belongs to the owner's side: its
// calls must not overlap.
//
// Under lasting overload every request waits almost its whole time, because the queue is always full: those that are
// served are served late. That is how such queues are, here as in HAProxy; a shorter wait is the remedy.
type Queue struct {
	waiting []*Waiter
	serving bool // Serve is under way
	again   bool // and was called meanwhile
}

// Waiter is a request that waits.
type Waiter struct {
	Request *pick.Request
	Discard bool
	Admit   func(*Target) // a target has room: the request is counted as in flight there
	in      bool
}

// Join makes a request wait; false when the queue is full.
func (q *Queue) Join(g *Group, w *Waiter) bool {
	l := g.Config().Limits
	if l == nil || (l.Queue >= 0 && len(q.waiting) >= l.Queue) {
		return false
	}
	w.in = true
	q.waiting = append(q.waiting, w)
	return true
}

// Leave takes a request out that waits no longer; false when it has been admitted.
func (q *Queue) Leave(w *Waiter) bool {
	if !w.in {
		return false
	}
	w.in = false
	for i := range q.waiting {
		if q.waiting[i] == w {
			q.waiting = append(q.waiting[:i], q.waiting[i+1:]...)
			break
		}
	}
	return true
}

// Serve admits those at the head for whom there is room. A request that has tried every target with room does not hold
// the others up. Admit may call Serve, as it does when a request ends at once: what then has room is served in turn.
func (q *Queue) Serve(now time.Duration, g *Group) {
	if q.serving {
		q.again = true
		return
	}
	q.serving = true
	defer func() { q.serving = false }()
	for q.again = true; q.again; {
		q.again = false
		q.serve(now, g)
	}
}

// serve goes through the queue once.
func (q *Queue) serve(now time.Duration, g *Group) {
	for i := 0; i < len(q.waiting); {
		w := q.waiting[i]
		t, _ := g.Choose(now, w.Request, w.Discard)
		if t == nil {
			if len(w.Request.Tried) == 0 {
				return // nobody behind it would find a target either
			}
			i++
			continue
		}
		w.in = false
		q.waiting = append(q.waiting[:i], q.waiting[i+1:]...)
		w.Admit(t)
	}
}

// Len is how many wait.
func (q *Queue) Len() int { return len(q.waiting) }
