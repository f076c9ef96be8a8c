package h2

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A target can send no more than a little beyond what its client has taken, however long the client waits.
func TestSlowReadersCostLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent atomic.Int64
		conns := newHanded()
		s := &http.Server{Protocols: &http.Protocols{}, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for piece := make([]byte, 16<<10); ; sent.Add(int64(len(piece))) {
				if _, err := w.Write(piece); err != nil {
					return
				}
			}
		})}
		s.Protocols.SetUnencryptedHTTP2(true)
		ended := make(chan error, 1)
		go func() { ended <- s.Serve(conns) }()
		c := NewClient("a", false, time.Minute, func(context.Context) (net.Conn, error) {
			near, far := net.Pipe()
			conns.next <- far
			return near, nil
		})
		const clients = 40 // more than one connection's window has room for, if there were one of a few MiB
		var open []*Exchange
		for range clients {
			x, err := c.Open(t.Context(), Need{})
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, x)
			if _, err := x.Write([]byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n")); err != nil {
				t.Fatal(err)
			}
			if _, err := x.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		const beside = 128 << 10 // in pieces that are on their way
		if n := sent.Load(); n > clients*(window+beside) || n < clients*window/2 {
			t.Errorf("%d bytes for each of %d clients that take nothing", n/clients, clients)
		}
		for _, x := range open {
			x.Close()
		}
		c.Close()
		s.Close()
		<-ended
	})
}

// A body that the target does not take holds up no other: those that come later go by another connection, and go on. Requests without a body
// go by the first.
func TestBodiesThatAreNotTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conns := newHanded()
		done := make(chan struct{})
		s := &http.Server{Protocols: &http.Protocols{}, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/slow" {
				<-done
			}
			_, _ = io.Copy(io.Discard, r.Body)
		})}
		s.Protocols.SetUnencryptedHTTP2(true)
		ended := make(chan error, 1)
		go func() { ended <- s.Serve(conns) }()
		made := 0
		c := NewClient("a", false, time.Minute, func(context.Context) (net.Conn, error) {
			made++
			near, far := net.Pipe()
			conns.next <- far
			return near, nil
		})
		open := func(n Need) *Exchange {
			x, err := c.Open(t.Context(), n)
			if err != nil {
				t.Fatal(err)
			}
			return x
		}
		slow, small := open(Need{Body: true}), open(Need{Body: true})
		var sending sync.WaitGroup
		sending.Go(func() {
			const size = 2 << 20
			_, _ = fmt.Fprintf(slow, "POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", size)
			_, _ = slow.Write(make([]byte, size))
		})
		synctest.Wait()
		const post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
		if _, err := io.WriteString(small, post); err != nil { // it was given its connection in time
			t.Fatal(err)
		}
		time.Sleep(stuckAfter)
		synctest.Wait()
		if !small.Blocked() || !slow.Blocked() {
			t.Error("two bodies wait, and either may be what the other waits for")
		}
		if x := c.Reuse(Need{Body: true}); x != nil {
			t.Error("a connection took another body on which one waits")
		}
		if x := c.Reuse(Need{}); x == nil || x.cc != slow.cc {
			t.Error("a request without a body waits for no window")
		} else {
			x.Close()
		}
		for range 3 {
			x := open(Need{Body: true})
			if _, err := io.WriteString(x, post); err != nil {
				t.Fatal(err)
			}
			if _, err := x.Read(make([]byte, 1)); err != nil || x.Blocked() {
				t.Error(err)
			}
			x.Close()
		}
		if made != 2 {
			t.Errorf("%d connections", made)
		}
		small.Close()
		if !small.Blocked() || slow.Blocked() {
			t.Error("one that is alone waits for the target")
		}
		slow.Close()
		sending.Wait()
		close(done)
		c.Close()
		s.Close()
		<-ended
	})
}
