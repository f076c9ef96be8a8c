package wire

import (
	"context"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/attempt"
	"github.com/seed-8025779b/shakedown/loadgen/client"
)

// roundTrip sends a request once and reads its answer, on the connection there is or on a new one.
func (c *conn) roundTrip(r *prepared, step attempt.Step) error {
	deadline := time.Now().Add(step.Until - c.p.clock.Now())
	c.check.Reset(r.expect)
	c.write(r)
	err := errStale
	c.reused, c.mayHaveSent = c.nc != nil, false
	if step.Do == attempt.Send {
		err = c.onReused(r, deadline)
	}
	if err == errStale {
		c.close()
		c.reused = false
		err = c.onNew(r, deadline)
	}
	if err != nil {
		return err
	}
	if c.served++; c.served == c.p.e.cfg.PerConn {
		c.close()
	}
	return nil
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
	return c.receive(r, deadline)
}

// onNew sends a request on a new connection, and reads its answer.
func (c *conn) onNew(r *prepared, deadline time.Time) error {
	c.mayHaveSent = false
	if err := c.dial(deadline); err != nil {
		return err
	}
	if err := c.prepareToSend(deadline); err != nil {
		return err
	}
	if err := c.sendAnyway(); err != nil {
		return err
	}
	return c.receive(r, deadline)
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
	c.call.Sent = c.p.clock.Now()
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
