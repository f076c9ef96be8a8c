// Package wire is the engine that speaks HTTP/1.1 itself, on keep-alive connections, without allocating in
// the steady state: one goroutine a connection, one locked thread that paces.
//
// There is no pipelining. A connection's exchanges follow each other; a request that finds none free waits
// in order of its due time, and is dropped at due + timeout. Responses are parsed strictly: what is ambiguous
// counts as malformed.
//
// Limits: HTTP/1.1 over TCP or TLS; redirects are not followed; bodies are read and counted, not kept.
package wire

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/mix"
	"github.com/seed-8025779b/shakedown/loadgen/pace"
	"github.com/seed-8025779b/shakedown/loadgen/profile"
)

// LagLimit is the lateness (p99) up to which this engine's figures are trusted on any machine.
const LagLimit = time.Millisecond

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
	cfg      Config
	address  string
	tls      *tls.Config // nil for http
	prepared []prepared  // by place in the mix
}

// prepared is a request ready to be sent, but for its sequence number.
type prepared struct {
	name       string
	head, tail []byte // what stands before the number and after it
	isHead     bool
	bodyBytes  int64
	expect     *mix.Expect
}

// New checks the configuration and prepares the requests.
func New(c Config) (*Engine, error) {
	u, err := url.Parse(c.Target)
	if err != nil {
		return nil, fmt.Errorf("target: %w", err)
	}
	e := &Engine{cfg: c}
	if c.Dial == nil {
		e.cfg.Dial = (&net.Dialer{}).DialContext
	}
	port := u.Port()
	switch u.Scheme {
	case "http":
		port = orElse(port, "80")
	case "https":
		port = orElse(port, "443")
		e.tls = &tls.Config{MinVersion: tls.VersionTLS12}
		if c.TLS != nil {
			e.tls = c.TLS.Clone()
		}
		e.tls.ServerName, e.tls.NextProtos = u.Hostname(), []string{"http/1.1"}
	}
	if port == "" || u.Hostname() == "" {
		return nil, fmt.Errorf("target %q is not an http or https URL", c.Target)
	}
	e.address = net.JoinHostPort(u.Hostname(), port)
	for _, r := range c.Mix.Requests() {
		p, err := e.prepare(u, &r)
		if err != nil {
			return nil, fmt.Errorf("request %s: %w", r.Name, err)
		}
		e.prepared = append(e.prepared, p)
	}
	return e, nil
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func (e *Engine) prepare(base *url.URL, r *mix.Request) (prepared, error) {
	u := *base
	if r.Path != "" && r.Path != "/" {
		ref, err := url.Parse(r.Path)
		if err != nil {
			return prepared{}, err
		}
		u.Path, u.RawPath, u.RawQuery = strings.TrimSuffix(base.Path, "/")+ref.Path, "", ref.RawQuery
	}
	host, own := base.Host, ""
	given := map[string]bool{}
	for name, value := range r.Headers {
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		if strings.ContainsAny(name, " \t\r\n:") || name == "" || strings.ContainsAny(value, "\r\n\x00") {
			return prepared{}, fmt.Errorf("header %q can't be sent", name)
		}
		if canonical == "Host" {
			host = value
			continue
		}
		given[canonical] = true
		own += canonical + ": " + value + "\r\n"
	}
	b := r.Method + " " + u.RequestURI() + " HTTP/1.1\r\nHost: " + host + "\r\n"
	if !given["User-Agent"] {
		b += "User-Agent: shakedown\r\n"
	}
	b += own
	if r.Body != "" || r.Method == "POST" || r.Method == "PUT" || r.Method == "PATCH" {
		b += "Content-Length: " + strconv.Itoa(len(r.Body)) + "\r\n"
	}
	p := prepared{name: r.Name, isHead: r.Method == "HEAD", bodyBytes: int64(len(r.Body)), expect: r.Expect}
	if e.cfg.Identify {
		p.head = []byte(b + mix.SeqHeader + ": ")
		p.tail = []byte("\r\n\r\n" + r.Body)
	} else {
		p.tail = []byte(b + "\r\n" + r.Body)
	}
	return p, nil
}

// job is one request on its way to a connection.
type job struct {
	seq          uint64
	due, offered time.Duration
}

// play is one playing of a schedule.
type play struct {
	e     *Engine
	ctx   context.Context
	clock pace.Clock
	sink  func(*measure.Sample)
	conns sync.WaitGroup

	cancelled atomic.Bool

	mu      sync.Mutex
	all     []*conn
	idle    []*conn // the last one used is used next, so that the excess stays idle
	waiting ring
	closing bool    // nothing more will be offered
	users   []*conn // of closed-loop stretches
}

// Play implements loadgen.Engine.
func (e *Engine) Play(ctx context.Context, s profile.Schedule, clock pace.Clock, sink func(*measure.Sample)) error {
	p := &play{e: e, ctx: ctx, clock: clock, sink: sink}
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
	for _, closed := range s.Closed {
		p.conns.Go(func() { p.playClosed(closed) })
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

// offer hands a request to an idle connection, to a new one, or to the queue.
func (p *play) offer(j job) {
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		c.wake <- j
		return
	}
	if len(p.all) < p.e.cfg.Connections {
		c := p.connection()
		c.first, c.wake = j, make(chan job, 1)
		p.all = append(p.all, c)
		p.mu.Unlock()
		p.conns.Go(c.run)
		return
	}
	j.offered = p.clock.Now()
	p.waiting.push(j)
	p.mu.Unlock()
}

// next returns the connection's next request; false when there will be none. A request whose time has run
// out in the queue is dropped here: connections come by at least as often as requests time out.
func (p *play) next(c *conn) (job, bool) {
	for {
		p.mu.Lock()
		j, ok := p.waiting.pop()
		if !ok {
			if p.closing {
				p.mu.Unlock()
				return job{}, false
			}
			p.idle = append(p.idle, c)
			p.mu.Unlock()
			j, ok = <-c.wake
			return j, ok
		}
		p.mu.Unlock()
		if p.clock.Now() < j.due+p.e.cfg.Timeout {
			return j, true
		}
		c.drop(j)
	}
}

// finish lets the connections end once the queue is empty.
func (p *play) finish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closing = true
	for _, c := range p.idle {
		close(c.wake)
	}
	p.idle = nil
}

// cancel interrupts what the connections do.
func (p *play) cancel() {
	p.cancelled.Store(true)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.all {
		c.interrupt()
	}
	for _, c := range p.users {
		c.interrupt()
	}
}
