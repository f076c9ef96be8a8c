package memnet

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/nettest"
)

func pair(t *testing.T) (client, server *Conn) {
	t.Helper()
	n := New()
	l, err := n.Listen("10.0.0.1:80")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
		}
		accepted <- c
	}()
	client, err = n.Dial(t.Context(), "10.0.0.2:5000", "10.0.0.1:80")
	if err != nil {
		t.Fatal(err)
	}
	return client, (<-accepted).(*Conn)
}

// The connections behave as package net's own tests want.
func TestConforms(t *testing.T) {
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		a, b := pair(t)
		return a, b, func() { a.Close(); b.Close() }, nil
	})
}

func TestWaysToEnd(t *testing.T) {
	for name, tc := range map[string]struct {
		end         func(c *Conn)
		read, write error // the peer's
		quiet, gone bool
		broken      bool
	}{
		"open":          {func(*Conn) {}, os.ErrDeadlineExceeded, nil, true, false, false},
		"half closed":   {func(c *Conn) { _ = c.CloseWrite() }, io.EOF, nil, false, true, false},
		"closed":        {func(c *Conn) { c.Close() }, io.EOF, syscall.ECONNRESET, false, true, false},
		"reset":         {func(c *Conn) { c.Reset() }, syscall.ECONNRESET, syscall.ECONNRESET, false, true, true},
		"closed unread": {func(c *Conn) { await(c); c.Close() }, syscall.ECONNRESET, syscall.ECONNRESET, false, true, true},
		"something to read": {func(c *Conn) {
			if _, err := c.Write([]byte("x")); err != nil {
				panic(err)
			}
		}, nil, nil, false, false, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			a, b := pair(t)
			defer a.Close()
			defer b.Close()
			if name == "closed unread" {
				if _, err := b.Write([]byte("x")); err != nil {
					t.Fatal(err)
				}
			}
			tc.end(a)
			if b.Quiet() != tc.quiet || b.Gone() != tc.gone || b.Broken() != tc.broken {
				t.Errorf("%s: quiet %v, gone %v, broken %v", name, b.Quiet(), b.Gone(), b.Broken())
			}
			_ = b.SetReadDeadline(time.Now().Add(time.Second))
			if _, err := b.Read(make([]byte, 1)); !errors.Is(err, tc.read) {
				t.Errorf("%s: reading: %v, want %v", name, err, tc.read)
			}
			_, first := b.Write([]byte("y"))
			if reset := errors.Is(tc.read, syscall.ECONNRESET); (first != nil) != reset { // a peer that has closed resets only then
				t.Errorf("%s: writing at first: %v", name, first)
			}
			if _, err := b.Write([]byte("y")); !errors.Is(err, tc.write) {
				t.Errorf("%s: writing: %v, want %v", name, err, tc.write)
			}
		})
	}
}

// await waits until something has come.
func await(c *Conn) {
	for c.Quiet() {
		time.Sleep(time.Millisecond)
	}
}

// A peer that does not read takes what its buffer holds, and no more; the time that is waited for it is the bubble's.
func TestBuffersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t)
		defer b.Close()
		_ = a.SetWriteDeadline(time.Now().Add(time.Hour))
		began := time.Now()
		n, err := a.Write(make([]byte, 2*bufferSize))
		if n != bufferSize || !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != time.Hour || a.Taken() != bufferSize {
			t.Errorf("%d bytes, %v, after %v", n, err, time.Since(began))
		}
		_ = a.SetWriteDeadline(time.Time{})
		go func() {
			_, _ = a.Write(make([]byte, bufferSize))
			a.Close()
		}()
		if n, err := io.Copy(io.Discard, b); n != 2*bufferSize || err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
	})
}

func TestDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New()
		if _, err := n.Dial(t.Context(), "10.0.0.2:1", "10.0.0.1:80"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("nobody listens: %v", err)
		}
		n.Silence("10.0.0.1:80")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		if _, err := n.Dial(ctx, "10.0.0.2:1", "10.0.0.1:80"); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Minute {
			t.Errorf("nobody answers: %v", err)
		}
		l, err := n.Listen("10.0.0.3:80")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.Listen("10.0.0.3:80"); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("an address twice: %v", err)
		}
		l.Close()
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("accepting after the end: %v", err)
		}
		if _, err := n.Dial(t.Context(), "10.0.0.2:1", "10.0.0.3:80"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("nobody listens any more: %v", err)
		}
	})
}
