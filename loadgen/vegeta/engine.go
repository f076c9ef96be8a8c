// Package vegeta plays a schedule through vegeta's attacker.
//
// Vegeta stamps a request when a worker takes it and pools connections without telling; so its client gets
// a RoundTripper of ours, which reads the sequence number that vegeta sends along, knows when that request
// was due, owns the queue for connections, and traces the stages of the exchange.
//
// Besides HTTP/1.1 it speaks HTTP/2 and follows redirects. Limits: by net/http, some 26 to 60 µs of CPU a
// request; with HTTP/2 the exchanges share connections, as many as the server's limit of streams asks for;
// redirects lead to other hosts too. net/http may by itself repeat an idempotent request when a kept
// connection turns out to be closed before any byte of an answer: such a request is one sample, as a user
// would see it.
package vegeta

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/seed-8025779b/shakedown/balancer/http1"
	"github.com/seed-8025779b/shakedown/loadgen/client"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/pace"
	"github.com/seed-8025779b/shakedown/loadgen/profile"
)

// LagLimit is the lateness (p99) up to which this engine's figures are trusted on any machine.
const LagLimit = 3 * time.Millisecond

// Engine plays schedules against one target.
type Engine struct {
	cfg      client.Config
	base     *url.URL
	dial     client.Dialer
	tls      *tls.Config
	inFlight atomic.Int64
}

// Lacks says what the configuration asks for and this engine does not have, or "".
func Lacks(c client.Config) string {
	switch {
	case c.Cookies:
		return "cookies that are kept"
	case c.PerConn > 0:
		return "limit of requests on a connection"
	}
	return ""
}

// New checks the configuration.
func New(c client.Config) (*Engine, error) {
	u, err := c.Base()
	if err != nil {
		return nil, err
	}
	e := &Engine{cfg: c, base: u}
	if e.tls, err = c.Connect.TLS(); err != nil {
		return nil, err
	}
	e.dial, err = c.Connect.Dialer()
	return e, err
}

// InFlight implements loadgen.Engine.
func (e *Engine) InFlight() int64 { return e.inFlight.Load() }

// url of a request: its path below the target's.
func (e *Engine) url(path string) (*url.URL, error) {
	if path == "" || path == "/" {
		return e.base, nil
	}
	ref, err := url.ParseRequestURI(client.Prefix(e.base) + path)
	if err != nil {
		return nil, fmt.Errorf("malformed path: %w", err)
	}
	u := *e.base
	u.Path, u.RawPath, u.RawQuery = ref.Path, ref.RawPath, ref.RawQuery
	return &u, nil
}

// connections makes the transport that carries the exchanges.
func (e *Engine) connections() *http.Transport {
	t := &http.Transport{
		DialContext:         e.dial,
		TLSClientConfig:     e.tls,
		TLSHandshakeTimeout: e.cfg.Stages.TLS,
		MaxIdleConnsPerHost: e.cfg.Connections,
		IdleConnTimeout:     90 * time.Second,
		DisableCompression:  true,
		Protocols:           &http.Protocols{},

		MaxResponseHeaderBytes: http1.MaxHead,
	}
	if limit := e.cfg.Stages.Connect; limit > 0 {
		t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, limit)
			defer cancel()
			return e.dial(ctx, network, address)
		}
	}
	if !e.cfg.HTTP2 {
		t.Protocols.SetHTTP1(true)
	} else {
		t.Protocols.SetHTTP2(e.base.Scheme == "https")
		t.Protocols.SetUnencryptedHTTP2(e.base.Scheme == "http")
	}
	return t
}

// Play implements loadgen.Engine.
func (e *Engine) Play(ctx context.Context, s profile.Schedule, clock pace.Clock, sink func(*measure.Sample)) error {
	base := e.connections()
	defer base.CloseIdleConnections()
	defer e.inFlight.Store(0)
	t := &transport{
		e: e, ctx: ctx, clock: clock, sink: sink, queue: newQueue(e.cfg.Connections), due: map[uint64]time.Duration{},
		base: &http.Client{Transport: base, CheckRedirect: e.redirect},
	}
	a := vegeta.NewAttacker(vegeta.Client(&http.Client{
		Transport: t,
	}))
	waiter, err := pace.NewWaiter(clock)
	if err != nil {
		return err
	}
	defer waiter.Close()
	stop := context.AfterFunc(ctx, func() {
		a.Stop()
		waiter.Interrupt()
	})
	defer stop()
	targeter := func(tgt *vegeta.Target) error {
		tgt.Method, tgt.URL = http.MethodGet, e.base.String() // the transport makes the real request
		return nil
	}
	for r := range a.Attack(targeter, &pacer{t, s.Walk(), waiter}, 0, "") {
		_ = r // its sample was delivered by the transport, which knows more
	}
	return nil
}

// redirect decides whether one more redirect is followed. When none is, the answer that redirects is the
// answer; one too many is a failure.
func (e *Engine) redirect(_ *http.Request, via []*http.Request) error {
	switch {
	case e.cfg.Redirects == 0:
		return http.ErrUseLastResponse
	case len(via) > e.cfg.Redirects:
		return fmt.Errorf("redirected more than %d times: redirects exceeded", e.cfg.Redirects)
	}
	return nil
}

// pacer releases each request at its due time. It sleeps itself, because vegeta's sleep can't be
// interrupted, and returns a wait of zero.
type pacer struct {
	t      *transport
	walk   *profile.Walk
	waiter *pace.Waiter
}

func (p *pacer) Pace(time.Duration, uint64) (wait time.Duration, stop bool) {
	seq, due, ok := p.walk.Next()
	if ok {
		p.t.expect(seq, due)
		p.t.e.inFlight.Add(1)
		ok = p.waiter.Wait(p.t.ctx, due) == nil
	}
	return 0, !ok
}

// Rate is only asked for by vegeta's own reports.
func (p *pacer) Rate(time.Duration) float64 { return 0 }

// transport carries out one request for each that vegeta's client hands it.
type transport struct {
	e     *Engine
	ctx   context.Context // of the play
	clock pace.Clock
	sink  func(*measure.Sample)
	queue *queue
	base  *http.Client

	mu  sync.Mutex
	due map[uint64]time.Duration // of the requests released and not yet taken up
}

func (t *transport) expect(seq uint64, due time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.due[seq] = due
}

func (t *transport) take(seq uint64) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	due := t.due[seq]
	delete(t.due, seq)
	return due
}
