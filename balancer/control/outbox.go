package control

import (
	"sync"
	"time"
)

// lastWords is how long Close waits for a peer that does not read.
const lastWords = 2 * time.Second

// Outbox sends values in order without making anybody wait: a peer that stands still stops nobody who only has something
// to tell. What waits is kept in memory.
type Outbox struct {
	c    *Conn
	mu   sync.Mutex
	wake sync.Cond
	list []any
	over bool
	done chan struct{}
}

// NewOutbox returns an outbox of a channel on which nothing else is sent.
func NewOutbox(c *Conn) *Outbox {
	o := &Outbox{c: c, done: make(chan struct{})}
	o.wake.L = &o.mu
	go o.run()
	return o
}

// Put sends a value, in time. Once the peer is gone, which Receive tells, or after Close, values are dropped.
func (o *Outbox) Put(v any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.over {
		o.list = append(o.list, v)
		o.wake.Signal()
	}
}

// Waiting reports whether values have not been sent yet.
func (o *Outbox) Waiting() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.list) > 0
}

// Close sends what waits, as far as the peer takes it within two seconds.
func (o *Outbox) Close() {
	o.mu.Lock()
	o.over = true
	o.wake.Signal()
	o.mu.Unlock()
	_ = o.c.c.SetWriteDeadline(time.Now().Add(lastWords)) // a socket takes it, or is closed
	<-o.done
}

func (o *Outbox) run() {
	defer close(o.done)
	for {
		o.mu.Lock()
		for len(o.list) == 0 && !o.over {
			o.wake.Wait()
		}
		if len(o.list) == 0 {
			o.mu.Unlock()
			return
		}
		v := o.list[0]
		o.mu.Unlock()
		err := o.c.Send(v)
		o.mu.Lock()
		if o.list = o.list[1:]; err != nil {
			o.list, o.over = nil, true
		}
		o.mu.Unlock()
	}
}
