package h2

import (
	"context"
	"net"
	"net/http"
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
			x, err := c.Open(t.Context())
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
