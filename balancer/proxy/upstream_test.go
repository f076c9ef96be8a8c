package proxy

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/exchange"
	"github.com/seed-8025779b/shakedown/balancer/h2"
	"github.com/seed-8025779b/shakedown/balancer/serve"
)

// accepting is a target that keeps its connections for the test.
func accepting(t *testing.T) (address string, accepted chan net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accepted = make(chan net.Conn, 1000)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-ended
		for len(accepted) > 0 {
			(<-accepted).Close()
		}
	})
	return l.Addr().String(), accepted
}

// take returns an idle connection or a new one.
func take(t *testing.T, u *upstream, client *serve.Peer) *conn {
	t.Helper()
	if c := u.reuse(client, true, h2.Need{}); c != nil {
		return c
	}
	c, err := u.open(t.Context(), client, h2.Need{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Idle connections that the target has closed are found, those that it has not stay.
func TestSweep(t *testing.T) {
	address, accepted := accepting(t)
	u := newUpstream(&Pool{}, address)
	defer u.close()
	var conns []*conn
	for range 3 {
		conns = append(conns, take(t, u, &serve.Peer{}))
	}
	for _, c := range conns {
		u.give(c, true)
	}
	first := <-accepted
	u.sweep()
	if len(u.idle) != 3 {
		t.Fatalf("%d of 3 open connections are left", len(u.idle))
	}
	first.Close()
	for deadline := time.Now().Add(10 * time.Second); len(u.idle) == 3 && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		u.sweep()
	}
	if len(u.idle) != 2 {
		t.Errorf("%d connections are left of the two that are open", len(u.idle))
	}
}

// A connection that has told its target who the client is serves that client alone, and many clients do not fill the
// pool for good.
func TestConnectionsOfOneClient(t *testing.T) {
	address, _ := accepting(t)
	u := newUpstream(&Pool{ProxyHeader: 1}, address)
	defer u.close()
	peer := func(port int) *serve.Peer {
		return &serve.Peer{Remote: netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(port)), Local: netip.MustParseAddrPort("192.0.2.2:80")}
	}
	of := func(port int) *conn {
		t.Helper()
		return take(t, u, peer(port))
	}
	one := of(1)
	u.give(one, true)
	two := of(2)
	if two == one {
		t.Fatal("a connection went to another client")
	}
	u.give(two, true)
	if of(1) != one {
		t.Fatal("a client's own connection was not found")
	}
	u.give(one, true)
	for port := range exchange.MaxIdle {
		u.give(of(port+10), true)
	}
	if n := len(u.idle); n != exchange.MaxIdle {
		t.Errorf("%d idle connections", n)
	}
	if of(1) == one {
		t.Error("the oldest was not the one to go")
	}
}
