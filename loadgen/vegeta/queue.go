package vegeta

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"github.com/seed-8025779b/shakedown/scenarios/draw"
)

// queue hands out a fixed number of connections, in order of due time; the one that was given back last is
// handed out first, so that the excess stays idle. With a spread it makes that many before it hands one out again, and
// any one that is free.
type queue struct {
	mu      sync.Mutex
	free    []*connection
	made    int
	size    int // how many may be made
	spread  int // attempt.Config.Spread
	open    func() *connection
	waiting waiters
}

type waiter struct {
	due     time.Duration
	granted chan *connection
	index   int // in the heap; -1 once granted
}

func newQueue(size, spread int, open func() *connection) *queue {
	return &queue{size: size, spread: spread, open: open}
}

// acquire returns a connection, for which it waits until the context ends; nil when there was none until then.
// It reports whether it had to wait.
func (q *queue) acquire(ctx context.Context, due time.Duration) (c *connection, waited bool) {
	q.mu.Lock()
	if n := len(q.free); n > 0 && q.made >= q.spread {
		i := n - 1
		if q.spread > 0 {
			i = int(draw.Mix(uint64(due)) % uint64(n))
		}
		c, q.free[i] = q.free[i], q.free[n-1]
		q.free = q.free[:n-1]
		q.mu.Unlock()
		return c, false
	}
	if q.made < q.size {
		q.made++
		q.mu.Unlock()
		return q.open(), false
	}
	w := &waiter{due: due, granted: make(chan *connection, 1)}
	heap.Push(&q.waiting, w)
	q.mu.Unlock()
	select {
	case c := <-w.granted:
		return c, true
	case <-ctx.Done():
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if w.index >= 0 {
		heap.Remove(&q.waiting, w.index)
		return nil, true
	}
	q.pass(<-w.granted) // it came at the same moment: the next one takes it
	return nil, true
}

func (q *queue) release(c *connection) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.pass(c)
}

// pass gives a connection to the waiter that was due first, or back to the free ones.
func (q *queue) pass(c *connection) {
	if len(q.waiting) == 0 {
		q.free = append(q.free, c)
		return
	}
	heap.Pop(&q.waiting).(*waiter).granted <- c
}

// waiters is a heap by due time.
type waiters []*waiter

func (w waiters) Len() int           { return len(w) }
func (w waiters) Less(i, j int) bool { return w[i].due < w[j].due }
func (w waiters) Swap(i, j int) {
	w[i], w[j] = w[j], w[i]
	w[i].index, w[j].index = i, j
}

func (w *waiters) Push(x any) {
	x.(*waiter).index = len(*w)
	*w = append(*w, x.(*waiter))
}

func (w *waiters) Pop() any {
	old := *w
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*w = old[:len(old)-1]
	last.index = -1
	return last
}
