package wire

import (
	"context"
	"crypto/tls"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/client"
	"github.com/seed-8025779b/shakedown/loadgen/socket"
)

// dial makes a new connection. Names are resolved each time, so that a change is followed.
func (c *conn) dial(deadline time.Time) error {
	e, clock := c.p.e, c.p.clock
	began := clock.Now()
	c.stage, c.served, c.below = client.Connecting, 0, nil
	ctx, cancel := c.within(deadline, e.cfg.Stages.Connect)
	defer cancel()
	nc, err := e.dial(ctx, e.address, c.number)
	if err != nil {
		return err
	}
	connected := clock.Now()
	c.connect = connected - began
	c.call.Connect = c.connect
	if e.tls != nil {
		c.stage = client.Securing
		ctx, cancel := c.within(deadline, e.cfg.Stages.TLS)
		defer cancel()
		c.below = &tlsSocket{Conn: nc}
		t := tls.Client(c.below, e.tls)
		if err := t.HandshakeContext(ctx); err != nil {
			nc.Close()
			return err
		}
		c.call.Handshake = clock.Now() - connected
		if c.watch, err = socket.New(nc); err != nil {
			nc.Close()
			return err
		}
		c.set(t)
		return nil
	}
	if c.send.raw, err = nc.(syscall.Conn).SyscallConn(); err != nil {
		nc.Close()
		return err
	}
	c.set(nc)
	return nil
}

// within bounds a stage by the deadline of the whole, and by its own limit when it has one.
func (c *conn) within(deadline time.Time, limit time.Duration) (context.Context, context.CancelFunc) {
	if limit > 0 {
		if own := time.Now().Add(limit); own.Before(deadline) {
			deadline = own
		}
	}
	return context.WithDeadline(c.p.ctx, deadline)
}

// tlsSocket is the connection below TLS.
type tlsSocket struct {
	net.Conn
	noRead bool // a Read times out instead of reading; TLS can go on after a timeout
	wrote  bool // a byte was written since this was last set to false
}

func (t *tlsSocket) Read(p []byte) (int, error) {
	if t.noRead {
		return 0, os.ErrDeadlineExceeded
	}
	return t.Conn.Read(p)
}

func (t *tlsSocket) Write(p []byte) (int, error) {
	n, err := t.Conn.Write(p)
	t.wrote = t.wrote || n > 0
	return n, err
}
