// Package control is the channel between a parent and the child processes of a run: JSON, one value a
// line, over an inherited socket.
//
// Either end sees the other's death as the end of its stream, whatever caused it.
package control

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// ChildFD is the file descriptor a child finds its end at: the first after the standard three.
const ChildFD = 3

// Conn is one end. Send may be called by many goroutines, Receive by one.
type Conn struct {
	c   net.Conn
	dec *json.Decoder

	mu  sync.Mutex
	enc *json.Encoder
}

func newConn(f *os.File) (*Conn, error) {
	defer f.Close() // FileConn works on a duplicate
	c, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("control channel: %w", err)
	}
	return &Conn{c: c, dec: json.NewDecoder(c), enc: json.NewEncoder(c)}, nil
}

// Pair returns the parent's end, and the file that the child inherits. The caller closes the file once
// the child has started.
func Pair() (*Conn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("control channel: %w", err)
	}
	unix.CloseOnExec(fds[0])
	unix.CloseOnExec(fds[1])
	c, err := newConn(os.NewFile(uintptr(fds[0]), "control"))
	if err != nil {
		unix.Close(fds[1])
		return nil, nil, err
	}
	return c, os.NewFile(uintptr(fds[1]), "control-child"), nil
}

// Inherited returns the child's end.
func Inherited() (*Conn, error) {
	unix.CloseOnExec(ChildFD) // it must not leak into the child's own children
	return newConn(os.NewFile(ChildFD, "control"))
}

// Send writes one value.
func (c *Conn) Send(v any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.enc.Encode(v); err != nil {
		return fmt.Errorf("control channel: %w", err)
	}
	return nil
}

// Receive reads one value into v; io.EOF when the other end is gone.
func (c *Conn) Receive(v any) error { return c.dec.Decode(v) }

// Close ends the channel.
func (c *Conn) Close() error { return c.c.Close() }
