package proxy

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/exchange"
	"github.com/seed-8025779b/shakedown/balancer/h2"
	"github.com/seed-8025779b/shakedown/balancer/http1"
	"github.com/seed-8025779b/shakedown/balancer/serve"
)

const (
	connectTimeout = 5 * time.Second // Envoy's default

	hasty    = time.Second      // a target that closes connections which have been idle for less may do so at any request
	wariness = 10 * time.Second // for which it is then given requests that can't be repeated on new connections only
)

// upstream is the connections to one target. It never repeats a request by itself.
type upstream struct {
	address           string
	connect, response time.Duration
	tls               *tls.Config
	header            int                                                         // version of the PROXY header
	h2                *h2.Client                                                  // nil unless HTTP/2 is spoken
	dialer            func(ctx context.Context, address string) (net.Conn, error) // nil for TCP
	descriptors       *serve.Descriptors                                          // that its connections are counted in

	wary atomic.Int64 // Unix time in ns until which it is; see hasty

	mu     sync.Mutex
	idle   []*conn // the last one used is used next, so that the excess stays idle
	closed bool
}

func newUpstream(p *Pool, address string) *upstream {
	u := &upstream{address: address, connect: cmp.Or(p.Connect, connectTimeout), response: p.response(), tls: p.TLS, header: p.ProxyHeader, dialer: p.Dial, descriptors: p.Descriptors}
	if u.tls != nil && u.tls.ServerName == "" {
		u.tls = u.tls.Clone()
		u.tls.ServerName, _, _ = net.SplitHostPort(address)
	}
	if p.HTTP2 {
		u.h2 = h2.NewClient(address, u.tls != nil, u.response, func(ctx context.Context) (net.Conn, error) {
			c := &conn{}
			err := u.dial(ctx, nil, c)
			return c.nc, err
		})
	}
	return u
}

// response is how long a target may let nothing come of an answer.
func (p *Pool) response() time.Duration { return cmp.Or(p.Response, exchange.DefaultResponse) }

// bufferSize is what is read of a target at once. With its head and framing it fits what answers are written in.
const bufferSize = serve.BufferSize

var readBuffers = sync.Pool{New: func() any { b := make([]byte, bufferSize); return &b }}

// conn is a connection to a target, and the answer under way on it.
type conn struct {
	nc        net.Conn
	socket    *serve.ProgressConn // below nc; nil for a stream of HTTP/2
	below     *tlsSocket          // between them; nil without TLS
	owner     netip.AddrPort      // the only client it may be used for; invalid for any
	patience  time.Duration       // without a byte of the answer; of the exchange under way
	connected time.Duration       // that it took to connect
	watch     serve.Watcher       // nil for a stream of HTTP/2
	reusable  bool
	reused    bool      // it has had an exchange before this one
	idleSince time.Time // when it was given back

	x        *driver   // under way; nil while idle
	before   int64     // bytes that had been sent before it
	got      bool      // something of its answer came
	counting bool      // the time is counted as the target's
	looked   time.Time // when the client was last known to be there, while the head of the answer is waited for

	in   *[]byte // nil while idle
	have int
	at   int
	full bool    // the latest read left no room
	one  [1]byte // what holdsMore reads
	res  http1.Response
	body http1.Body
}

// reuse returns an idle connection that is still open, for a client; nil when there is none, or none that is safe for a request
// that can't be repeated.
func (u *upstream) reuse(client *serve.Peer, repeatable bool, need h2.Need) *conn {
	if u.h2 != nil {
		stream := u.h2.Reuse(need)
		if stream == nil {
			return nil
		}
		c := u.stream(stream)
		c.reused, c.connected = true, stream.Connected
		return c
	}
	if !repeatable && u.isWary() {
		return nil
	}
	var owner netip.AddrPort
	if u.header > 0 { // the target has been told whose connection it is
		owner = client.Remote
	}
	for {
		c := u.takeIdle(owner)
		if c == nil {
			return nil
		}
		// Without the look every request after a target's death would fail with bytes already sent.
		if c.watch.Quiet() {
			c.reused = true
			return c
		}
		u.closedUnsaid(c)
		c.nc.Close()
	}
}

// closedUnsaid notes that the target has closed a connection that was kept for the next request, without having said so.
func (u *upstream) closedUnsaid(c *conn) {
	if now := time.Now(); now.Sub(c.idleSince) < hasty {
		u.wary.Store(now.Add(wariness).UnixNano())
	}
}

// brokeOff notes the error that ended an exchange. A connection that was used before has been closed unsaid when nothing of the request
// had reached the target; else the request itself may be why the target ended it, and one client would decide how all the others are
// served.
func (u *upstream) brokeOff(c *conn, err error) {
	if c.reused && closed(err) && c.untouched(err) {
		u.closedUnsaid(c)
	}
}

// isWary reports whether the target may close its idle connections at any time.
func (u *upstream) isWary() bool {
	until := u.wary.Load()
	return until != 0 && time.Now().UnixNano() < until
}

// stream is a stream of HTTP/2 as a connection.
func (u *upstream) stream(s *h2.Exchange) *conn {
	c := &conn{nc: s}
	s.SetLook(c.look)
	return c
}

// open makes a connection for a client. The context's cause is the error when it ends first.
func (u *upstream) open(ctx context.Context, client *serve.Peer, need h2.Need) (*conn, error) {
	if u.h2 != nil {
		s, err := u.h2.Open(ctx, need)
		if err != nil {
			return nil, err
		}
		return u.stream(s), nil
	}
	c := &conn{}
	if u.header > 0 {
		c.owner = client.Remote
	}
	began := time.Now()
	if err := u.dial(ctx, client, c); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return nil, err
	}
	c.connected = time.Since(began)
	var err error
	if c.watch, err = serve.Watch(c.socket.Conn); err != nil {
		c.nc.Close()
		return nil, err
	}
	return c, nil
}

// takeIdle takes the idle connection that was used last.
func (u *upstream) takeIdle(owner netip.AddrPort) *conn {
	u.mu.Lock()
	defer u.mu.Unlock()
	for i := len(u.idle) - 1; i >= 0; i-- {
		if c := u.idle[i]; c.owner == owner {
			u.idle = slices.Delete(u.idle, i, i+1)
			return c
		}
	}
	return nil
}

// give takes a connection back, to be kept when the exchange on it has ended properly.
func (u *upstream) give(c *conn, keep bool) {
	if c.in != nil && len(*c.in) == bufferSize { // a grown one is not worth keeping
		readBuffers.Put(c.in)
	}
	keep = keep && c.at == c.have && c.watch != nil && !c.holdsMore() // what came behind the answer would be the next one
	c.in, c.have, c.at, c.x = nil, 0, 0, nil
	if cap(c.body.Trailer) > maxKept {
		c.body.Trailer = nil
	}
	c.idleSince = time.Now()
	if !keep {
		c.nc.Close()
	} else if excess := u.keep(c); excess != nil {
		excess.nc.Close()
	}
}

// keep adds a connection to the idle ones, and returns the one that is to be closed for it, or it itself; nil for none. Connections are
// closed without the lock: TLS takes leave of the target, and may have to wait for it.
func (u *upstream) keep(c *conn) (excess *conn) {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case u.closed, len(u.idle) >= exchange.MaxIdle && !c.owner.IsValid():
		return c
	case len(u.idle) >= exchange.MaxIdle: // the oldest one's client may be long gone
		excess = u.idle[0]
		u.idle = slices.Delete(u.idle, 0, 1)
	}
	u.idle = append(u.idle, c)
	return excess
}

// sweep closes the idle connections that the target has closed, and those of HTTP/2 that are not needed any more.
func (u *upstream) sweep() {
	if u.h2 != nil {
		u.h2.Sweep(time.Now())
		return
	}
	for _, c := range u.takeGone() {
		c.nc.Close()
	}
}

// takeGone takes the idle connections that the target has closed.
func (u *upstream) takeGone() (gone []*conn) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.idle = slices.DeleteFunc(u.idle, func(c *conn) bool {
		if c.watch.Quiet() {
			return false
		}
		u.closedUnsaid(c)
		gone = append(gone, c)
		return true
	})
	return gone
}

func (u *upstream) close() {
	u.mu.Lock()
	idle := u.idle
	u.closed, u.idle = true, nil
	u.mu.Unlock()
	if u.h2 != nil {
		u.h2.Close()
	}
	for _, c := range idle {
		c.nc.Close()
	}
}

// errOver is of exchanges that take longer than they may as a whole.
var errOver = fmt.Errorf("the exchange has taken too long: %w", os.ErrDeadlineExceeded)

func (c *conn) unread() []byte {
	if c.in == nil {
		return nil
	}
	return (*c.in)[c.at:c.have]
}
