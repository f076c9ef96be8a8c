package balancer

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/certs"
	"github.com/seed-8025779b/shakedown/balancer/h2"
	"github.com/seed-8025779b/shakedown/balancer/proxy"
	"github.com/seed-8025779b/shakedown/balancer/serve"
)

// frontServer is what serves one listener, in both versions of HTTP.
type frontServer struct {
	*serve.Server
	h2 *h2.Server // nil when it is not spoken
}

// frontServer makes what serves the i-th listener.
func (b *Balancer) frontServer(i int) (*frontServer, error) {
	l := &b.cfg.Listeners[i]
	_, port, err := net.SplitHostPort(b.listeners[i].Addr().String())
	if err != nil {
		return nil, err
	}
	hooks := proxy.Hooks{Now: b.clock.Now, Touch: b.opts.Touch, Discard: b.discard, TrustSeq: b.cfg.Trace || b.cfg.TrustSeq, Short: b.short, Access: b.opts.Access.access(b.cfg.Seed)}
	if b.cfg.Trace {
		hooks.Trace = b.abandoned.add
	}
	if hooks.Sampled = b.opts.Decisions.sampled(b.cfg.Seed.Stream("decision log")); hooks.Sampled != nil {
		hooks.Decision = b.opts.Decisions.decision
	}
	front := proxy.NewFront(b.routing[i], port, b.cfg.Seed, l.Options, hooks, &b.counters)
	c := serve.Config{
		Handler: front, Refused: front.Refused, Status: func(reason error) int { return proxy.Refusal(&l.Options.Status, reason) }, Proxied: l.ProxyHeader,
		Idle: l.Timeouts.Idle, Header: l.Timeouts.Header, Body: l.Timeouts.Body, Write: l.Timeouts.Write,
		Connections: connectionLimits(b.cfg.Listeners, b.descriptors.Most())[i], Descriptors: b.descriptors, HeadLine: l.Limits.Line, Head: l.Limits.Head, Fields: l.Limits.Headers, MaxBody: int64(l.Limits.Body),
	}
	s := &frontServer{}
	protocols := []string{"http/1.1"}
	if !l.HTTP1Only {
		protocols = []string{"h2", "http/1.1"}
		s.h2 = h2.NewServer(cmp.Or(l.Timeouts.Idle, time.Minute), l.Limits.Head)
		c.HTTP2 = func(nc net.Conn, p serve.Peer) {
			s.h2.Serve(nc, func(stream net.Conn) { s.ServeStream(stream, p) })
		}
	}
	if store := b.certs[i]; store != nil {
		c.TLS = store.TLS(protocols...)
	}
	s.Server = serve.New(c)
	return s, nil
}

// shutdown lets what is under way finish until the context ends, and cuts the rest.
func (s *frontServer) shutdown(ctx context.Context, linger time.Duration) {
	var both sync.WaitGroup
	if s.h2 != nil {
		both.Go(func() { s.h2.Shutdown(ctx) })
	}
	_ = s.Shutdown(ctx, linger) // it says that something was cut: the context's end says so too
	both.Wait()
}

// certificatesEvery is how often the files of certificates are looked at.
const certificatesEvery = 5 * time.Second

// openFiles reads what the configuration names: certificates and authorities.
func (b *Balancer) openFiles() error {
	for i := range b.cfg.Listeners {
		var store *certs.Store
		if c := b.cfg.Listeners[i].TLS; c != nil {
			var err error
			if store, err = certs.Open(*c, time.Now); err != nil {
				return fmt.Errorf("listener %s: %w", b.cfg.Listeners[i].Address, err)
			}
			if file := store.Authority(); file != "" {
				b.opts.Note("certificates come from a local authority: trust " + file)
			}
		}
		b.certs = append(b.certs, store)
	}
	for _, o := range b.owners() {
		if err := o.openFiles(); err != nil {
			return err
		}
	}
	return nil
}

// watchCertificates reads certificates again when their files change, until the balancer is closed.
func (b *Balancer) watchCertificates() {
	tick := time.NewTicker(certificatesEvery)
	defer tick.Stop()
	last := ""
	for {
		select {
		case <-b.ctx.Done():
			return
		case <-tick.C:
			if said := b.reloadCertificates(); said != last { // the same trouble is told once
				last = said
				if said != "" {
					b.opts.Note(said)
				}
			}
		}
	}
}

// reloadCertificates reads what has changed, and says what came of it; "" when nothing has.
func (b *Balancer) reloadCertificates() string {
	var said []string
	for i, store := range b.certs {
		if store == nil {
			continue
		}
		changed, err := store.Reload()
		switch {
		case err != nil:
			said = append(said, fmt.Sprintf("listener %s: %v; the old one stays in use", b.cfg.Listeners[i].Address, err))
		case changed:
			said = append(said, fmt.Sprintf("listener %s: new certificates are in use", b.cfg.Listeners[i].Address))
		}
	}
	return strings.Join(said, "; ")
}
