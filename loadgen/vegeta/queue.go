package vegeta

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// queue hands out a fixed number of permits, in order of due time: the connections of a client.
type queue struct {
	mu      sync.Mutex
	free    int
	waiting waiters
}

type waiter struct {
	due     time.Duration
	granted chan struct{}
	index   int // in the heap; -1 once granted
}

func newQueue(permits int) *queue { return &queue{free: permits} }

// acquire waits for a permit until the context ends; it reports whether it got one.
func (q *queue) acquire(ctx context.Context, due time.Duration) bool {
	if ctx.Err() != nil {
		return false
	}
	q.mu.Lock()
	if q.free > 0 {
		q.free--
		q.mu.Unlock()
		return true
	}
	w := &waiter{due: due, granted: make(chan struct{})}
	heap.Push(&q.waiting, w)
	q.mu.Unlock()
	select {
	case <-w.granted:
		return true
	case <-ctx.Done():
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if w.index >= 0 {
		heap.Remove(&q.waiting, w.index)
		return false
	}
	q.pass() // the permit came at the same moment: the next one takes it
	return false
}

func (q *queue) release() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.pass()
}

// pass gives a permit to the waiter that was due first, or back to the free ones.
func (q *queue) pass() {
	if len(q.waiting) == 0 {
		q.free++
		return
	}
	close(heap.Pop(&q.waiting).(*waiter).granted)
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
