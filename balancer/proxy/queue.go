package proxy

import (
	"errors"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/exchange"
	"github.com/seed-8025779b/shakedown/balancer/group"
)

// The reasons why there is no target.
var (
	errNoTarget = errors.New("no target is ready")
	errFull     = errors.New("every target has as many requests as it may, and so has the queue")
	errWaited   = errors.New("no target had room in time")
)

// causeOfNone is the cause of such a reason.
func causeOfNone(err error) exchange.Cause {
	switch err {
	case errFull:
		return exchange.QueueFull
	case errWaited:
		return exchange.QueueTimeout
	}
	return exchange.NoTarget
}

// choose finds a target for an attempt. When those that are ready are full, the request waits for one with room.
func (x *driver) choose(pool *Pool, discard bool) (*group.Target, error) {
	var d *Decision // nil unless it is to be told
	if x.f.hooks.Decision != nil && x.f.hooks.Sampled(x.pick.Seq) {
		d = x.decision(pool)
	}
	var t *group.Target
	full := pool.waiting.Load() > 0 && pool.Group.Config().Limits != nil // nobody overtakes those who wait
	if !full {
		t, full = pool.Group.Choose(x.f.hooks.Now(), &x.pick, discard)
	}
	err := errNoTarget
	if full {
		t, err = x.queue(pool, discard)
	}
	if d != nil {
		d.Waited = full
		x.decided(pool, d, t)
	}
	if t == nil {
		return nil, err
	}
	return t, nil
}

// queue waits for a target with room.
func (x *driver) queue(pool *Pool, discard bool) (*group.Target, error) {
	limits := pool.Group.Config().Limits
	if limits == nil { // they were in force a moment ago
		return nil, errFull
	}
	admitted := make(chan *group.Target, 1)
	w := &group.Waiter{Request: &x.pick, Discard: discard, Admit: func(t *group.Target) { admitted <- t }}
	pool.mu.Lock()
	pool.waiting.Add(1) // before the last look: whoever ends an exchange after it finds us waiting
	in := pool.queue.Join(pool.Group, w)
	if in {
		pool.queue.Serve(x.f.hooks.Now(), pool.Group)
	}
	pool.waiting.Store(int64(pool.queue.Len()))
	pool.mu.Unlock()
	if !in {
		x.f.counters.Overflowed.Add(1)
		return nil, errFull
	}
	x.f.counters.Waited.Add(1)
	late := time.NewTimer(limits.Wait)
	defer late.Stop()
	look := time.NewTicker(watch)
	defer look.Stop()
	for {
		err := errWaited
		select {
		case t := <-admitted:
			return t, nil
		case <-late.C:
		case <-look.C:
			if !x.c.Gone() {
				continue
			}
			err = errClient
		}
		pool.mu.Lock()
		left := pool.queue.Leave(w)
		pool.waiting.Store(int64(pool.queue.Len()))
		pool.mu.Unlock()
		if !left { // at the last moment: the target is ours
			return <-admitted, nil
		}
		return nil, err
	}
}

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

// release gives a target back.
func (p *Pool) release(now time.Duration, t *group.Target, o group.Outcome, took time.Duration, reason string) {
	if p.Group.Release(now, t, o, took) {
		p.Answered(t, o, reason)
	}
	p.Serve(now)
}
