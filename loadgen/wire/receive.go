package wire

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/http1"
	"github.com/seed-8025779b/shakedown/loadgen/client"
)

// receive reads one response, and whatever 1xx go before it. Its first bytes may be in the buffer already.
func (c *conn) receive(r *prepared, deadline time.Time) error {
	if err := c.awaitFirst(deadline); err != nil {
		return err
	}
	if err := c.receiveHead(r); err != nil {
		return err
	}
	return c.receiveBody()
}

// awaitFirst reads the first bytes of a response within the client's limit for them, where it has one that comes before the
// deadline.
func (c *conn) awaitFirst(deadline time.Time) error {
	limit := c.p.e.cfg.Stages.FirstByte
	if limit <= 0 || len(c.buf) > 0 {
		return nil
	}
	first := time.Now().Add(limit)
	if !first.Before(deadline) {
		return nil
	}
	if err := c.limit(c.nc.SetReadDeadline(first)); err != nil {
		return err
	}
	if err := c.read(); err != nil {
		return err
	}
	return c.limit(c.nc.SetReadDeadline(deadline))
}

// receiveHead reads heads up to the one that is not interim.
func (c *conn) receiveHead(r *prepared) error {
	var onHeader func(name, value []byte)
	if c.jar != nil || c.p.e.cfg.Identify || c.check.WantsHeaders() {
		onHeader = c.onHeader
	}
	for {
		c.call.ForgetTold() // of an interim answer, or of a part of this head
		n, err := http1.ParseResponse(c.buf, r.isHead, &c.res, onHeader)
		if err != nil {
			return err
		}
		if n == 0 {
			if err := c.read(); err != nil {
				return err
			}
			continue
		}
		c.buf = c.buf[:copy(c.buf, c.buf[n:])]
		if c.res.Status >= 200 || c.res.Status == http.StatusSwitchingProtocols {
			c.call.Status = c.res.Status
			if c.res.Status == http.StatusSwitchingProtocols {
				return r.onSwitch
			}
			return nil
		}
	}
}

// receiveBody reads the body of the response whose head was read.
func (c *conn) receiveBody() error {
	c.body.Start(&c.res)
	for {
		var onData func([]byte)
		if c.check.WantsBody() {
			onData = c.onData
		}
		n, data, err := c.body.Feed(c.buf, onData)
		c.call.BytesIn += data
		if err != nil {
			return err
		}
		if c.body.Ended() {
			if c.res.Close || c.res.Status == http.StatusSwitchingProtocols || n < len(c.buf) || c.holdsMore() { // the last two: something that nobody asked for
				c.close()
			}
			return nil
		}
		c.buf = c.buf[:0]
		if err := c.read(); err != nil {
			if errors.Is(err, io.EOF) && c.body.UntilClose() {
				c.close()
				return nil
			}
			return err
		}
	}
}

// read appends what has come to the buffer.
func (c *conn) read() error {
	if len(c.buf) == cap(c.buf) {
		c.buf = append(make([]byte, 0, 2*cap(c.buf)), c.buf...) // a large head; the parser bounds it
	}
	n, err := c.nc.Read(c.buf[len(c.buf):cap(c.buf)])
	if n > 0 {
		c.received(n)
		return nil
	}
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}

// received takes in the bytes that were read behind the buffer's end.
func (c *conn) received(n int) {
	if c.stage == client.Waiting {
		c.call.First, c.stage = c.p.clock.Now(), client.Reading
	}
	c.buf = c.buf[:len(c.buf)+n]
}

// holdsMore reports whether TLS has read more from the server than the answer: another record, or the end of
// the stream. It reads nothing from the connection.
func (c *conn) holdsMore() bool {
	if c.below == nil {
		return false
	}
	c.below.noRead = true
	n, err := c.nc.Read(c.more[:])
	c.below.noRead = false
	return n > 0 || !errors.Is(err, os.ErrDeadlineExceeded)
}
