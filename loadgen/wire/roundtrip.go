package wire

import (
	"context"
	"errors"
	"io"
	"syscall"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/client"
)

// roundTrip sends a request and reads its answer, on the connection there is or on a new one.
func (c *conn) roundTrip(r *prepared, j job) error {
	now := c.p.clock.Now()
	deadline := time.Now().Add(j.due + c.p.e.cfg.Timeout - now)
	c.check.Reset(r.expect)
	c.write(r, j.seq)
	err := c.onReused(r, deadline)
	switch {
	case err == errStale:
		c.close()
		err = c.onNew(r, deadline, 0)
	case err != nil && c.mayRepeat(r, err):
		c.close()
		c.sample.Sent = 0
		err = c.onNew(r, deadline, 1)
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
// has closed the connection without a byte of an answer, and no byte of the request had left, or it can't take effect
// twice and may have crossed with the close.
func (c *conn) mayRepeat(r *prepared, err error) bool {
	closed := errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
	if !closed || c.sample.First != 0 || c.p.cancelled.Load() {
		return false
	}
	return !c.mayHaveSent || (r.idempotent && c.p.e.cfg.MetClose(c.sample.Sent, c.p.clock.Now(), c.connect))
}

// onReused sends a request on the connection there is, and reads its answer. It returns errStale, and has written
// nothing, when there is none or it can't be used again.
func (c *conn) onReused(r *prepared, deadline time.Time) error {
	if c.nc == nil {
		return errStale
	}
	if err := c.prepareToSend(deadline); err != nil {
		return err
	}
	var err error
	switch {
	case c.below == nil:
		err = c.sendOnQuiet()
	case !c.watch.Quiet():
		err = errStale
	default:
		err = c.sendAnyway()
	}
	if err != nil {
		return err
	}
	return c.receive(r.isHead, deadline)
}

// onNew sends a request on a new connection, after it was sent so many times before, and reads its answer.
func (c *conn) onNew(r *prepared, deadline time.Time, before int) error {
	c.mayHaveSent = false
	if err := c.dial(deadline); err != nil {
		return err
	}
	if err := c.prepareToSend(deadline); err != nil {
		return err
	}
	c.sample.Reconnect = before
	if err := c.sendAnyway(); err != nil {
		return err
	}
	return c.receive(r.isHead, deadline)
}

func (c *conn) prepareToSend(deadline time.Time) error {
	c.stage, c.mayHaveSent, c.buf = client.Waiting, false, c.buf[:0]
	return c.limit(c.nc.SetDeadline(deadline))
}

// sendAnyway writes a request without a look at the connection.
func (c *conn) sendAnyway() error {
	if c.below != nil {
		c.below.wrote = false
	}
	c.sample.Sent = c.p.clock.Now()
	n, err := c.nc.Write(c.out)
	c.mayHaveSent = n > 0 || (c.below != nil && c.below.wrote)
	return err
}

// limit checks, after a deadline was set with the given result, that it has not replaced the one by which
// interrupt ends the exchange.
func (c *conn) limit(err error) error {
	if err == nil && c.p.cancelled.Load() {
		return context.Canceled
	}
	return err
}
