package serve

import (
	"bytes"
	"io"
	"net"
	"time"
)

// Abort ends the connection without an end to its answer, so that the client knows that it is not whole.
func (c *Conn) Abort() {
	c.aborted = true
	c.broken.Store(true)
	if t, ok := c.socket.(interface{ SetLinger(sec int) error }); ok {
		_ = t.SetLinger(0) // RST: a closed connection would be the proper end of some bodies
	}
}

// Gone reports whether the client has closed its connection, without waiting. One that only has stopped to send
// counts as gone too: few clients do that, and no balancer tells them apart. What is unread of the request's own body does not matter, nor
// do empty lines. What else came behind it may be another request: such a client waits for its answers, unless it has reset the connection.
// Nothing else may read from the client meanwhile.
func (c *Conn) Gone() bool {
	if c.watch == nil {
		s, ok := c.nc.(interface{ Gone() bool })
		return ok && s.Gone()
	}
	if c.behind() {
		return c.watch.Broken()
	}
	return c.watch.Gone() && !(c.body.Ended() && c.readBehind())
}

// behind reports whether something was read behind the request that may be another.
func (c *Conn) behind() bool {
	return c.body.Ended() && len(bytes.TrimLeft(c.unread(), "\r\n")) > 0 // empty lines are no request (RFC 9112, 2.2)
}

// readBehind reads what came behind the request of a client that says no more, without waiting, until something of it may be
// another request, and reports whether that was so. What was read before stays where it is: the handler may still have use for it.
func (c *Conn) readBehind() bool {
	c.readBy = time.Now().Add(lookTime)
	_ = c.nc.SetReadDeadline(c.readBy) // a connection that is closed tells at the read
	for !c.behind() {
		n, err := c.nc.Read(c.room())
		if n == 0 {
			return false
		}
		if c.at < c.have {
			c.have += n
		} else {
			c.moreN += n
		}
		if err != nil {
			break
		}
	}
	return c.behind()
}

// lookTime bounds a read that can't have to wait.
const lookTime = 100 * time.Millisecond

// room is what is left of the buffer of what was read last.
func (c *Conn) room() []byte {
	if c.at < c.have {
		return (*c.in)[c.have:]
	}
	if c.more == nil {
		c.more = buffers.Get().(*[]byte)
	}
	return (*c.more)[c.moreN:]
}

// Shares reports whether the client's connection carries other exchanges beside this one, as that of HTTP/2 does.
func (c *Conn) Shares() bool {
	_, stream := c.nc.(interface{ Gone() bool })
	return stream
}

// Stop makes a read of the body that is under way on another goroutine end. The connection is closed after the
// answer.
func (c *Conn) Stop() {
	c.Close = true
	c.stopped.Store(true)
	c.interrupt()
}

// Take leaves the connection to the handler: the loop neither reads nor closes it any more, and no time limits it. rest
// is what was read beyond the request.
func (c *Conn) Take() (nc net.Conn, rest []byte) {
	c.taken = true
	rest = append(rest, c.unread()...)
	if c.steady != nil {
		c.steady.SetStall(0)
	}
	_ = c.nc.SetDeadline(time.Time{}) // a connection that is closed already tells at the next use
	return c.nc, rest
}

// Reset ends a connection that was taken, so that the client knows that something is missing.
func (c *Conn) Reset() {
	c.Abort()
	c.socket.Close()
}

// Bound sets an instant by which what is written must have been taken, however steadily the client takes it; the zero
// time is none.
func (c *Conn) Bound(t time.Time) {
	below := c.nc // a stream
	if c.steady != nil {
		below = c.steady
	}
	_ = below.SetWriteDeadline(t) // a connection that is closed already tells at the next use
}

// BoundBody sets an instant by which what is read of the body must have come, however steadily it does; the zero time is none.
func (c *Conn) BoundBody(t time.Time) { c.bodyBy = t }

// drainLimit is how much of an unread body is read on to keep a connection; nginx' and net/http's are of the
// same order.
const drainLimit = 256 << 10

// settle ends an exchange: it reports whether another can follow.
func (c *Conn) settle() bool {
	if c.bad.Load() {
		c.Close = true
	}
	if !c.broken.Load() && !c.Close && !c.body.Ended() {
		if c.holdsBack() {
			c.Close = true
		}
		for n := 0; !c.Close && !c.body.Ended(); {
			p, err := c.ReadBody()
			if n += len(p); err == io.EOF {
				break
			} else if err != nil || n > drainLimit {
				c.Close = true
			}
		}
	}
	if c.broken.Load() {
		return false
	}
	if c.Close {
		c.linger()
		return false
	}
	rest := c.unread()
	if len(rest) == 0 {
		c.have, c.at = 0, 0
		return true
	}
	if c.in == nil || len(*c.in) < len(rest) {
		return false
	}
	c.have = copy(*c.in, rest)
	c.at, c.moreAt, c.moreN = 0, 0, 0
	return true
}

// Limits on reading what a client still sends after it was answered for the last time.
const (
	lingerTime  = time.Second
	lingerBytes = 1 << 20
)

// linger ends the connection so that the answer arrives: closing with unread input would reset it.
func (c *Conn) linger() {
	half, ok := c.nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	if c.body.Ended() && len(c.unread()) == 0 && c.Gone() {
		return
	}
	_ = c.nc.SetReadDeadline(time.Now().Add(lingerTime)) // a connection that is closed already tells at once
	if c.more == nil {
		c.more = buffers.Get().(*[]byte)
	}
	for n := 0; n < lingerBytes; {
		k, err := c.nc.Read(*c.more)
		if err != nil {
			return
		}
		n += k
	}
}
