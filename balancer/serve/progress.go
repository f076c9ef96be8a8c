package serve

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ProgressConn is a socket whose writes may take as long as the peer takes bytes: a write ends with an error that is
// os.ErrDeadlineExceeded once the peer has taken none for the stall time. TLS stands on it, and not under it, because a
// write of TLS that has timed out can't be continued.
//
// What the kernel takes at once, as it does nearly every request and answer, sets no deadline: that would cost more than
// the look at the clock that it needs. Writes follow each other; deadlines may be set meanwhile.
type ProgressConn struct {
	net.Conn
	raw  syscall.RawConn // nil for a connection that is no socket
	step func(fd uintptr) bool

	p     []byte // of the attempt under way
	n     int    // of them taken
	err   error
	taken atomic.Int64

	mu    sync.Mutex
	stall time.Duration
	by    time.Time // the deadline that was asked for
	look  Look

	counted atomic.Pointer[Descriptors] // until it is closed
}

// Look is asked ten times a second while a write waits for the peer. An error ends the write; excused says that the
// time until now does not count as a stall, because the peer is not to blame for it.
type Look func() (excused bool, err error)

// lookEvery is how often a write that waits asks.
const lookEvery = 100 * time.Millisecond

// NewProgressConn returns a connection on another one; a stall of 0 stands for no limit, look may be nil.
func NewProgressConn(nc net.Conn, stall time.Duration, look Look) *ProgressConn {
	c := &ProgressConn{Conn: nc, stall: stall, look: look}
	if s, ok := nc.(syscall.Conn); ok {
		c.raw, _ = s.SyscallConn() // without it writes cost more
	}
	c.step = c.attempt
	return c
}

// SetStall changes how long the peer may take nothing; 0 stands for no limit.
func (c *ProgressConn) SetStall(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stall = d
}

// Taken is how many bytes the kernel has taken so far.
func (c *ProgressConn) Taken() int64 { return c.taken.Load() }

// Queued is how many bytes the kernel has taken and the peer's has not; 0 where that can't be told.
func (c *ProgressConn) Queued() (n int) {
	if c.raw == nil {
		return 0
	}
	_ = c.raw.Control(func(fd uintptr) { // a connection that is closed has none
		if k, err := unix.IoctlGetInt(int(fd), unix.TIOCOUTQ); err == nil {
			n = k
		}
	})
	return n
}

// Count says that the connection was taken of d, which gets it back once it is closed.
func (c *ProgressConn) Count(d *Descriptors) { c.counted.Store(d) }

// Close implements net.Conn.
func (c *ProgressConn) Close() error {
	err := c.Conn.Close()
	c.counted.Swap(nil).Give()
	return err
}

// CloseWrite tells the peer that nothing more will come.
func (c *ProgressConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// SetWriteDeadline implements net.Conn. It ends a write even while the peer takes bytes.
func (c *ProgressConn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.by = t
	return c.Conn.SetWriteDeadline(t)
}

// SetDeadline implements net.Conn.
func (c *ProgressConn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// Write implements net.Conn.
func (c *ProgressConn) Write(p []byte) (int, error) {
	if c.raw == nil {
		return c.wait(p)
	}
	c.p, c.n, c.err = p, 0, nil
	err := c.raw.Write(c.step)
	n := c.n
	if c.p = nil; err == nil {
		err = c.err
	}
	c.taken.Add(int64(n))
	if err != nil || n == len(p) {
		return n, err
	}
	k, err := c.wait(p[n:])
	return n + k, err
}

// attempt writes what the kernel takes at once. It never waits, and so always reports that it is done.
func (c *ProgressConn) attempt(fd uintptr) bool {
	for {
		n, err := syscall.Write(int(fd), c.p)
		if err == syscall.EINTR {
			continue
		}
		c.n = max(n, 0)
		if err != nil && err != syscall.EAGAIN {
			c.err = &net.OpError{Op: "write", Net: c.LocalAddr().Network(), Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: os.NewSyscallError("write", err)}
		}
		return true
	}
}

// wait writes what the kernel did not take at once.
func (c *ProgressConn) wait(p []byte) (n int, err error) {
	defer c.disarm()
	queued := c.Queued()
	for last := time.Now(); ; {
		stall, end := c.arm(last)
		k, err := c.Conn.Write(p[n:])
		c.taken.Add(int64(k))
		if n += k; err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		// The kernel takes more only once a good part of its buffer is free again; what the peer took of that counts too.
		now, left := time.Now(), c.Queued()
		if k > 0 || left < queued {
			last = now
		}
		queued = left
		if c.look != nil {
			excused, err := c.look()
			if err != nil {
				return n, err
			}
			if excused {
				last = now
			}
		}
		switch {
		case !end.IsZero() && !now.Before(end):
			return n, err
		case stall > 0 && now.Sub(last) >= stall:
			return n, fmt.Errorf("nothing was taken within %v: %w", stall, os.ErrDeadlineExceeded)
		}
	}
}

// arm sets the deadline of the next piece of waiting, when the peer last took something at last. end is the deadline that was
// asked for, zero for none.
func (c *ProgressConn) arm(last time.Time) (stall time.Duration, end time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	by := time.Now().Add(lookEvery)
	if stalled := last.Add(c.stall); c.stall > 0 && stalled.Before(by) {
		by = stalled
	}
	if !c.by.IsZero() && c.by.Before(by) {
		by = c.by
	}
	_ = c.Conn.SetWriteDeadline(by) // a connection that is closed tells at the write
	return c.stall, c.by
}

// disarm puts the deadline that was asked for in force again.
func (c *ProgressConn) disarm() {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.Conn.SetWriteDeadline(c.by) // a connection that is closed tells at the next use
}
