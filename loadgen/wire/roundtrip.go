package wire

import (
	"context"
	"errors"
	"io"
	"syscall"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/client"
)

// lookAfter is how long a connection may have been idle before it is looked at. What comes within that time of the
// answer before it came with it, and was seen, or may as well come after the request was written, where nothing can
// tell it apart. The look is a system call, which at full speed would be 4 % of what a request costs.
const lookAfter = 20 * time.Microsecond

// roundTrip sends a request and reads its answer, on the connection there is or on a new one.
func (c *conn) roundTrip(r *prepared, j job) error {
	now := c.p.clock.Now()
	deadline := time.Now().Add(j.due + c.p.e.cfg.Timeout - now)
	c.check.Reset(r.expect)
	out := c.write(r, j.seq)
	if c.nc != nil && now-c.last > lookAfter && !c.watch.Quiet() {
		c.close() // the server has closed it, or has sent something that nobody asked for
	}
	reused := c.nc != nil
	err := c.attempt(r, out, deadline, 0)
	if err != nil && reused && c.mayRepeat(r, err) {
		c.close()
		c.sample.Sent = 0
		err = c.attempt(r, out, deadline, 1)
	}
	if err != nil {
		return err
	}
	if c.served++; c.served == c.p.e.cfg.PerConn {
		c.close()
	}
	return nil
}

// mayRepeat reports whether a request that failed on a reused connection is sent again on a new one: the server
// has closed the connection without a byte of an answer, and the request can't take effect twice.
func (c *conn) mayRepeat(r *prepared, err error) bool {
	closed := errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
	return closed && c.sample.First == 0 && (r.idempotent || !c.mayHaveSent) && !c.p.cancelled.Load()
}

// attempt sends a request, for the first time or again, and reads its answer.
func (c *conn) attempt(r *prepared, out []byte, deadline time.Time, before int) error {
	c.mayHaveSent = false
	if c.nc == nil {
		if err := c.dial(deadline); err != nil {
			return err
		}
	}
	c.stage = client.Waiting
	if err := c.limit(c.nc.SetDeadline(deadline)); err != nil {
		return err
	}
	if c.below != nil {
		c.below.wrote = false
	}
	c.sample.Sent, c.sample.Reconnect = c.p.clock.Now(), before
	n, err := c.nc.Write(out)
	c.mayHaveSent = n > 0 || (c.below != nil && c.below.wrote)
	if err != nil {
		return err
	}
	return c.receive(r.isHead, deadline)
}

// limit checks, after a deadline was set with the given result, that it has not replaced the one by which
// interrupt ends the exchange.
func (c *conn) limit(err error) error {
	if err == nil && c.p.cancelled.Load() {
		return context.Canceled
	}
	return err
}
