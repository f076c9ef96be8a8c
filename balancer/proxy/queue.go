package proxy

import (
	"time"

	"github.com/seed-8025779b/shakedown/balancer/exchange"
	"github.com/seed-8025779b/shakedown/balancer/group"
)

// queue waits for a target with room.
func (x *driver) queue(until time.Duration) exchange.Event {
	pool := x.pool
	admitted := make(chan *group.Target, 1)
	w := &group.Waiter{Request: x.m.Pick(), Discard: x.r.Discard, Admit: func(t *group.Target) { admitted <- t }}
	pool.mu.Lock()
	pool.waiting.Add(1) // before the last look: whoever ends an exchange after it finds us waiting
	in := pool.queue.Join(pool.Group, w)
	if in {
		pool.queue.Serve(x.f.hooks.Now(), pool.Group)
	}
	pool.waiting.Store(int64(pool.queue.Len()))
	pool.mu.Unlock()
	if !in {
		return exchange.Event{Kind: exchange.Full}
	}
	late := time.NewTimer(until - x.f.hooks.Now())
	defer late.Stop()
	look := time.NewTicker(watch)
	defer look.Stop()
	for {
		e := exchange.Event{Kind: exchange.TimedOut}
		select {
		case t := <-admitted:
			return exchange.Event{Kind: exchange.Admitted, Target: t}
		case <-late.C:
		case <-look.C:
			if !x.c.Gone() {
				continue
			}
			e = clientLeft()
		}
		pool.mu.Lock()
		left := pool.queue.Leave(w)
		pool.waiting.Store(int64(pool.queue.Len()))
		pool.mu.Unlock()
		if !left { // at the last moment: the target is ours
			return exchange.Event{Kind: exchange.Admitted, Target: <-admitted}
		}
		return e
	}
}

// Queued implements exchange.Pool.
func (p *Pool) Queued() bool { return p.waiting.Load() > 0 && p.Group.Config().Limits != nil }

// Serve admits requests that wait, when there may be room for one.
func (p *Pool) Serve(now time.Duration) {
	if p.waiting.Load() == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue.Serve(now, p.Group)
	p.waiting.Store(int64(p.queue.Len()))
}

// Waiting is how many requests wait.
func (p *Pool) Waiting() int64 { return p.waiting.Load() }
