package proxy

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/h2"
	"github.com/seed-8025779b/shakedown/balancer/http1"
	"github.com/seed-8025779b/shakedown/balancer/serve"
)

// sent is how many bytes of the exchange under way have left.
func (c *conn) sent() int64 {
	if c.socket == nil {
		return 0
	}
	return c.socket.Taken() - c.before
}

// begin makes the connection the exchange's.
func (c *conn) begin(x *driver) {
	c.x, c.got, c.looked = x, false, time.Time{}
	if c.socket != nil {
		c.before = c.socket.Taken()
	}
}

// look is asked while the target takes nothing of what is sent.
func (c *conn) look() (excused bool, err error) {
	if c.x == nil {
		return false, nil
	}
	return c.x.lookWhileSending()
}

// blocked reports whether what another exchange has sent on the connection may keep the target from taking the request.
func (c *conn) blocked() bool {
	s, ok := c.nc.(*h2.Exchange)
	return ok && s.Blocked()
}

// cut ends a connection on which something is under way. The target must not take it for an orderly end, nor is it waited for: TLS does
// not take leave.
func (c *conn) cut() {
	if c.socket != nil {
		c.socket.Close()
		return
	}
	c.nc.Close()
}

// fill reads more, over what was gone through. Meanwhile it looks now and then whether the client is still there.
func (c *conn) fill() error {
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
	if c.x.end.IsZero() {
		return c.await()
	}
	if !c.x.upload.running() { // a body on its way counts for itself
		c.count()
	}
	defer c.countNoMore()
	return c.await()
}

// count begins to count the time as the target's.
func (c *conn) count() {
	if !c.counting {
		c.counting = true
		c.x.onTarget.start()
	}
}

func (c *conn) countNoMore() {
	if c.counting {
		c.counting = false
		c.x.onTarget.stop()
	}
}

// await waits for more. The time in which the target must say something begins when it has the whole request.
func (c *conn) await() error {
	now := time.Now()
	queued := 0
	for last := now.Add(c.patience); ; now = time.Now() {
		by := now.Add(watch)
		if last.Before(by) {
			by = last
		}
		if end := c.x.end; !end.IsZero() && end.Before(by) {
			by = end
		}
		if c.x.expecting() && c.x.continueAt.Before(by) {
			by = c.x.continueAt
		}
		_ = c.nc.SetReadDeadline(by) // a connection that is closed tells at the read
		n, err := c.nc.Read((*c.in)[c.have:])
		c.have += n
		c.full = c.have == len(*c.in)
		client := c.x.watched()
		if client != nil && !c.x.end.IsZero() { // the body may have ended meanwhile
			c.count()
		}
		switch {
		case n > 0:
			c.got = true
			if client == nil {
				c.x.spoke.Store(true)
			}
			return c.lookAmong(client, now)
		case err == nil:
			return io.ErrNoProgress
		case !os.IsTimeout(err):
			return err
		}
		if err := c.x.holdNoLonger(); err != nil {
			return err
		}
		switch {
		case c.x.late():
			return errOver
		case client == nil && !c.x.expecting(), c.drains(&queued):
			last = time.Now().Add(c.patience)
		case !time.Now().Before(last):
			return fmt.Errorf("nothing within %v: %w", c.patience, os.ErrDeadlineExceeded)
		case client != nil && client.Gone(): // a body on its way tells by itself
			return errClient
		}
	}
}

// lookAmong looks after the client while a target keeps saying something that is no answer yet: interim answers that the client does not
// get, a head in small pieces.
func (c *conn) lookAmong(client *serve.Conn, now time.Time) error {
	switch {
	case client == nil || c.x.answered:
	case c.looked.IsZero():
		c.looked = now
	case now.Sub(c.looked) >= watch:
		if c.looked = now; client.Gone() {
			return errClient
		}
	}
	return nil
}

// drains reports whether the target has taken some of what the kernel still held of the request at the last look.
func (c *conn) drains(queued *int) bool {
	if c.socket == nil {
		return false
	}
	before := *queued
	*queued = c.socket.Queued()
	return *queued > 0 && *queued < before
}

// head reads the head of an answer.
func (c *conn) head(toHEAD bool, reset func(), each func(name, value []byte)) error {
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
		if err := c.fill(); err != nil {
			return err
		}
	}
}
