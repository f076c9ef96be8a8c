package balancer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/health"
	"github.com/seed-8025779b/shakedown/balancer/proxy"
	"github.com/seed-8025779b/shakedown/balancer/proxyheader"
	"github.com/seed-8025779b/shakedown/chaos"
)

// probe checks one target until the context ends: at once, then on its seeded grid. A probe opens a
// connection of its own and closes it, as an application load balancer's does.
func (o *owner) probe(ctx context.Context, cfg Group, t *group.Target) {
	h := cfg.Health
	p := &prober{owner: o, health: h, http2: cfg.HTTP2, header: cfg.ProxyHeader}
	at := h.FirstProbe(o.b.clock.Now())
	for n := uint64(0); o.b.clock.Sleep(ctx, at) == nil; n++ {
		err := p.probe(ctx, t, n)
		if ctx.Err() != nil {
			return
		}
		if proxy.NoResources(err) { // it says nothing about the target
			o.b.short(err)
		} else {
			o.probed(t, err)
		}
		origin := time.Duration(o.b.origin.Load())
		at = origin + h.NextProbe(o.b.cfg.Seed, t.ID, o.b.clock.Now()-origin)
	}
}

// probed tells the group what a probe has found.
func (o *owner) probed(t *group.Target, err error) {
	reason := ""
	if err != nil {
		reason = err.Error()
	}
	o.do(func(now time.Duration) []group.Effect { return o.g.Probed(now, t, err == nil, reason) })
}

// prober checks a target by one configuration.
type prober struct {
	*owner
	health *health.Config
	http2  bool
	header int // version of the PROXY header
}

// client asks a target once, in the way that its exchanges do. end closes what it has opened: a connection of HTTP/2 whose
// probe is given up would otherwise stay.
func (p *prober) client() (client *http.Client, end func()) {
	var opened connections
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		nc, err := p.dialProbe(ctx, network, address)
		if err == nil && !opened.add(nc) {
			nc.Close()
			return nil, net.ErrClosed
		}
		return nc, err
	}
	t := &http.Transport{DisableKeepAlives: true, DialContext: dial, Protocols: &http.Protocols{}}
	if p.pool.TLS != nil {
		t.TLSClientConfig = p.pool.TLS.Clone()
	}
	two := p.http2 || p.health.Kind == health.GRPC
	t.Protocols.SetHTTP1(!two)
	t.Protocols.SetHTTP2(two && p.pool.TLS != nil)
	t.Protocols.SetUnencryptedHTTP2(two && p.pool.TLS == nil)
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, opened.close
}

// connections are those of one probe.
type connections struct {
	mu     sync.Mutex
	open   []net.Conn
	closed bool
}

// add reports false when the probe is over: the connection came too late.
func (c *connections) add(nc net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.open = append(c.open, nc)
	}
	return !c.closed
}

func (c *connections) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, nc := range c.open {
		nc.Close()
	}
}

// dialProbe makes a connection for a check, and says so when the targets want to know whose connections are.
func (p *prober) dialProbe(ctx context.Context, network, address string) (net.Conn, error) {
	dial := func(ctx context.Context, address string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	if p.b.opts.Dial != nil {
		dial = p.b.opts.Dial
	}
	nc, err := dial(ctx, address)
	if proxy.NoDescriptor(err) && p.b.descriptors.Free() {
		nc, err = dial(ctx, address)
	}
	if err != nil || p.header == 0 {
		return nc, err
	}
	if _, err := nc.Write(proxyheader.Append(nil, p.header, proxyheader.Header{})); err != nil {
		nc.Close()
		return nil, err
	}
	return nc, nil
}

// probe checks once.
func (p *prober) probe(ctx context.Context, t *group.Target, n uint64) error {
	ctx, cancel := context.WithTimeoutCause(ctx, p.health.Timeout, fmt.Errorf("no answer within %v", p.health.Timeout))
	defer cancel()
	if p.b.opts.Touch != nil {
		e := p.b.opts.Touch(&chaos.Exchange{Target: t.ID, Seq: n, Probe: true})
		if p.b.clock.Sleep(ctx, p.b.clock.Now()+e.Delay) != nil {
			return context.Cause(ctx)
		}
		if e.Status != 0 {
			return fmt.Errorf("status %d", e.Status)
		}
	}
	if p.health.Kind == health.TCP {
		return p.knock(ctx, t)
	}
	client, end := p.client()
	defer end()
	if p.health.Kind == health.GRPC {
		return p.call(ctx, client, t)
	}
	return p.ask(ctx, client, t)
}

// address is where a target is probed.
func (p *prober) address(t *group.Target) string {
	if port := p.health.Port; port > 0 {
		if host, _, err := net.SplitHostPort(t.Address); err == nil {
			return net.JoinHostPort(host, strconv.Itoa(port))
		}
	}
	return t.Address
}

// knock makes a connection and closes it.
func (p *prober) knock(ctx context.Context, t *group.Target) error {
	c, err := p.dialProbe(ctx, "tcp", p.address(t))
	if err != nil {
		return plainly(ctx, err)
	}
	return c.Close()
}

// maxProbeBody is how much of an answer is looked at.
const maxProbeBody = 64 << 10

func (p *prober) request(ctx context.Context, t *group.Target, method string, body io.Reader) (*http.Request, error) {
	scheme := "http"
	if p.pool.TLS != nil {
		scheme = "https"
	}
	req, err := http.NewRequestWithContext(ctx, method, scheme+"://"+p.address(t)+p.health.Path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "shakedown-health-check")
	req.Host = p.health.Host
	return req, nil
}

// call makes a call of gRPC and judges its status.
func (p *prober) call(ctx context.Context, client *http.Client, t *group.Target) error {
	req, err := p.request(ctx, t, http.MethodPost, bytes.NewReader(p.health.Call()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("TE", "trailers")
	res, err := client.Do(req)
	if err != nil {
		return plainly(ctx, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", res.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxProbeBody))
	if err != nil {
		return plainly(ctx, err)
	}
	status := res.Trailer.Get("Grpc-Status")
	if status == "" { // of an answer without content it stands in the head
		status = res.Header.Get("Grpc-Status")
	}
	if what := p.health.JudgeCall(status, body); what != "" {
		return errors.New(what)
	}
	return nil
}

// ask sends a request and judges its answer.
func (p *prober) ask(ctx context.Context, client *http.Client, t *group.Target) error {
	req, err := p.request(ctx, t, http.MethodGet, nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return plainly(ctx, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxProbeBody))
	if err != nil && p.health.Body != "" {
		return plainly(ctx, err)
	}
	if what := p.health.Judge(res.StatusCode, body); what != "" {
		return errors.New(what)
	}
	return nil
}

// plainly is an error without what stands around it: the method, the URL; and the timeout in our own words.
func plainly(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return op
	}
	return err
}
