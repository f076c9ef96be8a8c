package memnet

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// Conn is one end of a connection. Its methods may be called by many goroutines.
type Conn struct {
	in, out       *stream
	local, remote net.TCPAddr

	mu     sync.Mutex
	closed bool
	cut    bool // closing resets
}

// Read implements net.Conn. It returns io.EOF once the peer has closed, ECONNRESET once it has reset the connection.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.in.read(p)
	return n, c.told("read", err)
}

// Write implements net.Conn. It waits while the peer's buffer is full, and returns EPIPE or ECONNRESET once the peer takes
// no more.
func (c *Conn) Write(p []byte) (int, error) {
	n, err := c.out.write(p)
	return n, c.told("write", err)
}

// told puts an error of the network into the form that package net has.
func (c *Conn) told(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &net.OpError{Op: op, Net: "tcp", Source: &c.local, Addr: &c.remote, Err: err}
}

// Close implements net.Conn. What was written still arrives, unless something that had come was not read: then the peer
// is told by a reset, as TCP does.
func (c *Conn) Close() error {
	c.mu.Lock()
	closed, cut := c.closed, c.cut
	c.closed = true
	c.mu.Unlock()
	if closed {
		return net.ErrClosed
	}
	if c.in.abandon() || cut {
		c.in.fail(syscall.ECONNRESET)
		c.out.fail(syscall.ECONNRESET)
	} else {
		c.out.end()
	}
	c.out.closeHere()
	return nil
}

// Reset ends the connection at once: the peer reads and writes ECONNRESET, what was on its way is lost.
func (c *Conn) Reset() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.in.abandon()
	c.in.fail(syscall.ECONNRESET)
	c.out.fail(syscall.ECONNRESET)
	c.out.closeHere()
}

// SetLinger makes Close reset the connection when sec is 0, as it does for TCP; other values change nothing.
func (c *Conn) SetLinger(sec int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = sec == 0
	return nil
}

// CloseWrite says that nothing more will be written.
func (c *Conn) CloseWrite() error {
	c.out.end()
	return nil
}

// LocalAddr implements net.Conn.
func (c *Conn) LocalAddr() net.Addr { return &c.local }

// RemoteAddr implements net.Conn.
func (c *Conn) RemoteAddr() net.Addr { return &c.remote }

// SetDeadline implements net.Conn.
func (c *Conn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t) // it never fails
	return c.SetWriteDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.in.setDeadline(&c.in.readBy, t)
	return nil
}

// SetWriteDeadline implements net.Conn.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.out.setDeadline(&c.out.writeBy, t)
	return nil
}

// Quiet reports whether the peer has sent nothing that was not read, and has not ended the connection.
func (c *Conn) Quiet() bool {
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	return len(c.in.held) == 0 && !c.in.over()
}

// Gone reports whether the peer has ended the connection.
func (c *Conn) Gone() bool {
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	return c.in.over()
}

// Broken reports whether the connection is over both ways: the peer has reset it, or it was closed here.
func (c *Conn) Broken() bool {
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	return c.in.failed != nil || c.in.unread
}

// Taken is how many bytes the peer's buffer has taken so far.
func (c *Conn) Taken() int64 {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	return c.out.taken
}

// Queued is how many bytes were written that are in no buffer of the peer's: none, for a connection in memory.
func (c *Conn) Queued() int { return 0 }

// stream is one way of a connection: what was written and not yet read.
type stream struct {
	size int

	mu      sync.Mutex
	changed sync.Cond
	held    []byte
	taken   int64
	ended   bool  // nothing more will be written
	failed  error // the writer has broken it off
	unread  bool  // the reader is gone
	writer  bool  // the writer is gone
	readBy  deadline
	writeBy deadline
}

func newStream(size int) *stream {
	s := &stream{size: size}
	s.changed.L = &s.mu
	return s
}

// deadline is an instant from which on waiting fails.
type deadline struct {
	past  bool
	timer *time.Timer
}

// over reports whether the writer has ended the stream in any way, or the reader itself; it needs the lock.
func (s *stream) over() bool { return s.ended || s.failed != nil || s.unread }

func (s *stream) read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.unread:
			return 0, net.ErrClosed
		case s.readBy.past:
			return 0, os.ErrDeadlineExceeded
		case s.failed != nil:
			return 0, s.failed
		case len(s.held) > 0:
			n := copy(p, s.held)
			if s.held = s.held[n:]; len(s.held) == 0 {
				s.held = nil
			}
			s.changed.Broadcast()
			return n, nil
		case s.ended:
			return 0, io.EOF
		case len(p) == 0:
			return 0, nil
		}
		s.changed.Wait()
	}
}

func (s *stream) write(p []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.writer:
			return n, net.ErrClosed
		case s.ended:
			return n, syscall.EPIPE
		case s.failed != nil:
			return n, s.failed
		case s.unread: // what is sent to a connection that is closed is taken, and answered by a reset
			s.failed = syscall.ECONNRESET
			s.taken += int64(len(p) - n)
			return len(p), nil
		case s.writeBy.past:
			return n, os.ErrDeadlineExceeded
		}
		k := min(len(p)-n, s.size-len(s.held))
		if k > 0 {
			s.held = append(s.held, p[n:n+k]...)
			s.taken += int64(k)
			n += k
			s.changed.Broadcast()
		}
		if n == len(p) {
			return n, nil
		}
		s.changed.Wait()
	}
}

// end says that nothing more will be written.
func (s *stream) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.changed.Broadcast()
}

// fail breaks the stream off: what it held is lost.
func (s *stream) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed, s.held = err, nil
	s.changed.Broadcast()
}

// closeHere makes the writer's own calls fail.
func (s *stream) closeHere() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writer = true
	stopTimer(&s.writeBy)
	s.changed.Broadcast()
}

// abandon is the reader's end; it reports whether something was left unread.
func (s *stream) abandon() (left bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	left, s.unread, s.held = len(s.held) > 0, true, nil
	stopTimer(&s.readBy)
	s.changed.Broadcast()
	return left
}

func stopTimer(d *deadline) {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}

func (s *stream) setDeadline(d *deadline, t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stopTimer(d)
	d.past = false
	switch left := time.Until(t); {
	case t.IsZero(), s.unread && s.writer:
	case left <= 0:
		d.past = true
	default:
		var timer *time.Timer
		timer = time.AfterFunc(left, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			if d.timer == timer { // it was not moved meanwhile
				d.past = true
				s.changed.Broadcast()
			}
		})
		d.timer = timer
	}
	s.changed.Broadcast()
}
