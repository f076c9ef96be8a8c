// Package backend is the sample backend: an HTTP server whose capacity is a queueing model.
//
// GET /health answers 200 once the backend has booted. Every other request takes one of N slots for a
// service time drawn from its identity, waits for one in a bounded queue, or is answered 503 at once.
package backend

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/backend/model"
	"github.com/seed-8025779b/shakedown/balancer/http1"
	"github.com/seed-8025779b/shakedown/balancer/serve"
	"github.com/seed-8025779b/shakedown/loadgen/mix"
	"github.com/seed-8025779b/shakedown/loadgen/pace"
	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// Config is a sample backend's settings.
type Config struct {
	ID          string        `json:"id"`
	Listen      string        `json:"listen"`
	Time        spec.Written  `json:"time"` // a kind of model.Times
	Concurrency int           `json:"concurrency"`
	Queue       int           `json:"queue"` // negative: unlimited
	Seed        draw.Seed     `json:"seed"`
	Boot        time.Duration `json:"boot"` // health checks fail for so long after the start
}

// Stats is what a backend has done so far.
type Stats struct {
	At       time.Duration `json:"at"`   // CLOCK_MONOTONIC
	Busy     time.Duration `json:"busy"` // integral of busy slots
	Slots    int           `json:"slots"`
	InUse    int           `json:"in_use"`
	Waiting  int           `json:"waiting"`
	Served   uint64        `json:"served"`
	Rejected uint64        `json:"rejected"`
}

// Backend is a sample backend. It implements serve.Handler.
type Backend struct {
	cfg   Config
	times model.Distribution
	clock pace.Clock
	boot  time.Duration // on clock

	mu       sync.Mutex
	model    *model.Model
	waiting  map[uint64]chan struct{}
	ticket   uint64
	served   uint64
	rejected uint64
	text     []byte // of a served request's answer
}

// New returns a backend that starts to boot now.
func New(cfg Config) (*Backend, error) {
	choice, err := model.Times().Table().Read(cfg.Time)
	if err != nil {
		return nil, fmt.Errorf("service time: %w", err)
	}
	times, err := model.Times().New(choice)
	if err != nil {
		return nil, fmt.Errorf("service time: %w", err)
	}
	if cfg.Concurrency < 1 {
		return nil, fmt.Errorf("concurrency is %d: at least one slot is needed", cfg.Concurrency)
	}
	clock := pace.NewClock(0)
	return &Backend{
		cfg: cfg, times: times, clock: clock, boot: clock.Now() + cfg.Boot,
		model: model.New(model.Config{Concurrency: cfg.Concurrency, Queue: cfg.Queue}), waiting: map[uint64]chan struct{}{},
		text: []byte("served by " + cfg.ID + "\n"),
	}, nil
}

// Stats is a consistent snapshot.
func (b *Backend) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.clock.Now()
	return Stats{now, b.model.BusyTime(now), b.cfg.Concurrency, b.model.Busy(), b.model.Waiting(), b.served, b.rejected}
}

// Serve implements serve.Handler.
func (b *Backend) Serve(c *serve.Conn) {
	if string(http1.PathOf(c.Request.Target)) == "/health" {
		if b.clock.Now() < b.boot {
			b.answer(c, http.StatusServiceUnavailable, []byte("booting\n"))
			return
		}
		b.answer(c, http.StatusOK, []byte("healthy\n"))
		return
	}
	ticket, granted, ok := b.admit()
	if !ok {
		b.answer(c, http.StatusServiceUnavailable, []byte("no slot free and the queue is full\n"))
		return
	}
	if granted != nil && !b.queue(c, ticket, granted) {
		c.Abort()
		return
	}
	b.clock.Sleep(context.Background(), b.clock.Now()+model.ServiceTime(b.cfg.Seed, b.times, identity(c, ticket)))
	b.finish()
	b.answer(c, http.StatusOK, b.text)
}

// answer sends an answer; a client that has gone needs none.
func (b *Backend) answer(c *serve.Conn, status int, text []byte) { _ = c.Respond(status, "", text) }

// queue waits for a slot; it reports false when the client has gone meanwhile.
func (b *Backend) queue(c *serve.Conn, ticket uint64, granted chan struct{}) bool {
	look := time.NewTicker(model.LookEvery)
	defer look.Stop()
	for {
		select {
		case <-granted:
			return true
		case <-look.C:
			if c.Gone() && b.leave(ticket) { // otherwise the slot came at the same moment: it is ours, and is served
				return false
			}
		}
	}
}

// identity is the request's sequence number; without one, its place in this backend's own sequence.
func identity(c *serve.Conn, ticket uint64) uint64 {
	if seq, retry, ok := mix.ParseSeq(c.Field(mix.SeqName)); ok {
		return draw.Attempt(seq, retry)
	}
	return ticket
}

// admit returns a channel to wait on when the request was queued, and false when it was rejected.
func (b *Backend) admit() (ticket uint64, granted chan struct{}, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ticket++
	switch b.model.Arrive(b.clock.Now(), b.ticket) {
	case model.Rejected:
		b.rejected++
		return 0, nil, false
	case model.Queued:
		granted = make(chan struct{})
		b.waiting[b.ticket] = granted
	}
	return b.ticket, granted, true
}

func (b *Backend) leave(ticket uint64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.model.Leave(ticket) {
		return false
	}
	delete(b.waiting, ticket)
	return true
}

func (b *Backend) finish() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.served++
	if next, ok := b.model.Finish(b.clock.Now()); ok {
		close(b.waiting[next])
		delete(b.waiting, next)
	}
}

// graceful is how long a stopping backend lets its requests finish.
const graceful = 2 * time.Second

// ServeOn answers on the listener until the context ends.
func (b *Backend) ServeOn(ctx context.Context, l net.Listener) error {
	srv := serve.New(serve.Config{Handler: b})
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), graceful)
		defer cancel()
		_ = srv.Shutdown(deadline, 0) // what could not finish in time is cut
	})
	err := srv.Serve(l)
	if stop() {
		return fmt.Errorf("backend %s: %w", b.cfg.ID, err)
	}
	<-stopped
	return nil
}
