package h2

import (
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// shared is a connection with its streams.
type shared struct {
	*http.ClientConn
	client  *Client
	began   time.Time   // to be made
	counted atomic.Bool // its end was
	large   atomic.Bool // it has had a request of largeRequest

	idle time.Time // since when a sweep has seen it without streams; zero while it has some. Under the client's lock

	mu     sync.Mutex
	resets int         // of its streams by us that no time has made up for
	paid   time.Time   // until when it has
	bodies int         // streams under way whose request has one
	long   int         // of these, whose body has given more than longBody
	held   []*Exchange // whose body net/http holds a piece of, the one that has waited the longest first
}

// A target goes on working for a stream that was reset, and ends the connection of a client that begins many and resets them: net/http's
// server when 1250 are at work, Netty's at 200 resets in 30 seconds. The clients of the balancer share connections, and must not end
// them for each other.
const (
	maxResets  = 100
	resetEvery = 30 * time.Second / maxResets
)

// reset notes that a stream was reset before it had ended. After too many, the connection takes no new streams.
func (s *shared) reset() {
	s.mu.Lock()
	now := time.Now()
	n := int(now.Sub(s.paid) / resetEvery)
	if s.resets -= n; s.resets <= 0 {
		s.resets, s.paid = 0, now
	} else {
		s.paid = s.paid.Add(time.Duration(n) * resetEvery)
	}
	s.resets++
	tooMany := s.resets == maxResets
	s.mu.Unlock()
	if tooMany {
		s.client.retire(s)
	}
}

// retire begins no more streams on a connection, which ends with its last one.
func (c *Client) retire(s *shared) {
	c.mu.Lock()
	c.conns = slices.DeleteFunc(c.conns, func(other *shared) bool { return other == s })
	c.mu.Unlock()
	go closeWhenIdle(s.ClientConn) // TLS takes leave of the target, and may have to wait for it
}

// stuckAfter is how long a piece of a body may wait until no other body is given to its connection.
const stuckAfter = 100 * time.Millisecond

// longBody is from how many bytes on a body may use up the window of its connection, which is 64 KiB at first (RFC 9113, 6.9.2).
const longBody = 16 << 10

// takesBodies reports whether another body may begin on the connection: no long one is under way, and the target takes what is to be sent
// of the others. The window is the connection's: one client's body that the target does not read would hold up those of all others.
func (s *shared) takesBodies(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.long == 0 && (len(s.held) == 0 || now.Sub(s.held[0].heldSince) < stuckAfter)
}

// blocks reports whether an exchange's body waits while others' are under way: which of them has used the window up is not known. The lock
// is held.
func (s *shared) blocks(x *Exchange) bool { return s.bodies > 1 && slices.Contains(s.held, x) }

// beginBody notes that a stream begins whose request has a body.
func (s *shared) beginBody(x *Exchange) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x.bodied = true
	s.bodies++
}

// endBody notes that such a stream is over.
func (s *shared) endBody(x *Exchange) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !x.bodied {
		return
	}
	x.blocked, x.bodied = s.blocks(x), false
	s.bodies--
	if x.given > longBody {
		s.long--
	}
	s.release(x)
}

// hold notes that net/http has a piece of n bytes of an exchange's body, or its end, which it now sends.
func (s *shared) hold(x *Exchange, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.release(x); x.bodied {
		if x.given <= longBody && x.given+int64(n) > longBody {
			s.long++
		}
		x.given += int64(n)
		x.heldSince = time.Now()
		s.held = append(s.held, x)
	}
}

// sent notes that net/http has sent what it had.
func (s *shared) sent(x *Exchange) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.release(x)
}

// release takes an exchange out of held. The lock is held.
func (s *shared) release(x *Exchange) {
	if i := slices.Index(s.held, x); i >= 0 {
		s.held = slices.Delete(s.held, i, i+1)
	}
}

// Blocked reports whether the request's body waits, or waited at the end, for a target that may be kept from taking it by what another
// exchange on the connection has sent.
func (x *Exchange) Blocked() bool {
	x.cc.mu.Lock()
	defer x.cc.mu.Unlock()
	return x.blocked || x.cc.blocks(x)
}

// Of the connections without streams so many are kept, and the others once they have had none for that long: what a burst took is
// given back.
const (
	keptIdle = 2
	idleFor  = 10 * time.Second
)

// Sweep closes connections that have not been needed for a while.
func (c *Client) Sweep(now time.Time) {
	for _, s := range c.takeUnused(now) {
		s.Close() // without the lock: TLS takes leave of the target, and may have to wait for it
	}
}

// takeUnused takes those that Sweep closes. Streams are reserved under the same lock: none begins on them any more.
func (c *Client) takeUnused(now time.Time) (unused []*shared) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := 0
	c.conns = slices.DeleteFunc(c.conns, func(s *shared) bool {
		switch {
		case s.InFlight() > 0:
			s.idle = time.Time{}
			return false
		case s.idle.IsZero():
			s.idle = now
		}
		if kept++; kept <= keptIdle || now.Sub(s.idle) < idleFor {
			return false
		}
		unused = append(unused, s)
		return true
	})
	return unused
}

// outgoing is a request's body as net/http reads it: when it wants more, it has sent what it had.
type outgoing struct {
	*io.PipeReader
	x *Exchange
}

// Read implements io.Reader.
func (o outgoing) Read(p []byte) (int, error) {
	o.x.cc.sent(o.x)
	n, err := o.PipeReader.Read(p)
	o.x.cc.hold(o.x, n)
	return n, err
}
