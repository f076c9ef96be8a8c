package h2

import (
	"context"
	"net"
	"net/http"
	"testing"
	"time"
)

// A stream that was reserved and never begun is given back: the connection is closed once it has no other.
func TestUnusedReservations(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan struct{}, 1)
	s := &http.Server{Protocols: &http.Protocols{}, Handler: http.NotFoundHandler(), ConnState: func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			closed <- struct{}{}
		}
	}}
	s.Protocols.SetUnencryptedHTTP2(true)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	c := NewClient(false, time.Minute, func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", l.Addr().String())
	})
	first, err := c.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second := c.Reuse()
	if second == nil {
		t.Fatal("a connection takes more than one stream")
	}
	first.Close()
	second.Close()
	c.Close()
	select {
	case <-closed:
	case <-time.After(20 * time.Second):
		t.Error("the connection stays open")
	}
	s.Close()
	<-done
}
