// Package vegeta plays a schedule through vegeta's attacker.
//
// Vegeta stamps a request when a worker takes it and pools connections without telling; so its client gets
// a RoundTripper of ours, which reads the sequence number that vegeta sends along, knows when that request
// was due, owns the queue for connections, and traces the stages of the exchange. Closed loops, which vegeta
// has none of, use the same RoundTripper.
//
// Requests are sent again by the rule of package wire: once, on a new connection, when the server has closed a
// reused one without a byte of an answer, and no byte of the request had left, or it is idempotent and the close came
// within 5 ms and the time that the connection took to make (attempt.Config.MetClose). With HTTP/2 a request is sent again, once,
// when the server says that it has not processed it (GOAWAY, REFUSED_STREAM). Sample.Reconnect counts what was sent
// again, Sent is the stamp of the last time. A redirect begins a new request: each may be sent again once, and Sent is
// of the first.
//
// Besides HTTP/1.1 it speaks HTTP/2 and follows redirects. Limits: by net/http, some 26 to 60 µs of CPU a
// request; a close by the server is noticed by a goroutine of net/http's, so that more requests meet one than with
// package wire; with HTTP/2 the exchanges share connections, as many as the server's limit of streams asks for;
// redirects lead to other hosts too.
package vegeta

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/seed-8025779b/shakedown/loadgen/attempt"
	"github.com/seed-8025779b/shakedown/loadgen/client"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/pace"
	"github.com/seed-8025779b/shakedown/loadgen/profile"
)

// LagLimit is the delay of a single request by the generator itself that is tolerated on any machine, and counts as
// none.
const LagLimit = 3 * time.Millisecond

// Engine plays schedules against one target.
type Engine struct {
	cfg      attempt.Config
	base     *url.URL
	dial     client.Dialer
	tls      *tls.Config
	inFlight atomic.Int64
	ids      client.IDs // of targets and faults, as the balancer reports them
}

// Unsupported names what the configuration asks for and this engine does not have; "" when it has everything.
func Unsupported(c attempt.Config) string {
	switch {
	case c.Cookies:
		return "cookies that are kept"
	case c.PerConn > 0:
		return "limit of requests on a connection"
	}
	return ""
}

// New checks the configuration.
func New(c attempt.Config) (*Engine, error) {
	u, err := client.Base(&c)
	if err != nil {
		return nil, err
	}
	e := &Engine{cfg: c, base: u}
	if e.tls, err = client.TLS(&c.Connect); err != nil {
		return nil, err
	}
	e.dial, err = client.NewDialer(&c.Connect)
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

// Play implements loadgen.Engine.
func (e *Engine) Play(ctx context.Context, s profile.Schedule, clock pace.Clock, sink func(*measure.Sample)) error {
	t := newTransport(ctx, e, clock, sink)
	defer t.closeConnections()
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
	var stretches sync.WaitGroup
	for _, stretch := range s.Closed {
		stretches.Go(func() { client.PlayUsers(ctx, clock, stretch, &e.cfg, t.user) })
	}
	for r := range a.Attack(targeter, &pacer{t, s.Walk(), waiter}, 0, "") {
		_ = r // its sample was delivered by the transport, which knows more
	}
	t.cancelLeft()
	stretches.Wait()
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
	if !ok || p.waiter.Wait(p.t.ctx, due) != nil {
		return 0, true
	}
	p.t.expect(seq, due)
	return 0, false
}

// Rate is only asked for by vegeta's own reports.
func (p *pacer) Rate(time.Duration) float64 { return 0 }
