package proxy

import (
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/seed-8025779b/shakedown/balancer/exchange"
	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/h2"
	"github.com/seed-8025779b/shakedown/balancer/serve"
)

// idle is a connection that has been used and kept, and the target's end of it.
func idle(t *testing.T, u *upstream, accepted chan net.Conn) (*conn, net.Conn) {
	t.Helper()
	c := take(t, u, &serve.Peer{})
	u.give(c, true)
	if c = u.reuse(&serve.Peer{}, true, h2.Need{}); c == nil {
		t.Fatal("the connection was not kept")
	}
	return c, <-accepted
}

// converse lets each side of a connection answer the other, after which a kernel acknowledges what comes with the answer or late.
func converse(t *testing.T, one, other net.Conn) {
	t.Helper()
	for range 20 {
		for _, way := range [][2]net.Conn{{one, other}, {other, one}} {
			if _, err := way[0].Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			if _, err := way[1].Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A POST goes again when the target has ended its connection without any of it, and never when the target may have read some: then the
// POST may have been why, and nobody else's requests go on new connections for it.
func TestPostsThatMeetTheEnd(t *testing.T) {
	const post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
	reset := func(c net.Conn) {
		_ = c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	for _, x := range []struct {
		name string
		read int // bytes of it
		end  func(c net.Conn)
		want bool
	}{
		{"closed before it came", 0, func(c net.Conn) { c.Close() }, true},
		{"reset before it came", 0, reset, true}, // not a byte can be written
		{"read and closed", len(post), func(c net.Conn) { c.Close() }, false},
		{"read in part and closed", 1, func(c net.Conn) { c.Close() }, false},
		{"read and reset", len(post), reset, false},
		{"read and only ended", len(post), func(c net.Conn) { _ = c.(*net.TCPConn).CloseWrite() }, false},
	} {
		t.Run(x.name, func(t *testing.T) {
			address, accepted := accepting(t)
			u := newUpstream(&Pool{}, address)
			defer u.close()
			c, target := idle(t, u, accepted)
			defer target.Close()
			converse(t, c.nc, target)
			c.begin(&driver{})
			var err error
			if x.read == 0 {
				x.end(target)
				for !c.watch.Gone() {
					time.Sleep(time.Millisecond)
				}
				_, err = c.nc.Write([]byte(post))
			} else {
				if _, err = c.nc.Write([]byte(post)); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(target, make([]byte, x.read)); err != nil {
					t.Fatal(err)
				}
				x.end(target)
			}
			if err == nil {
				_, err = c.nc.Read(make([]byte, 1))
			}
			if err == nil {
				t.Fatal("the target said something")
			}
			if got := c.untouched(err); got != x.want {
				t.Errorf("%v after %v", got, err)
			}
			if u.brokeOff(c, err); u.isWary() != x.want {
				t.Errorf("wary %v after %v", u.isWary(), err)
			}
		})
	}
}

// A target that has closed a connection soon after its use gets requests that can't be repeated on new connections for a while.
func TestHastyTargets(t *testing.T) {
	for name, rest := range map[string]time.Duration{"hasty": 0, "patient": 2 * hasty} {
		for how, find := range map[string]func(u *upstream){
			"taken": func(u *upstream) { u.reuse(&serve.Peer{}, true, h2.Need{}) },
			"swept": func(u *upstream) { u.sweep() },
		} {
			address, accepted := accepting(t)
			u := newUpstream(&Pool{}, address)
			defer u.close()
			c, target := idle(t, u, accepted)
			u.give(c, true)
			c.idleSince = c.idleSince.Add(-rest)
			target.Close()
			for !c.watch.Gone() {
				time.Sleep(time.Millisecond)
			}
			find(u)
			wary := rest == 0
			if len(u.idle) > 0 || u.isWary() != wary {
				t.Fatalf("%s, %s: wary %v", name, how, u.isWary())
			}
			c, _ = take(t, u, &serve.Peer{}), <-accepted
			u.give(c, true)
			if got := u.reuse(&serve.Peer{}, false, h2.Need{}); (got == nil) != wary {
				t.Errorf("%s, %s: a POST got %v", name, how, got)
			}
			if wary {
				u.wary.Add(-int64(wariness)) // its time goes by
				if u.reuse(&serve.Peer{}, false, h2.Need{}) != c {
					t.Errorf("%s, %s: it stays wary", name, how)
				}
			}
			u.give(c, false)
		}
	}
}

// Each exchange that ends with a connection of HTTP/2 tells of the same end, of which package exchange counts one, and for how long it
// has waited for its own client.
func TestEndsOfSharedConnections(t *testing.T) {
	address, accepted := accepting(t)
	u := newUpstream(&Pool{HTTP2: true}, address)
	defer u.close()
	greeted := make(chan net.Conn, 1)
	go func() {
		c := <-accepted
		_ = http2.NewFramer(c, c).WriteSettings() // else no connection is made
		greeted <- c
	}()
	impatient := &upload{}
	impatient.waiting.total = time.Second
	exchanges := []*upload{impatient, nil, nil, impatient}
	var conns []*conn
	for range exchanges {
		c := take(t, u, &serve.Peer{})
		defer c.nc.Close()
		if _, err := io.WriteString(c.nc, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	target := <-greeted
	f := http2.NewFramer(target, target)
	if _, err := io.CopyN(io.Discard, target, int64(len(http2.ClientPreface))); err != nil {
		t.Fatal(err)
	}
	for came := 0; came < len(exchanges); {
		frame, err := f.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if frame.Header().Type == http2.FrameHeaders {
			came++
		}
	}
	_ = f.WriteGoAway(100, http2.ErrCodeInternal, nil)
	target.Close()
	var end *atomic.Bool
	for i, up := range exchanges {
		_, err := conns[i].nc.Read(make([]byte, 1))
		x := &driver{c: &serve.Conn{}, u: conns[i], upload: up, f: &Front{}, pool: &Pool{}, target: &group.Target{Member: group.Member{ID: "a", Address: address}}}
		e := x.endOf(err)
		if e.Ending != exchange.BrokenOff || e.Shared == nil || (i > 0 && e.Shared != end) || (e.Patience == time.Second) != (up != nil) {
			t.Errorf("exchange %d ended by %q after %v: %v", i, e.Ending, e.Patience, err)
		}
		end = e.Shared
	}
}

// An answer that can't be passed on is neither its client's failure nor its target's.
func TestUnpassableAnswersAreNobodysFailure(t *testing.T) {
	x := &driver{}
	if ending, _ := x.seen(fmt.Errorf("x: %w", h2.ErrUnpassable)); ending != exchange.Unpassable {
		t.Error(ending)
	}
}
