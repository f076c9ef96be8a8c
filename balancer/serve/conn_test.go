package serve

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// handler is a handler of the test's own.
type handler func(c *Conn)

func (h handler) Serve(c *Conn) { h(c) }

// stopping is a connection that is stopped at the very moment when a deadline for a body is set.
type stopping struct {
	net.Conn
	stop func()
}

func (s *stopping) SetReadDeadline(t time.Time) error {
	if stop := s.stop; stop != nil && t.After(time.Now()) {
		s.stop = nil
		stop()
	}
	return s.Conn.SetReadDeadline(t)
}

// Whoever stops a body that is waited for is not made to wait for it, even when its time begins just then.
func TestStopWhileABodyIsAwaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		nc := &stopping{Conn: far}
		var took time.Duration
		var err error
		s := New(Config{Body: time.Hour, Handler: handler(func(c *Conn) {
			nc.stop = c.Stop
			began := time.Now()
			_, err = c.ReadBody()
			took = time.Since(began)
			_ = c.Respond(200, "", nil) // the client has the answer or is gone
		})})
		c := newConn(s, nc)
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.serve()
		}()
		if _, err := io.WriteString(near, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, near) // it ends with the connection
		<-done
		if err == nil || took > 0 {
			t.Errorf("it ended after %v: %v", took, err)
		}
	})
}

// An idle connection holds no buffer and refers to none, whatever the latest request was.
func TestIdleConnectionsHoldNoBuffer(t *testing.T) {
	large := strings.Repeat("A: "+strings.Repeat("a", 10000)+"\r\n", 6) + "\r\n"
	for name, said := range map[string]string{
		"a small head":    "GET /%41 HTTP/1.1\r\nHost: a\r\n\r\n",
		"a large head":    "GET / HTTP/1.1\r\nHost: a\r\n" + large,
		"a large trailer": "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + large,
		"an empty line":   "GET / HTTP/1.1\r\nHost: a\r\n\r\n\r\n",
		"nothing yet":     "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				s := New(Config{Handler: handler(func(c *Conn) {
					c.KeepTrailer()
					for {
						if _, err := c.ReadBody(); err != nil {
							break
						}
					}
					_ = c.Respond(200, "", nil) // the client reads it
				})})
				c := newConn(s, far)
				done := make(chan struct{})
				go func() {
					defer close(done)
					c.serve()
				}()
				go func() { _, _ = io.Copy(io.Discard, near) }() // it ends with the connection
				if _, err := io.WriteString(near, said); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if c.in != nil || c.more != nil || c.out != nil {
					t.Error("it holds a buffer")
				}
				if r := &c.Request; r.Method != nil || r.Target != nil || r.Normal != nil || r.Host != nil {
					t.Error("its request refers to one")
				}
				for _, f := range c.Fields[:cap(c.Fields)] {
					if f.Name != nil || f.Value != nil {
						t.Fatal("its headers refer to one")
					}
				}
				if n := cap(c.body.Trailer); n > maxKept {
					t.Errorf("%d bytes of a trailer", n)
				}
				near.Close()
				<-done
			})
		})
	}
}

// However they are spread over time, only so many empty lines may come before a request.
func TestEmptyLinesAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		var refused error
		s := New(Config{Idle: time.Minute, Handler: handler(func(*Conn) { t.Error("there is no request") }), Refused: func(_ int, why error) { refused = why }})
		done := make(chan struct{})
		go func() {
			defer close(done)
			newConn(s, far).serve()
		}()
		go func() { _, _ = io.Copy(io.Discard, near) }() // it ends with the connection
		n := 0
		for ; n < 10; n++ {
			if _, err := io.WriteString(near, "\r\n"); err != nil {
				break
			}
			time.Sleep(time.Second)
		}
		<-done
		if n != 5 || refused == nil || errors.Is(refused, ErrSlow) {
			t.Errorf("%d empty lines were taken: %v", n, refused)
		}
	})
}
