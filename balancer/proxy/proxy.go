// Package proxy is the HTTP data plane of the reference balancer: what happens between a client's request
// and a target's answer.
//
// It is an http.Handler on top of net/http and httputil.ReverseProxy, with connections to the targets of
// its own. Every decision — which group, which target, whether to retry — is asked of the pure packages
// route and group.
//
// Limits: HTTP/1.1 without protocol upgrades; a request's body is not kept, so that a retry needs the
// failed attempt not to have sent any of it, which is the only case in which one is made.
package proxy

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/pick"
	"github.com/seed-8025779b/shakedown/balancer/route"
	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/loadgen/mix"
)

// Pool is a target group as the data plane sees it.
type Pool struct {
	Group *group.Group
	// Answered tells the group's owner how an exchange ended.
	Answered func(t *group.Target, o group.Outcome, reason string)

	upstreams sync.Map // *group.Target to *upstream
}

// Forget closes the idle connections to a target that is gone.
func (p *Pool) Forget(t *group.Target) {
	if u, ok := p.upstreams.LoadAndDelete(t); ok {
		u.(*upstream).close()
	}
}

func (p *Pool) upstream(t *group.Target) *upstream {
	if u, ok := p.upstreams.Load(t); ok {
		return u.(*upstream)
	}
	u, _ := p.upstreams.LoadOrStore(t, &upstream{address: t.Address})
	return u.(*upstream)
}

// Counters are what the data plane counts beside each target's requests.
type Counters struct {
	Requests atomic.Uint64 // that reached the balancer
	Retries  atomic.Uint64 // further attempts
	Unrouted atomic.Uint64 // no rule, or no ready target: answered 503 without an attempt
}

// Front answers a listener's requests.
type Front struct {
	rules    route.Table
	pools    map[string]*Pool
	hooks    Hooks
	counters *Counters
	seq      atomic.Uint64
	reverse  httputil.ReverseProxy
}

// Hooks are what a front asks of its surroundings. Now is required; a nil hook does nothing.
type Hooks struct {
	Now func() time.Duration
	// Touch is asked before each exchange with a target.
	Touch func(*chaos.Exchange) chaos.Effect
	// Discard reports whether a request belongs to a phase that is left out of the totals.
	Discard func(seq uint64) bool
}

// NewFront returns the handler of a listener with the given rules.
func NewFront(rules route.Table, pools map[string]*Pool, hooks Hooks, counters *Counters) *Front {
	if hooks.Touch == nil {
		hooks.Touch = func(*chaos.Exchange) chaos.Effect { return chaos.Effect{} }
	}
	if hooks.Discard == nil {
		hooks.Discard = func(uint64) bool { return false }
	}
	f := &Front{rules: rules, pools: pools, hooks: hooks, counters: counters}
	f.reverse = httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = "http", "target" // the transport chooses; only the path is used
			r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
			r.SetXForwarded()
		},
		Transport:    f,
		ErrorHandler: f.fail,
		BufferPool:   &buffers{},
		ErrorLog:     log.New(io.Discard, "", 0), // errors are answered and counted
	}
	return f
}

// buffers keeps ReverseProxy from allocating 32 KiB a request.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return *p
	}
	return make([]byte, 32<<10)
}

func (b *buffers) Put(p []byte) { b.pool.Put(&p) }

// ServeHTTP proxies one request.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.counters.Requests.Add(1)
	f.reverse.ServeHTTP(w, r)
}

var errUnrouted = errors.New("no target is ready")

// RoundTrip carries one request to a target, and to another when the first could not be connected to. It
// is ReverseProxy's transport.
func (f *Front) RoundTrip(req *http.Request) (*http.Response, error) {
	pool := f.pools[f.rules.Group(req.URL.Path)]
	if pool == nil {
		f.counters.Unrouted.Add(1)
		return nil, errUnrouted
	}
	pr := pick.Request{Seq: f.identity(req)}
	discard := f.hooks.Discard(pr.Seq)
	var lastErr error
	for {
		t := pool.Group.Choose(f.hooks.Now(), &pr, discard)
		if t == nil {
			if lastErr != nil {
				return nil, lastErr
			}
			f.counters.Unrouted.Add(1)
			return nil, errUnrouted
		}
		if pr.Attempt > 0 && !discard {
			f.counters.Retries.Add(1)
		}
		res, outcome, err := f.attempt(req, pool, t, &pr)
		if err == nil {
			return res, nil
		}
		if !pool.Group.MayRetry(pr.Attempt, outcome) {
			return nil, err
		}
		lastErr = err
		pr.Attempt++
		pr.Tried = append(pr.Tried, t.ID)
	}
}

// identity is the request's sequence number: the generator's, or a number of our own beyond those that a
// generator uses.
func (f *Front) identity(req *http.Request) uint64 {
	if seq, err := strconv.ParseUint(req.Header.Get(mix.SeqHeader), 10, 64); err == nil {
		return seq
	}
	return 1<<63 | f.seq.Add(1)
}

// attempt is one exchange with one target. The target is released when the answer's body has ended, or
// at once on failure.
func (f *Front) attempt(req *http.Request, pool *Pool, t *group.Target, pr *pick.Request) (*http.Response, group.Outcome, error) {
	release := func(o group.Outcome, reason string) {
		if pool.Group.Release(t, o) {
			pool.Answered(t, o, reason)
		}
	}
	effect := f.hooks.Touch(&chaos.Exchange{Target: t.ID, Seq: pr.Seq, Attempt: pr.Attempt})
	if effect.Delay > 0 {
		timer := time.NewTimer(effect.Delay)
		select {
		case <-timer.C:
		case <-req.Context().Done():
			timer.Stop()
			release(group.Abandoned, "")
			return nil, group.Abandoned, req.Context().Err()
		}
	}
	if effect.Status != 0 {
		o, reason := statusOutcome(effect.Status)
		release(o, reason)
		return synthetic(req, effect.Status), o, nil
	}
	res, err := pool.upstream(t).exchange(req)
	if err != nil {
		o := group.Broken
		var ce *connectError
		switch {
		case errors.Is(err, context.Canceled):
			o = group.Abandoned
		case errors.As(err, &ce):
			o = group.ConnectFailed
		}
		release(o, err.Error())
		return nil, o, err
	}
	o, reason := statusOutcome(res.StatusCode)
	b := res.Body.(*body)
	b.done = func(err error) {
		switch {
		case err == nil, errors.Is(err, os.ErrClosed) && b.empty:
			release(o, reason)
		case errors.Is(err, os.ErrClosed), req.Context().Err() != nil:
			release(group.Abandoned, "") // the client's side gave up before the end
		default:
			release(group.Broken, err.Error())
		}
	}
	return res, o, nil
}

func statusOutcome(status int) (group.Outcome, string) {
	if status >= 500 {
		return group.ServerError, "status " + strconv.Itoa(status)
	}
	return group.OK, ""
}

func synthetic(req *http.Request, status int) *http.Response {
	return &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: http.NoBody, Request: req,
	}
}

// fail answers a request that no target answered, as an application load balancer does: 503 when there
// was nobody to ask, 504 on a timeout, 502 otherwise.
func (f *Front) fail(w http.ResponseWriter, r *http.Request, err error) {
	var timeout interface{ Timeout() bool }
	status := http.StatusBadGateway
	switch {
	case r.Context().Err() != nil:
		panic(http.ErrAbortHandler) // nobody listens any more: close without an answer
	case errors.Is(err, errUnrouted):
		status = http.StatusServiceUnavailable
	case errors.As(err, &timeout) && timeout.Timeout():
		status = http.StatusGatewayTimeout
	}
	http.Error(w, http.StatusText(status)+": "+err.Error(), status)
}
