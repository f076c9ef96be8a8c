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
		q := newQueue(1)
		if !q.acquire(t.Context(), 0) {
			t.Fatal("no permit")
		}
		var mu sync.Mutex
		var order []time.Duration
		var wg sync.WaitGroup
		for _, due := range []time.Duration{3, 1, 2} {
			wg.Go(func() {
				if q.acquire(t.Context(), due) {
					mu.Lock()
					order = append(order, due)
					mu.Unlock()
					q.release()
				}
			})
		}
		gone, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if q.acquire(gone, 0) {
			t.Fatal("two holders of one permit")
		}
		q.release()
		wg.Wait()
		if fmt.Sprint(order) != "[1ns 2ns 3ns]" {
			t.Fatalf("order %v", order)
		}
		if q.free != 1 {
			t.Fatalf("%d permits at the end", q.free)
		}
	})
}
