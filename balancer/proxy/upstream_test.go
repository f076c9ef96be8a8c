package proxy

import (
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
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

// closing is a connection of which the test hears when it is closed.
type closing struct {
	net.Conn
	close func()
}

func (c closing) Close() error {
	c.close()
	return nil
}

// lively watches a connection that is open or not.
type lively bool

func (l lively) Quiet() bool  { return bool(l) }
func (l lively) Gone() bool   { return !bool(l) }
func (l lively) Broken() bool { return !bool(l) }

// Whoever closes a connection to a target, which may take its time, holds up nobody else who needs one.
func TestClosingHoldsUpNobody(t *testing.T) {
	u := newUpstream(&Pool{}, "a:80")
	closed := 0
	add := func(keep, open bool, owner netip.AddrPort) {
		u.give(&conn{watch: lively(open), owner: owner, nc: closing{close: func() {
			closed++
			if !u.mu.TryLock() {
				t.Errorf("connection %d is closed while others have to wait", closed)
				return
			}
			u.mu.Unlock()
		}}}, keep)
	}
	add(false, true, netip.AddrPort{})
	for range exchange.MaxIdle - 1 {
		add(true, true, netip.AddrPort{})
	}
	add(true, false, netip.AddrPort{})
	add(true, true, netip.AddrPort{})                           // one too many
	add(true, true, netip.MustParseAddrPort("192.0.2.1:50000")) // the oldest goes
	u.sweep()
	before := closed
	u.closeIdle()
	if before != 4 || closed-before < exchange.MaxIdle/idlePart {
		t.Errorf("%d connections were closed, and then %d", before, closed-before)
	}
	if u.close(); closed != exchange.MaxIdle+3 || len(u.idle) != 0 {
		t.Errorf("%d connections were closed in all", closed)
	}
}

// A body of which something has come has some time to end after the answer to it; one that has not even begun has none.
func TestBodiesAfterTheirAnswers(t *testing.T) {
	for _, tc := range []struct {
		held, came bool
		want       time.Duration
	}{{true, false, 0}, {true, true, uploadGrace}, {false, false, uploadGrace}, {false, true, uploadGrace}} {
		synctest.Test(t, func(t *testing.T) {
			up := &upload{ended: make(chan struct{})}
			up.came.Store(tc.came)
			x := &driver{upload: up, c: &serve.Conn{}, u: &conn{nc: closing{close: func() { close(up.ended) }}}}
			x.c.Request.Expect = tc.held
			began := time.Now()
			if whole := x.finishUpload(false); whole || !x.c.Close || time.Since(began) != tc.want {
				t.Errorf("%+v: whole %v after %v", tc, whole, time.Since(began))
			}
		})
	}
}

// A body without content leaves its connection as it was, whenever its end came.
func TestEmptyBodiesKeepTheConnection(t *testing.T) {
	up := &upload{ended: make(chan struct{})}
	up.finished.Store(true)
	up.over.Store(true)
	close(up.ended)
	for _, held := range []bool{false, true} {
		x := &driver{upload: up, c: &serve.Conn{}, u: &conn{nc: closing{close: func() { t.Error("the connection was cut") }}}}
		x.c.Request.Expect = held
		if whole := x.finishUpload(false); !whole || x.c.Close {
			t.Errorf("held back %v: whole %v, close %v", held, whole, x.c.Close)
		}
	}
}
