// Package socket looks at a connection without reading from it: whether the peer is still there, and whether it
// has said anything. It costs one system call and no allocation. And it tells which errors of making one are this machine's own want.
package socket

import (
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// Watch looks at one connection. It is for one goroutine at a time.
type Watch struct {
	raw    syscall.RawConn
	look   func(fd uintptr)
	events int16
	poll   [1]unix.PollFd
	failed bool
}

// errNoDescriptor is of connections that are not sockets themselves, such as TLS ones.
var errNoDescriptor = errors.New("the connection has no descriptor of its own")

// New returns a watch on a TCP or Unix connection.
func New(c net.Conn) (*Watch, error) {
	s, ok := c.(syscall.Conn)
	if !ok {
		return nil, errNoDescriptor
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return nil, err
	}
	w := &Watch{raw: raw}
	w.look = func(fd uintptr) {
		w.poll[0] = unix.PollFd{Fd: int32(fd), Events: w.events}
		_, err := unix.Poll(w.poll[:], 0)
		w.failed = err != nil && err != unix.EINTR
	}
	return w, nil
}

func (w *Watch) sees(events int16) bool {
	w.events = events
	return w.raw.Control(w.look) != nil || w.failed || w.poll[0].Revents != 0
}

// Quiet reports whether the connection is open and nothing has come on it that was not read.
func (w *Watch) Quiet() bool { return !w.sees(unix.POLLIN | hangup) }

// Broken reports whether the connection is over both ways: the peer has reset it, or it was closed here. An orderly end of the peer's
// side looks the same whether the peer still reads or not, and is not seen here.
func (w *Watch) Broken() bool { return w.sees(0) } // of what ends both ways the kernel tells unasked

// Gone reports whether the peer has closed the connection, or has said that it sends no more.
func (w *Watch) Gone() bool { return w.sees(hangup) }
