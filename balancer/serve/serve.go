// Package serve is the connection loop of an HTTP/1.1 server, on the messages of http1. The balancer's fronts and
// the sample backend are both made of it.
//
//	s := serve.New(serve.Config{Handler: h})
//	go s.Serve(listener)
//	s.Shutdown(ctx, time.Second)
//
// One goroutine a connection; an idle connection holds no buffer. A request is handed over once its head is whole
// and well-formed; anything else is refused here and the connection closed. Exchanges follow each other: what a
// client sends ahead waits its turn.
package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Handler answers requests. It is called on the goroutine of the connection, and must have read what it needs of
// the request, and answered, when it returns. The Conn is its own until then.
type Handler interface{ Serve(c *Conn) }

// Config is a server's settings. Timeouts of zero take their defaults.
type Config struct {
	Handler Handler
	TLS     *tls.Config // nil: connections are not encrypted
	Proxied bool        // each connection begins with a PROXY header, which says who the client is
	// HTTP2 serves a connection on which HTTP/2 is spoken, agreed upon in the handshake or by its preface, until it
	// ends. Its streams come back through ServeStream. nil: HTTP/2 is not spoken.
	HTTP2       func(nc net.Conn, p Peer)
	Connections int // open at once; more are answered 503 and closed. 0: no limit
	// Descriptors bounds them together with the other connections of the process.
	Descriptors *Descriptors
	// The most bytes of a head: of a line, and in all. 0 stands for http1's limits.
	HeadLine, Head int
	Fields         int           // the most header lines of a request; 0 stands for http1.MaxFields
	MaxBody        int64         // bytes of a request's content; 0: no limit
	Idle           time.Duration // between exchanges; 60 s, an application load balancer's
	Header         time.Duration // from the first byte of a head to its last; 10 s
	Body           time.Duration // without progress while a body is read; 60 s
	Write          time.Duration // without progress while an answer is written; 60 s
	// Status is the answer to a request that was refused for a reason; nil stands for StatusOf.
	Status func(reason error) int
	// Refused is told of requests that were not handed over: malformed, too large, too slow.
	Refused func(status int, reason error)
}

func (c *Config) defaults() {
	for _, x := range []struct {
		d   *time.Duration
		def time.Duration
	}{{&c.Idle, time.Minute}, {&c.Header, 10 * time.Second}, {&c.Body, time.Minute}, {&c.Write, time.Minute}} {
		if *x.d == 0 {
			*x.d = x.def
		}
	}
	if c.Status == nil {
		c.Status = StatusOf
	}
	if c.Refused == nil {
		c.Refused = func(int, error) {}
	}
}

// Server serves the connections of its listeners.
type Server struct {
	cfg     Config
	closing atomic.Bool

	accepting sync.WaitGroup // listeners; what they have accepted is begun before connections are waited for
	conns     sync.WaitGroup

	away      atomic.Int64 // connections that are being turned away
	mu        sync.Mutex
	listeners []net.Listener
	open      map[*Conn]struct{}
}

// New returns a server.
func New(cfg Config) *Server {
	cfg.defaults()
	return &Server{cfg: cfg, open: map[*Conn]struct{}{}}
}

// Longest pause after a failed accept: out of descriptors, for example.
const (
	firstPause   = 5 * time.Millisecond
	longestPause = time.Second
)

// Serve accepts connections until the server is shut down; then it returns nil.
func (s *Server) Serve(l net.Listener) error {
	s.mu.Lock()
	if s.closing.Load() {
		s.mu.Unlock()
		l.Close()
		return nil
	}
	s.listeners = append(s.listeners, l)
	s.accepting.Add(1)
	s.mu.Unlock()
	defer s.accepting.Done()
	pause := firstPause
	for {
		nc, err := l.Accept()
		if err != nil {
			var temporary interface{ Temporary() bool }
			switch {
			case s.closing.Load():
				return nil
			case (errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)) && s.cfg.Descriptors.Free():
				continue
			case errors.As(err, &temporary) && temporary.Temporary():
				time.Sleep(pause)
				pause = min(2*pause, longestPause)
				continue
			}
			return err
		}
		pause = firstPause
		s.start(nc)
	}
}

func (s *Server) start(nc net.Conn) {
	c := newConn(s, nc)
	if !s.admit(c) {
		s.turnAway(c)
		return
	}
	s.conns.Go(func() {
		c.begin()
		s.leave(c)
		s.cfg.Descriptors.Give()
	})
}

// admit reports whether a connection may be open, and counts it.
func (s *Server) admit(c *Conn) bool {
	s.mu.Lock()
	full := s.cfg.Connections > 0 && len(s.open) >= s.cfg.Connections
	if !full {
		s.open[c] = struct{}{}
	}
	s.mu.Unlock()
	if full {
		return false
	}
	if !s.cfg.Descriptors.Take() {
		s.leave(c)
		return false
	}
	return true
}

func (s *Server) leave(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
}

// maxAway bounds how many connections of a listener are told at once why they are closed; the others are just closed.
const maxAway = 100

// turnAway closes a connection that is one too many.
func (s *Server) turnAway(c *Conn) {
	if s.cfg.TLS != nil || !s.tells() { // a handshake would cost more than the answer is worth
		s.cfg.Refused(http.StatusServiceUnavailable, ErrFull)
		c.nc.Close()
		return
	}
	s.conns.Go(func() {
		c.refuse(ErrFull)
		c.release()
		c.nc.Close()
		s.cfg.Descriptors.giveAway()
		s.away.Add(-1)
	})
}

// tells reports whether one more connection may be told why it is closed, and counts it.
func (s *Server) tells() bool {
	if s.away.Add(1) <= maxAway && s.cfg.Descriptors.takeAway() {
		return true
	}
	s.away.Add(-1)
	return false
}

// ServeStream serves one exchange on a connection that is a stream of HTTP/2.
func (s *Server) ServeStream(nc net.Conn, p Peer) {
	c := newConn(s, nc)
	c.Peer = p
	c.Peer.HTTP2 = true
	if x, ok := nc.(interface{ SetStall(time.Duration) }); ok {
		x.SetStall(s.cfg.Write)
	}
	c.serve()
}

// cutTime is how long a handler has to find out that its connection was cut: whatever waits looks ten times a second.
// Shutdown does not stay for one that does not.
const cutTime = time.Second

// Shutdown stops accepting. From now on each answer closes its connection; connections that stay idle are closed
// after linger, so that a client that is about to send is answered first. It returns when the last connection has
// ended, or cuts what is left when the context ends, and says so.
func (s *Server) Shutdown(ctx context.Context, linger time.Duration) error {
	s.mu.Lock()
	s.closing.Store(true)
	for _, l := range s.listeners {
		l.Close()
	}
	s.mu.Unlock()
	done := make(chan struct{})
	go func() {
		s.accepting.Wait()
		s.conns.Wait()
		close(done)
	}()
	idle := time.NewTimer(linger)
	defer idle.Stop()
	for {
		select {
		case <-done:
			return nil
		case <-idle.C:
			s.each(func(c *Conn) {
				if c.idle.Load() {
					c.interrupt()
				}
			})
			idle.Reset(10 * time.Millisecond) // for those that become idle later
		case <-ctx.Done():
			s.each(func(c *Conn) { c.socket.Close() })
			select {
			case <-done:
			case <-time.After(cutTime):
			}
			return ctx.Err()
		}
	}
}

// each visits the open connections.
func (s *Server) each(f func(*Conn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		f(c)
	}
}

// Connections is how many connections are open.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}
