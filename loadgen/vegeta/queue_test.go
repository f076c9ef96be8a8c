package vegeta

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestQueueServesInOrderOfDueTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1, 0, func() *connection { return &connection{} })
		first, waited := q.acquire(t.Context(), 0)
		if first == nil || waited {
			t.Fatal("no connection at once")
		}
		var mu sync.Mutex
		var order []time.Duration
		var wg sync.WaitGroup
		for _, due := range []time.Duration{3, 1, 2} {
			wg.Go(func() {
				if c, waited := q.acquire(t.Context(), due); c == first && waited {
					mu.Lock()
					order = append(order, due)
					mu.Unlock()
					q.release(c)
				}
			})
		}
		gone, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if c, waited := q.acquire(gone, 0); c != nil || !waited {
			t.Fatal("two holders of one connection")
		}
		q.release(first)
		wg.Wait()
		if fmt.Sprint(order) != "[1ns 2ns 3ns]" {
			t.Fatalf("order %v", order)
		}
		if len(q.free) != 1 {
			t.Fatalf("%d connections at the end", len(q.free))
		}
	})
}
