package proxy

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/h2"
	"github.com/seed-8025779b/shakedown/balancer/http1"
	"github.com/seed-8025779b/shakedown/balancer/proxyheader"
	"github.com/seed-8025779b/shakedown/balancer/serve"
	"github.com/seed-8025779b/shakedown/loadgen/socket"
)

const (
	connectTimeout  = 5 * time.Second  // Envoy's default
	responseTimeout = 60 * time.Second // an application load balancer's idle timeout
	maxIdle         = 256              // connections kept to one target; the excess is closed
)

// upstream is the connections to one target. It never repeats a request by itself.
type upstream struct {
	address           string
	connect, response time.Duration
	tls               *tls.Config
	header            int        // version of the PROXY header
	h2                *h2.Client // nil unless HTTP/2 is spoken

	mu     sync.Mutex
	idle   []*conn // the last one used is used next, so that the excess stays idle
	closed bool
}

func newUpstream(p *Pool, address string) *upstream {
	u := &upstream{address: address, connect: cmp.Or(p.Connect, connectTimeout), response: cmp.Or(p.Response, responseTimeout), tls: p.TLS, header: p.ProxyHeader}
	if u.tls != nil && u.tls.ServerName == "" {
		u.tls = u.tls.Clone()
		u.tls.ServerName, _, _ = net.SplitHostPort(address)
	}
	if p.HTTP2 {
		u.h2 = h2.NewClient(u.tls != nil, func() (net.Conn, error) {
			nc, _, err := u.dial(nil)
			return nc, err
		})
	}
	return u
}

// bufferSize is what is read of a target at once. With its head and framing it fits what answers are written in.
const bufferSize = serve.BufferSize

var readBuffers = sync.Pool{New: func() any { b := make([]byte, bufferSize); return &b }}

// conn is a connection to a target, and the answer under way on it.
type conn struct {
	nc       net.Conn
	owner    netip.AddrPort // the only client it may be used for; invalid for any
	patience time.Duration  // without a byte of the answer
	end      time.Time      // of the exchange under way; zero for none
	watch    *socket.Watch  // nil for a stream of HTTP/2
	reusable bool

	in   *[]byte // nil while idle
	have int
	at   int
	res  http1.Response
	body http1.Body
}

// take returns an idle connection that is still open, or a new one, for a client.
func (u *upstream) take(client *serve.Peer) (*conn, error) {
	if u.h2 != nil {
		nc, err := u.h2.Open()
		if err != nil {
			return nil, err
		}
		return &conn{nc: nc, patience: u.response}, nil
	}
	var owner netip.AddrPort
	if u.header > 0 { // the target has been told whose connection it is
		owner = client.Remote
	}
	for {
		c := u.takeIdle(owner)
		if c == nil {
			break
		}
		// Without the look every request after a target's death would fail with bytes already sent.
		if c.watch.Quiet() {
			return c, nil
		}
		c.nc.Close()
	}
	nc, under, err := u.dial(client)
	if err != nil {
		return nil, err
	}
	c := &conn{nc: nc, owner: owner, patience: u.response}
	if c.watch, err = socket.New(under); err != nil {
		nc.Close()
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

// dial makes a connection, and tells the target who the client is when it wants to know. under is its socket.
func (u *upstream) dial(client *serve.Peer) (nc, under net.Conn, err error) {
	by := time.Now().Add(u.connect)
	under, err = net.DialTimeout("tcp", u.address, u.connect)
	if err != nil {
		return nil, nil, err
	}
	nc = under
	if u.header > 0 {
		if _, err = under.Write(proxyheader.Append(nil, u.header, proxyheader.Header{Source: client.Remote, Destination: client.Local})); err != nil {
			under.Close()
			return nil, nil, err
		}
	}
	if u.tls != nil {
		t := tls.Client(under, u.tls)
		_ = under.SetDeadline(by) // a connection that is closed tells at the handshake
		if err = t.HandshakeContext(context.Background()); err == nil && u.h2 != nil && t.ConnectionState().NegotiatedProtocol != "h2" {
			err = errors.New("the target does not speak HTTP/2")
		}
		if err != nil {
			under.Close()
			return nil, nil, handshakeError{err}
		}
		_ = under.SetDeadline(time.Time{})
		nc = t
	}
	return nc, under, nil
}

type handshakeError struct{ error }

func (e handshakeError) Error() string { return "TLS handshake: " + e.error.Error() }
func (e handshakeError) Unwrap() error { return e.error }

// give takes a connection back, to be kept when the exchange on it has ended properly.
func (u *upstream) give(c *conn, keep bool) {
	if c.in != nil && len(*c.in) == bufferSize { // a grown one is not worth keeping
		readBuffers.Put(c.in)
	}
	keep = keep && c.at == c.have && c.watch != nil
	c.in, c.have, c.at = nil, 0, 0
	u.mu.Lock()
	defer u.mu.Unlock()
	if keep && len(u.idle) >= maxIdle && c.owner.IsValid() { // the oldest one's client may be long gone
		u.idle[0].nc.Close()
		u.idle = slices.Delete(u.idle, 0, 1)
	}
	if !keep || u.closed || len(u.idle) >= maxIdle {
		c.nc.Close()
		return
	}
	u.idle = append(u.idle, c)
}

// sweep closes the idle connections that the target has closed.
func (u *upstream) sweep() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.idle = slices.DeleteFunc(u.idle, func(c *conn) bool {
		gone := !c.watch.Quiet()
		if gone {
			c.nc.Close()
		}
		return gone
	})
}

func (u *upstream) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = true
	if u.h2 != nil {
		u.h2.Close()
	}
	for _, c := range u.idle {
		c.nc.Close()
	}
	u.idle = nil
}

// errOver is of exchanges that take longer than they may as a whole.
var errOver = fmt.Errorf("the exchange has taken too long: %w", os.ErrDeadlineExceeded)

func (c *conn) unread() []byte {
	if c.in == nil {
		return nil
	}
	return (*c.in)[c.at:c.have]
}

// fill reads more, over what was gone through. Meanwhile it looks now and then whether the client, when one is
// given, is still there.
func (c *conn) fill(client *serve.Conn) error {
	if c.in == nil {
		c.in = readBuffers.Get().(*[]byte)
	}
	if c.at == c.have {
		c.at, c.have = 0, 0
	}
	if c.have == len(*c.in) {
		grown := make([]byte, 2*len(*c.in)) // a large head; http1 bounds it
		c.have = copy(grown, (*c.in)[c.at:c.have])
		c.at, c.in = 0, &grown
	}
	last, over := time.Now().Add(c.patience), false
	if over = !c.end.IsZero() && c.end.Before(last); over {
		last = c.end
	}
	for {
		by := time.Now().Add(min(watch, c.patience))
		if over && c.end.Before(by) {
			by = c.end
		}
		_ = c.nc.SetReadDeadline(by) // a connection that is closed tells at the read
		n, err := c.nc.Read((*c.in)[c.have:])
		c.have += n
		switch {
		case n > 0:
			return nil
		case err == nil:
			return io.ErrNoProgress
		case !os.IsTimeout(err):
			return err
		case over && !time.Now().Before(last):
			return errOver
		case time.Now().After(last):
			return fmt.Errorf("nothing within %v: %w", c.patience, os.ErrDeadlineExceeded)
		case client != nil && client.Gone():
			return errClient
		}
	}
}

// head reads the head of an answer.
func (c *conn) head(client *serve.Conn, toHEAD bool, reset func(), each func(name, value []byte)) error {
	var h http1.Head
	for {
		if p := c.unread(); len(p) > 0 {
			n, err := h.Feed(p)
			if err != nil {
				return err
			}
			if n > 0 {
				reset()
				if _, err := http1.ParseResponse(p[:n], toHEAD, &c.res, each); err != nil {
					return err
				}
				c.at += n
				c.reusable = !c.res.Close
				return nil
			}
		}
		if err := c.fill(client); err != nil {
			return err
		}
	}
}
