package balancer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/health"
	"github.com/seed-8025779b/shakedown/balancer/proxyheader"
	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/loadgen/socket"
)

// probe checks one target until the context ends, as its Prober says. A probe opens a connection of its own and closes it, as an
// application load balancer's does.
func (o *owner) probe(ctx context.Context, cfg config.Group, t *group.Target) {
	p := &prober{owner: o, health: cfg.Health, http2: cfg.HTTP2, header: cfg.ProxyHeader}
	touch := o.b.opts.Touch
	if touch == nil {
		touch = func(*chaos.Exchange) chaos.Effect { return chaos.Effect{} }
	}
	decides := health.NewProber(cfg.Health, o.b.cfg.Seed, t.ID, touch)
	origin := time.Duration(o.b.origin.Load())
	for step := decides.Begin(o.b.clock.Now() - origin); ctx.Err() == nil; {
		if step.Report {
			o.do(func(now time.Duration) []group.Effect {
				return o.g.Probed(now, t, step.Finding.Passed, step.Finding.Reason)
			})
		}
		var e health.Event
		if step.Send {
			e = p.send(ctx, t, origin+step.Until-o.b.clock.Now())
		} else {
			_ = o.b.clock.Sleep(ctx, origin+step.Until) // the loop ends with the context
		}
		if ctx.Err() != nil {
			return
		}
		origin = time.Duration(o.b.origin.Load())
		step = decides.Next(o.b.clock.Now()-origin, e)
	}
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
	if socket.NoDescriptor(err) && p.b.descriptors.Free() {
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

// errProbeLate is of probes that have taken too long.
var errProbeLate = errors.New("the probe has taken too long")

// send sends one probe, which has so much time.
func (p *prober) send(ctx context.Context, t *group.Target, within time.Duration) health.Event {
	ctx, cancel := context.WithTimeoutCause(ctx, within, errProbeLate)
	defer cancel()
	e, err := p.ask(ctx, t)
	switch {
	case err == nil:
		return e
	case context.Cause(ctx) != nil: // whatever it was that failed for it
		return health.Event{Kind: health.Expired}
	case socket.NoResources(err):
		p.b.short(err)
		return health.Event{Kind: health.Failed, Nothing: true, Reason: err.Error()}
	}
	var op *net.OpError
	if errors.As(err, &op) { // without what stands around it: the method, the URL
		err = op
	}
	return health.Event{Kind: health.Failed, Reason: err.Error()}
}

// ask asks a target in the way of the check.
func (p *prober) ask(ctx context.Context, t *group.Target) (health.Event, error) {
	if p.health.Kind == health.TCP {
		return p.knock(ctx, t)
	}
	client, end := p.client()
	defer end()
	defer context.AfterFunc(ctx, end)() // net/http does not end every read: that of a 101's body goes on
	if p.health.Kind == health.GRPC {
		return p.call(ctx, client, t)
	}
	return p.get(ctx, client, t)
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
func (p *prober) knock(ctx context.Context, t *group.Target) (health.Event, error) {
	c, err := p.dialProbe(ctx, "tcp", p.address(t))
	if err != nil {
		return health.Event{}, err
	}
	return health.Event{Kind: health.Connected}, c.Close()
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

// call makes a call of gRPC.
func (p *prober) call(ctx context.Context, client *http.Client, t *group.Target) (e health.Event, err error) {
	req, err := p.request(ctx, t, http.MethodPost, bytes.NewReader(p.health.Call()))
	if err != nil {
		return e, err
	}
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("TE", "trailers")
	res, err := client.Do(req)
	if err != nil {
		return e, err
	}
	defer res.Body.Close()
	if e = (health.Event{Kind: health.Answered, Status: res.StatusCode}); res.StatusCode != http.StatusOK {
		return e, nil
	}
	e.Kind = health.Called
	if e.Body, err = io.ReadAll(io.LimitReader(res.Body, maxProbeBody)); err != nil {
		return e, err
	}
	if e.CallEnd = res.Trailer.Get("Grpc-Status"); e.CallEnd == "" { // of an answer without content it stands in the head
		e.CallEnd = res.Header.Get("Grpc-Status")
	}
	return e, nil
}

// get sends a request and reads its answer.
func (p *prober) get(ctx context.Context, client *http.Client, t *group.Target) (e health.Event, err error) {
	req, err := p.request(ctx, t, http.MethodGet, nil)
	if err != nil {
		return e, err
	}
	res, err := client.Do(req)
	if err != nil {
		return e, err
	}
	defer res.Body.Close()
	e = health.Event{Kind: health.Answered, Status: res.StatusCode}
	if res.StatusCode == http.StatusSwitchingProtocols { // what follows is of another protocol, and no body
		return e, nil
	}
	if e.Body, err = io.ReadAll(io.LimitReader(res.Body, maxProbeBody)); err != nil && p.health.Body == "" {
		err = nil // nobody wants to know what stands in it
	}
	return e, err
}
