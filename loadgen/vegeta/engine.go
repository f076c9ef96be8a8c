// Package vegeta plays a schedule through vegeta's attacker.
//
// Vegeta stamps a request when a worker takes it and pools connections without telling; so its client gets
// a RoundTripper of ours, which reads the sequence number that vegeta sends along, knows when that request
// was due, owns the queue for connections, and traces the stages of the exchange.
//
// Limits: HTTP/1.1 by net/http; about 60 µs of CPU a request. net/http may by itself repeat an idempotent
// request when a kept connection turns out to be closed before any byte of an answer: such a request is
// one sample, as a user would see it.
package vegeta

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/mix"
	"github.com/seed-8025779b/shakedown/loadgen/pace"
	"github.com/seed-8025779b/shakedown/loadgen/profile"
)

// LagLimit is the lateness (p99) up to which this engine's figures are trusted on any machine.
const LagLimit = 3 * time.Millisecond

// Config is what a load is played with.
type Config struct {
	Target      string // http or https URL; the requests' paths are resolved below it
	Mix         *mix.Mix
	Timeout     time.Duration                                                        // from the due time to the end of the exchange
	Connections int                                                                  // exchanges at once; more wait in order of due time
	Identify    bool                                                                 // send each request's sequence number along
	TLS         *tls.Config                                                          // nil: the defaults
	Dial        func(ctx context.Context, network, address string) (net.Conn, error) // nil: net.Dialer's
}

// Engine plays schedules against one target.
type Engine struct {
	cfg  Config
	base *url.URL
}

// New checks the configuration.
func New(c Config) (*Engine, error) {
	u, err := url.Parse(c.Target)
	if err != nil {
		return nil, fmt.Errorf("target: %w", err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("target %q is not an http or https URL", c.Target)
	}
	return &Engine{c, u}, nil
}

// url of a request: its path below the target's.
func (e *Engine) url(path string) (*url.URL, error) {
	if path == "" || path == "/" {
		return e.base, nil
	}
	ref, err := url.Parse(path)
	if err != nil {
		return nil, err
	}
	u := *e.base
	u.Path = strings.TrimSuffix(u.Path, "/") + ref.Path
	u.RawPath, u.RawQuery = "", ref.RawQuery
	return &u, nil
}

// Play implements loadgen.Engine.
func (e *Engine) Play(ctx context.Context, s profile.Schedule, clock pace.Clock, sink func(*measure.Sample)) error {
	t := &transport{
		e: e, ctx: ctx, clock: clock, sink: sink, queue: newQueue(e.cfg.Connections), due: map[uint64]time.Duration{},
		base: &http.Transport{
			DialContext:         e.cfg.Dial,
			TLSClientConfig:     e.cfg.TLS,
			MaxIdleConnsPerHost: e.cfg.Connections,
			IdleConnTimeout:     90 * time.Second,
			DisableCompression:  true,
			TLSNextProto:        map[string]func(string, *tls.Conn) http.RoundTripper{}, // HTTP/1.1 only
		},
	}
	defer t.base.CloseIdleConnections()
	a := vegeta.NewAttacker(vegeta.Client(&http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
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
	base  *http.Transport

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
