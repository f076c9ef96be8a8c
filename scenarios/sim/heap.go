package sim

import "time"

// item is something due in virtual time: a data event on a request, or a control callback.
type item struct {
	at    time.Duration
	order uint64 // among equals, first in first out
	kind  kind
	r     *request
	turn  int    // the request's step, of waited and overdue
	v     *visit // of serviced
	f     func() // of a control event
}

type kind uint8

const (
	control kind = iota
	arrive
	atBalancer // the request has reached the balancer
	waited     // a fault's delay is over
	serviced
	overdue  // the target has taken too long
	finish   // the answer has reached the client
	deadline // the client gives up
	drop     // no connection became free in time to be of use
	resume   // the client tries again
)

// queue is a binary heap of items by time, then by order. Items are values: a push allocates nothing but
// the slice's growth.
type queue struct {
	items []item
	next  uint64
}

func (q *queue) push(it item) {
	it.order = q.next
	q.next++
	q.items = append(q.items, it)
	for i := len(q.items) - 1; i > 0; {
		parent := (i - 1) / 2
		if !q.less(i, parent) {
			break
		}
		q.items[i], q.items[parent] = q.items[parent], q.items[i]
		i = parent
	}
}

func (q *queue) less(i, j int) bool {
	a, b := &q.items[i], &q.items[j]
	return a.at < b.at || (a.at == b.at && a.order < b.order)
}

// pop takes the earliest item; the queue must not be empty.
func (q *queue) pop() item {
	top := q.items[0]
	last := len(q.items) - 1
	q.items[0] = q.items[last]
	q.items[last] = item{} // let go of what it points to
	q.items = q.items[:last]
	for i := 0; ; {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < last; c++ {
			if q.less(c, least) {
				least = c
			}
		}
		if least == i {
			return top
		}
		q.items[i], q.items[least] = q.items[least], q.items[i]
		i = least
	}
}
