// Package wire is the engine that speaks HTTP/1.1 itself, on keep-alive connections, without allocating in
// the steady state: one goroutine a connection, one locked thread that paces.
//
// There is no pipelining. A connection's exchanges follow each other; a request that finds none free waits
// in order of its due time. One that gets none before attempt.Config.LastStart is dropped: it ends at that
// instant, though its sample may be delivered when a connection becomes free. So is one that was offered too late to
// be of use, also when a connection is free. Responses are parsed strictly: what is ambiguous counts as malformed.
//
// A server may close an idle connection at any time, or send something that nobody asked for. Before a request
// is written on a reused connection, that connection is looked at, and replaced if the server has done either. When
// the server closes or resets it after that, without a byte of an answer, the request is sent once more, on a new
// connection, if no byte of it had left, or if it is idempotent (RFC 9110, 9.2.2) and may have crossed with the
// closing of an idle connection: the close came within 5 ms and the time that the connection took to make
// (attempt.Config.MetClose). What the server breaks off later has failed. Sample.Reconnect counts what was sent again,
// and Sent is the stamp of the last attempt.
//
// Any other request is never sent twice: a POST that is on its way when the server closes fails, since nothing tells
// whether the server has acted on it. Against a server that closes after each answer without saying so, back to back,
// that is some 2 POSTs of 100. A server that says Connection: close, or attempt.Config.PerConn below its limit of
// requests, avoids it. What cannot be told apart either is an answer that nobody asked for and that arrives after the
// next request was written, and how much of the time until a close this process itself stood still.
//
// What becomes of a request is decided by attempt.Call, whether and when it is tried again included. One that pauses before a retry has
// no connection meanwhile: a timer hands it to the next that is free.
//
// A user of a closed loop sends its next request when the last one has ended; after a failure it pauses, for
// attempt.Config.FailPause, in addition to its think time.
//
// Limits: HTTP/1.1 over TCP or TLS; redirects are not followed; bodies are read and counted, not kept.
package wire

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/attempt"
	"github.com/seed-8025779b/shakedown/loadgen/client"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/pace"
	"github.com/seed-8025779b/shakedown/loadgen/profile"
	"github.com/seed-8025779b/shakedown/scenarios/draw"
)

// LagLimit is the delay of a single request by the generator itself that is tolerated on any machine, and counts as
// none.
const LagLimit = time.Millisecond

// Engine plays schedules against one target.
type Engine struct {
	cfg      attempt.Config
	dial     client.Dialer
	base     *url.URL
	address  string
	tls      *tls.Config // nil for http
	prepared []prepared  // by place in the mix
	spread   int         // attempt.Config.Spread
	inFlight atomic.Int64
	ids      client.IDs // of targets and faults, as the balancer reports them
}

// Unsupported names what the configuration asks for and this engine does not have; "" when it has everything.
func Unsupported(c attempt.Config) string {
	switch {
	case c.HTTP2:
		return "HTTP/2"
	case c.Redirects > 0:
		return "redirects"
	}
	return ""
}

// New checks the configuration and prepares the requests.
func New(c attempt.Config) (*Engine, error) {
	u, err := client.Base(&c)
	if err != nil {
		return nil, err
	}
	e := &Engine{cfg: c, base: u, address: client.Address(u), spread: c.Spread()}
	if e.dial, err = client.NewDialer(&c.Connect); err != nil {
		return nil, err
	}
	if u.Scheme == "https" {
		if e.tls, err = client.TLS(&c.Connect); err != nil {
			return nil, err
		}
		e.tls.ServerName, e.tls.NextProtos = u.Hostname(), []string{"http/1.1"}
	}
	for i := range c.Mix.Requests() {
		p, err := e.prepare(i)
		if err != nil {
			return nil, fmt.Errorf("request %s: %w", c.Mix.Requests()[i].Name, err)
		}
		e.prepared = append(e.prepared, p)
	}
	return e, nil
}

// InFlight implements loadgen.Engine.
func (e *Engine) InFlight() int64 { return e.inFlight.Load() }

// job is one request on its way to a connection.
type job struct {
	seq          uint64
	due, offered time.Duration // offered: 0 while it has not had to wait
	waited       bool          // for a free connection
	again        *attempt.Call // that goes on after a pause; nil for a new request
}

// play is one playing of a schedule.
type play struct {
	e     *Engine
	ctx   context.Context
	clock pace.Clock
	sink  func(*measure.Sample)
	conns sync.WaitGroup
	made  atomic.Int64 // connections

	client attempt.Client
	calls  sync.Pool // of *attempt.Call, for those that pause

	cancelled   atomic.Bool
	cancelledAt atomic.Int64 // by the clock; set before cancelled

	mu      sync.Mutex
	all     []*conn
	idle    []*conn // see takeIdle
	waiting ring
	paused  map[*attempt.Call]*time.Timer
	closing bool    // nothing new will be offered
	users   []*conn // of closed-loop stretches
}

// Play implements loadgen.Engine.
func (e *Engine) Play(ctx context.Context, s profile.Schedule, clock pace.Clock, sink func(*measure.Sample)) error {
	p := &play{
		e: e, ctx: ctx, clock: clock, sink: sink, client: attempt.Client{Config: &e.cfg, Tolerated: LagLimit},
		calls: sync.Pool{New: func() any { return new(attempt.Call) }}, paused: map[*attempt.Call]*time.Timer{},
	}
	waiter, err := pace.NewWaiter(clock)
	if err != nil {
		return err
	}
	defer waiter.Close()
	stop := context.AfterFunc(ctx, func() {
		waiter.Interrupt()
		p.cancel()
	})
	defer stop()
	for _, stretch := range s.Closed {
		p.conns.Go(func() { client.PlayUsers(ctx, clock, stretch, &e.cfg, p.user) })
	}
	for w := s.Walk(); ; {
		seq, due, ok := w.Next()
		if !ok || waiter.Wait(ctx, due) != nil {
			break
		}
		p.offer(job{seq: seq, due: due})
	}
	p.finish()
	p.conns.Wait()
	return nil
}

// offer takes in a request of the schedule.
func (p *play) offer(j job) {
	p.e.inFlight.Add(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hand(j)
}

// hand hands a request to an idle connection, to a new one, or to the queue. The lock is held.
func (p *play) hand(j job) {
	if c := p.takeIdle(j.seq); c != nil {
		c.wake <- j // it has room: an idle connection has nothing in it
		return
	}
	if len(p.all) < p.e.cfg.Connections {
		c := p.connection()
		c.first, c.wake = j, make(chan job, 1)
		p.all = append(p.all, c)
		p.conns.Go(c.run)
		return
	}
	j.offered = p.clock.Now()
	p.waiting.push(j)
}

// takeIdle returns an idle connection for a request, nil when a new one is to be made or there is none: the last one
// used, so that the excess stays idle, or with several client addresses any one.
func (p *play) takeIdle(seq uint64) *conn {
	n := len(p.idle)
	if n == 0 || len(p.all) < p.e.spread {
		return nil
	}
	i := n - 1
	if p.e.spread > 0 {
		i = int(draw.Mix(seq) % uint64(n))
	}
	c := p.idle[i]
	p.idle[i] = p.idle[n-1]
	p.idle = p.idle[:n-1]
	return c
}

// next returns the connection's next request; false when there will be none. The time of one that comes from the queue may have
// run out: connections become free at least as often as requests time out.
func (p *play) next(c *conn) (job, bool) {
	p.mu.Lock()
	j, ok := p.waiting.pop()
	switch {
	case ok:
		p.mu.Unlock()
		j.waited = true
		return j, true
	case p.closing && len(p.paused) == 0:
		p.mu.Unlock()
		return job{}, false
	}
	p.idle = append(p.idle, c)
	p.mu.Unlock()
	j, ok = <-c.wake
	return j, ok
}

// finish lets the connections end once nothing waits or pauses.
func (p *play) finish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closing = true
	p.release()
}

// release lets idle connections end when nothing more will need them. The lock is held.
func (p *play) release() {
	if !p.closing || len(p.paused) > 0 {
		return
	}
	for _, c := range p.idle {
		close(c.wake)
	}
	p.idle = nil
}

// cancel interrupts what the connections do.
func (p *play) cancel() {
	p.cancelledAt.Store(int64(p.clock.Now()))
	p.cancelled.Store(true)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.all {
		c.interrupt()
	}
	for _, c := range p.users {
		c.interrupt()
	}
	for call := range p.paused {
		p.resumeLocked(call)
	}
}
