package wire

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// sender looks at a reused connection, writes a request and waits for the answer's first bytes, all within one
// RawConn.Read. Go's own Read asks the kernel first, in vain after a request that was just written, and then waits
// for the poller. Here that first question is asked before the request is written: it is the look at the connection,
// costs no further system call, and leaves no more than one between the look and the write.
type sender struct {
	raw  syscall.RawConn // nil with TLS, whose records only TLS can write
	step func(fd uintptr) bool

	looked  bool
	written int   // bytes of the request
	err     error // of the look, the write or the read
}

// errStale is returned when there is no connection that can be used again; nothing was written then.
var errStale = errors.New("no connection that can be used again")

// sendOnQuiet writes a request on a reused connection. It writes nothing and returns errStale when the server has
// closed the connection, or has sent something that nobody asked for. Unless the wait for the first byte has a limit
// of its own, which begins after the write, it also reads the first bytes of the answer.
func (c *conn) sendOnQuiet() error {
	s := &c.send
	s.looked, s.written, s.err = false, 0, nil
	err := s.raw.Read(s.step)
	c.mayHaveSent = s.written > 0
	switch {
	case err != nil: // the deadline, or the interrupt
		return err
	case s.err != nil:
		return s.err
	case s.written < len(c.out):
		n, err := c.nc.Write(c.out[s.written:])
		c.mayHaveSent = c.mayHaveSent || n > 0
		return err
	}
	return nil
}

// sendStep does what can be done without waiting. It reports whether sendOnQuiet is done; it is called again when
// there may be something to read.
func (c *conn) sendStep(descriptor uintptr) bool {
	s, fd := &c.send, int(descriptor)
	if s.looked {
		n, err := uninterrupted(syscall.Read, fd, c.buf[:cap(c.buf)])
		switch {
		case err == syscall.EAGAIN:
			return false
		case err != nil:
			s.err = c.wrap("read", err)
		case n == 0:
			s.err = io.EOF
		default:
			c.received(n)
		}
		return true
	}
	s.looked = true
	if _, err := uninterrupted(syscall.Read, fd, c.more[:]); err != syscall.EAGAIN {
		s.err = errStale
		return true
	}
	c.call.Sent = c.p.clock.Now()
	n, err := uninterrupted(syscall.Write, fd, c.out)
	s.written = max(n, 0)
	if err != nil && err != syscall.EAGAIN {
		s.err = c.wrap("write", err)
	}
	return s.err != nil || s.written < len(c.out) || c.p.e.cfg.Stages.FirstByte > 0
}

// uninterrupted makes a system call again that a signal has interrupted. Its callers use package syscall's: these tell
// the race detector, as package net's do, that what a peer in this process did before has happened before.
func uninterrupted(call func(int, []byte) (int, error), fd int, p []byte) (n int, err error) {
	for {
		if n, err = call(fd, p); err != syscall.EINTR {
			return n, err
		}
	}
}

// wrap makes the error that package net makes of a system call's.
func (c *conn) wrap(call string, err error) error {
	if err == nil {
		return nil
	}
	return &net.OpError{Op: call, Net: c.nc.LocalAddr().Network(), Source: c.nc.LocalAddr(), Addr: c.nc.RemoteAddr(), Err: os.NewSyscallError(call, err)}
}
