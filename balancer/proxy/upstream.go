package proxy

import (
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/http1"
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

	mu     sync.Mutex
	idle   []*conn // the last one used is used next, so that the excess stays idle
	closed bool
}

// bufferSize is what is read of a target at once. With its head and framing it fits what answers are written in.
const bufferSize = serve.BufferSize

var readBuffers = sync.Pool{New: func() any { b := make([]byte, bufferSize); return &b }}

// conn is a connection to a target, and the answer under way on it.
type conn struct {
	nc       net.Conn
	patience time.Duration // without a byte of the answer
	watch    *socket.Watch
	reusable bool

	in   *[]byte // nil while idle
	have int
	at   int
	res  http1.Response
	body http1.Body
}

// take returns an idle connection that is still open, or a new one.
func (u *upstream) take() (*conn, error) {
	for {
		u.mu.Lock()
		n := len(u.idle)
		if n == 0 {
			u.mu.Unlock()
			break
		}
		c := u.idle[n-1]
		u.idle = u.idle[:n-1]
		u.mu.Unlock()
		// Without the look every request after a target's death would fail with bytes already sent.
		if c.watch.Quiet() {
			return c, nil
		}
		c.nc.Close()
	}
	nc, err := net.DialTimeout("tcp", u.address, u.connect)
	if err != nil {
		return nil, err
	}
	c := &conn{nc: nc, patience: u.response}
	if c.watch, err = socket.New(nc); err != nil {
		nc.Close()
		return nil, err
	}
	return c, nil
}

// give takes a connection back, to be kept when the exchange on it has ended properly.
func (u *upstream) give(c *conn, keep bool) {
	if c.in != nil && len(*c.in) == bufferSize { // a grown one is not worth keeping
		readBuffers.Put(c.in)
	}
	keep = keep && c.at == c.have
	c.in, c.have, c.at = nil, 0, 0
	u.mu.Lock()
	defer u.mu.Unlock()
	if !keep || u.closed || len(u.idle) >= maxIdle {
		c.nc.Close()
		return
	}
	u.idle = append(u.idle, c)
}

func (u *upstream) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = true
	for _, c := range u.idle {
		c.nc.Close()
	}
	u.idle = nil
}

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
	for last := time.Now().Add(c.patience); ; {
		_ = c.nc.SetReadDeadline(time.Now().Add(min(watch, c.patience))) // a connection that is closed tells at the read
		n, err := c.nc.Read((*c.in)[c.have:])
		c.have += n
		switch {
		case n > 0:
			return nil
		case err == nil:
			return io.ErrNoProgress
		case !os.IsTimeout(err):
			return err
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
