package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	connectTimeout  = 5 * time.Second  // Envoy's default
	responseTimeout = 60 * time.Second // an application load balancer's idle timeout
	maxIdle         = 256              // connections kept to one target; the excess is closed
)

// upstream is the connections to one target. Unlike net/http's Transport it never repeats a request by
// itself, and tells a failure to connect from one after bytes were sent: retries depend on that.
type upstream struct {
	address string

	mu     sync.Mutex
	idle   []*conn // the last one used is used next, so that the excess stays idle
	closed bool
}

type conn struct {
	net.Conn
	r *bufio.Reader
	w *bufio.Writer
}

// connectError is a failure before any byte of the request was sent.
type connectError struct{ err error }

func (e *connectError) Error() string { return e.err.Error() }
func (e *connectError) Unwrap() error { return e.err }

// exchange sends the request and returns the answer, whose body gives the connection back when it has
// been read to its end.
func (u *upstream) exchange(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	c, err := u.take(ctx)
	if err != nil {
		return nil, &connectError{err}
	}
	// Closing the connection is what interrupts reads and writes when the client goes away.
	stop := context.AfterFunc(ctx, func() { c.Close() })
	res, err := c.roundTrip(req)
	if err != nil {
		stop()
		c.Close()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, err
	}
	b := &body{
		ReadCloser: res.Body, u: u, c: c, stop: stop, reusable: !res.Close && !req.Close,
		empty: req.Method == http.MethodHead || res.ContentLength == 0,
	}
	if b.empty {
		b.release(true) // the exchange is over
	}
	res.Body = b
	return res, nil
}

func (c *conn) roundTrip(req *http.Request) (*http.Response, error) {
	if err := req.Write(c.w); err != nil {
		return nil, fmt.Errorf("send: %w", err)
	}
	if err := c.w.Flush(); err != nil {
		return nil, fmt.Errorf("send: %w", err)
	}
	if err := c.SetReadDeadline(time.Now().Add(responseTimeout)); err != nil {
		return nil, err
	}
	for {
		res, err := http.ReadResponse(c.r, req)
		if err != nil {
			return nil, fmt.Errorf("receive: %w", err)
		}
		if res.StatusCode >= 200 || res.StatusCode == http.StatusSwitchingProtocols {
			return res, nil
		}
	}
}

// take returns an idle connection that is still open, or a new one.
func (u *upstream) take(ctx context.Context) (*conn, error) {
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
		if c.open() {
			return c, nil
		}
		c.Close()
	}
	d := net.Dialer{Timeout: connectTimeout}
	nc, err := d.DialContext(ctx, "tcp", u.address)
	if err != nil {
		return nil, err
	}
	return &conn{nc, bufio.NewReader(nc), bufio.NewWriter(nc)}, nil
}

// open reports whether an idle connection can be used: the target has neither closed it nor sent anything
// unasked. Without the check every request after a target's death would fail with bytes already sent.
func (c *conn) open() bool {
	raw, err := c.Conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return false
	}
	alive := false
	err = raw.Read(func(fd uintptr) bool {
		var b [1]byte
		_, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		alive = errors.Is(err, unix.EAGAIN)
		return true
	})
	return err == nil && alive
}

func (u *upstream) give(c *conn) {
	if c.SetReadDeadline(time.Time{}) != nil || c.r.Buffered() > 0 {
		c.Close()
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed || len(u.idle) >= maxIdle {
		c.Close()
		return
	}
	u.idle = append(u.idle, c)
}

func (u *upstream) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = true
	for _, c := range u.idle {
		c.Close()
	}
	u.idle = nil
}

// body returns its connection to the pool once read to the end, and closes it otherwise.
type body struct {
	io.ReadCloser
	u        *upstream
	c        *conn
	stop     func() bool
	reusable bool
	empty    bool // there is nothing to read
	once     sync.Once
	done     func(error) // called once, with the error that ended the body; nil at its end
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	switch {
	case err == io.EOF:
		b.release(true)
		b.finish(nil)
	case err != nil:
		b.release(false)
		b.finish(err)
	}
	return n, err
}

// Close before the end closes the connection first: net/http's own Close would read on to the end.
func (b *body) Close() error {
	b.release(false)
	b.finish(os.ErrClosed)
	return b.ReadCloser.Close()
}

func (b *body) release(whole bool) {
	b.once.Do(func() {
		if b.stop() && whole && b.reusable {
			b.u.give(b.c)
		} else {
			b.c.Close()
		}
	})
}

func (b *body) finish(err error) {
	if b.done != nil {
		b.done(err)
		b.done = nil
	}
}
