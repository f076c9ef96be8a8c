// Package proxy is the HTTP/1.1 data plane of the reference balancer: what happens between a client's request and
// a target's answer.
//
// A Front is the handler of a listener's connections. It decides nothing about a request: package exchange says what is to be done,
// step by step, and hears what happened. Messages are read and written by http1. Bodies stream both ways with bounded memory; nothing is
// forwarded that was not understood.
//
// An exchange runs on the goroutine of the client's connection. Only a request's body that did not come with its
// head has a goroutine of its own, because target and client may speak at the same time.
package proxy

import (
	"context"
	"crypto/tls"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/balancer/exchange"
	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/serve"
	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/scenarios/draw"
)

// Pool is a target group as the data plane sees it.
type Pool struct {
	Group *group.Group
	// Answered tells the group's owner how an exchange ended.
	Answered func(t *group.Target, o group.Outcome, reason string)
	// Connect bounds how long a connection may take to make, Response how long nothing may come of an answer; 0
	// stands for 5 s and 60 s.
	Connect, Response time.Duration
	Exchange          time.Duration // bounds a request's whole time; 0: no limit
	Tunnel            time.Duration // how long nothing may pass in a connection whose protocol has changed; 0 stands for an hour
	TLS               *tls.Config   // nil: the connections are not encrypted
	HTTP2             bool          // spoken with the targets, by prior knowledge
	ProxyHeader       int           // version of the PROXY header that each connection begins with; 0 for none
	// Dial makes a connection to an address before the context ends; nil stands for TCP.
	Dial        func(ctx context.Context, address string) (net.Conn, error)
	Descriptors *serve.Descriptors // bounds the connections together with those of clients
	Host        string             // what the targets get as Host: "" the client's, HostOfTarget their own address, or another

	upstreams sync.Map     // *group.Target to *upstream
	requests  atomic.Int64 // see Requests
	waiting   atomic.Int64
	mu        sync.Mutex // of the queue
	queue     group.Queue
}

// Forget closes the idle connections to a target that is gone.
func (p *Pool) Forget(t *group.Target) {
	if u, ok := p.upstreams.LoadAndDelete(t); ok {
		u.(*upstream).close()
	}
}

// Sweep closes the idle connections that targets have closed. Whoever takes a connection looks too, but takes the one
// that was used last: the excess would stay.
func (p *Pool) Sweep() {
	p.upstreams.Range(func(_, u any) bool {
		u.(*upstream).sweep()
		return true
	})
}

func (p *Pool) upstream(t *group.Target) *upstream {
	if u, ok := p.upstreams.Load(t); ok {
		return u.(*upstream)
	}
	u, _ := p.upstreams.LoadOrStore(t, newUpstream(p, t.Address))
	return u.(*upstream)
}

// Hooks are what a front asks of its surroundings. Now is required; a nil hook does nothing.
type Hooks struct {
	Now func() time.Duration
	// Touch is asked before each exchange with a target.
	Touch func(*chaos.Exchange) chaos.Effect
	// Discard reports whether a request belongs to a phase that is left out of the totals.
	Discard func(seq uint64) bool
	// Trace is told of each request with a number (mix.SeqHeader) whose client cannot have read the answer. When it is
	// not nil, the answers to the others tell of their attempts (mix.AttemptHeader).
	Trace func(Abandoned)
	// TrustSeq says that clients are a generator of ours: the numbers of their requests (mix.SeqHeader) are believed.
	TrustSeq bool
	// Access is told of each request once it is over.
	Access func(seq uint64, a *Access)
	// Short is told of each connection to a target for which this machine had nothing left (socket.NoResources).
	Short func(error)
	// Decision is told how targets were chosen for the requests that Sampled picks out.
	Decision func(*exchange.Decision)
	Sampled  func(seq uint64) bool
}

// Front answers a listener's requests. It implements serve.Handler.
type Front struct {
	routing  *atomic.Pointer[Routing] // another one may take its place while requests come
	hooks    Hooks
	setup    exchange.Setup
	counters *exchange.Counters
	split    draw.Stream // of the choice between a rule's groups
	port     string      // that it listens on, for X-Forwarded-Port
	options  config.Options
	ids      draw.Stream // of request ids
	seq      atomic.Uint64
}

// NewFront returns the handler of a listener on a port.
func NewFront(routing *atomic.Pointer[Routing], port string, seed draw.Seed, options config.Options, hooks Hooks, counters *exchange.Counters) *Front {
	if hooks.Touch == nil {
		hooks.Touch = func(*chaos.Exchange) chaos.Effect { return chaos.Effect{} }
	}
	if hooks.Discard == nil {
		hooks.Discard = func(uint64) bool { return false }
	}
	if hooks.Short == nil {
		hooks.Short = func(error) {}
	}
	f := &Front{
		routing: routing, port: port, options: options, hooks: hooks, counters: counters,
		split: seed.Stream("split"), ids: seed.Stream("request id:" + strconv.FormatInt(time.Now().UnixNano(), 36)), // another run has other ids
	}
	f.setup = exchange.Setup{
		Match: f.match, Touch: hooks.Touch, Wall: func() int64 { return time.Now().Unix() }, Status: &f.options.Status, Count: counters, Decision: hooks.Decision, Sampled: hooks.Sampled,
	}
	return f
}

// Serve implements serve.Handler.
func (f *Front) Serve(c *serve.Conn) {
	f.counters.Requests.Add(1)
	x, ok := c.State.(*driver)
	if !ok {
		x = newDriver(f, c)
		c.State = x
	}
	defer x.forget()
	if f.hooks.Access == nil {
		x.serve()
		return
	}
	began := f.hooks.Now()
	x.access = Access{}
	x.serve()
	x.tell(began)
}

// Refused counts a request that was refused before it got here, or a connection that did not get as far as one; it is the
// server's hook.
func (f *Front) Refused(status int, reason error) {
	cause := causeOf(reason)
	if cause != exchange.Introduction {
		f.counters.Requests.Add(1)
	}
	f.counters.Refused.Add(1)
	f.counters.Errors.Add(cause)
	if f.hooks.Access != nil {
		f.hooks.Access(1<<63|f.seq.Add(1), &Access{Status: status, Cause: cause, Reason: reason.Error()})
	}
}
