package h2

import (
	"cmp"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/http1"
)

// Server serves connections of HTTP/2.
type Server struct {
	http  http.Server
	conns handed
	ended chan struct{}
}

// NewServer returns a server whose connections may be idle for a time, and whose requests' heads may have so many
// bytes; 0 stands for http1's limit. It must be shut down.
func NewServer(idle time.Duration, maxHead int) *Server {
	s := &Server{conns: handed{next: make(chan net.Conn), done: make(chan struct{})}, ended: make(chan struct{})}
	s.http = http.Server{
		Handler: http.HandlerFunc(serve), Protocols: &http.Protocols{}, IdleTimeout: idle, MaxHeaderBytes: cmp.Or(maxHead, http1.MaxHead),
		ErrorLog:    log.New(io.Discard, "", 0),
		ConnContext: func(ctx context.Context, nc net.Conn) context.Context { return context.WithValue(ctx, connKey{}, nc) },
	}
	s.http.Protocols.SetUnencryptedHTTP2(true) // whatever encrypts it, the connection is decrypted when it comes here
	go func() {
		defer close(s.ended)
		_ = s.http.Serve(&s.conns) // it ends when it is shut down
	}()
	return s
}

// Serve serves a connection until it ends, one of TLS once its handshake is done. stream is called for each stream, on a
// goroutine of its own.
func (s *Server) Serve(nc net.Conn, stream func(net.Conn)) {
	c := &conn{Conn: nc, s: s, stream: stream, closed: make(chan struct{})}
	select {
	case s.conns.next <- c:
		<-c.closed
	case <-s.conns.done:
		nc.Close()
	}
}

// Shutdown tells every client that no further stream is served on its connection, which ends with its last. It returns
// when that is so, or the context ends.
func (s *Server) Shutdown(ctx context.Context) {
	s.conns.closing.Store(true)
	_ = s.http.Shutdown(ctx) // what could not finish in time is cut by the connections' owner
	<-s.ended
}

// conn is a client's connection, and what is to be done with its streams.
type conn struct {
	net.Conn
	s      *Server
	stream func(net.Conn)
	once   sync.Once
	closed chan struct{}
}

type connKey struct{}

// farewell is how long a connection stays open that the end of its server finds idle: a client that is about to ask
// hears first that it should go elsewhere.
const farewell = time.Second

// Close implements net.Conn.
func (c *conn) Close() (err error) {
	c.once.Do(func() {
		if c.s.conns.closing.Load() {
			time.AfterFunc(farewell, func() {
				_ = c.Conn.Close() // nobody asks any more
				close(c.closed)
			})
			return
		}
		err = c.Conn.Close()
		close(c.closed)
	})
	return err
}

// handed is a listener of connections that others have accepted.
type handed struct {
	next    chan net.Conn
	done    chan struct{}
	once    sync.Once
	closing atomic.Bool
}

func (h *handed) Accept() (net.Conn, error) {
	select {
	case nc := <-h.next:
		return nc, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

func (h *handed) Close() error {
	h.once.Do(func() { close(h.done) })
	return nil
}

func (h *handed) Addr() net.Addr { return &net.TCPAddr{} }

// serve serves a stream.
func serve(w http.ResponseWriter, r *http.Request) {
	c, _ := r.Context().Value(connKey{}).(*conn) // ConnContext put it there
	x := &serverStream{Conn: c.Conn, w: w, r: r, control: http.NewResponseController(w)}
	x.begin()
	c.stream(x)
	if !x.whole() {
		panic(http.ErrAbortHandler) // the stream is reset: the client must not take the answer for whole
	}
}

// serverStream is a stream as a connection of HTTP/1.1: reading it gives the request, what is written is the answer.
// Address and remote address are the connection's.
type serverStream struct {
	net.Conn
	w       http.ResponseWriter
	r       *http.Request
	control *http.ResponseController

	unread []byte // of the request's head
	body   io.Reader

	by      sync.Mutex
	readBy  time.Time // the deadline asked for; it is set when the body is read
	inForce time.Time

	head    head
	answer  http1.Body
	started bool // the answer's head was written
	stalled *time.Timer
	writeBy time.Time
}

// begin makes the request's head. What can't be written in one is left for the parser to refuse.
func (x *serverStream) begin() {
	r := x.r
	if !plain(r.Method) || !plain(r.RequestURI) || (r.Host != "" && !plain(r.Host)) {
		x.unread = []byte("malformed\r\n\r\n")
		return
	}
	b := append(x.unread, r.Method...)
	b = append(b, ' ')
	b = append(b, r.RequestURI...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, r.Host...)
	b = append(b, "\r\n"...)
	b = appendFields(b, r.Header)
	switch {
	case r.ContentLength > 0:
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, r.ContentLength, 10)
		b = append(b, "\r\n"...)
		x.body = r.Body
	case r.ContentLength < 0:
		if len(r.Trailer) > 0 {
			names := make([]string, 0, len(r.Trailer))
			for name := range r.Trailer {
				names = append(names, name)
			}
			b = append(b, "Trailer: "+strings.Join(names, ", ")+"\r\n"...)
		}
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
		x.body = &chunks{body: r.Body, trailer: func() http.Header { return r.Trailer }}
	}
	x.unread = append(b, "\r\n"...)
}

// Read gives the request.
func (x *serverStream) Read(p []byte) (int, error) {
	if len(x.unread) > 0 {
		n := copy(p, x.unread)
		x.unread = x.unread[n:]
		return n, nil
	}
	if x.body == nil {
		return 0, io.EOF
	}
	x.by.Lock()
	if !x.inForce.Equal(x.readBy) {
		x.inForce = x.readBy
		_ = x.control.SetReadDeadline(x.readBy) // a stream that has ended tells at the read
	}
	x.by.Unlock()
	return x.body.Read(p)
}

// SetReadDeadline implements net.Conn. One that has passed ends a read that is under way.
func (x *serverStream) SetReadDeadline(t time.Time) error {
	x.by.Lock()
	defer x.by.Unlock()
	x.readBy = t
	if !t.IsZero() && !t.After(time.Now()) {
		x.inForce = t
		return x.control.SetReadDeadline(t)
	}
	return nil
}

// SetWriteDeadline implements net.Conn.
func (x *serverStream) SetWriteDeadline(t time.Time) error {
	x.writeBy = t
	return nil
}

// SetDeadline implements net.Conn.
func (x *serverStream) SetDeadline(t time.Time) error {
	x.writeBy = t
	return x.SetReadDeadline(t)
}

// Close implements net.Conn: the stream ends when its handler returns.
func (x *serverStream) Close() error { return nil }

// Gone reports whether the client has given the stream up.
func (x *serverStream) Gone() bool { return x.r.Context().Err() != nil }

// whole reports whether the answer was written to its end.
func (x *serverStream) whole() bool { return x.started && x.answer.Ended() }

// Write takes the answer, in pieces of any size, and passes them on at once.
func (x *serverStream) Write(p []byte) (int, error) {
	size := len(p)
	if !x.writeBy.IsZero() {
		// A deadline of http2's own ends the stream even when nothing is being written.
		late := func() { _ = x.control.SetWriteDeadline(time.Unix(1, 0)) }
		if x.stalled == nil {
			x.stalled = time.AfterFunc(time.Until(x.writeBy), late)
		} else {
			x.stalled.Reset(time.Until(x.writeBy))
		}
		defer x.stalled.Stop()
	}
	for !x.started && len(p) > 0 {
		whole, rest, err := x.head.add(p)
		if err != nil {
			return 0, err
		}
		if whole == nil {
			return size, nil
		}
		p = rest
		if err := x.begun(whole); err != nil {
			return 0, err
		}
	}
	for len(p) > 0 && !x.answer.Ended() {
		n, piece, err := x.answer.Next(p)
		if err != nil {
			return 0, err
		}
		p = p[n:]
		if len(piece) > 0 {
			if _, err := x.w.Write(piece); err != nil {
				return 0, err
			}
		}
	}
	if x.answer.Ended() {
		eachLine(x.answer.Trailer, func(name, value string) { x.w.Header().Add(http.TrailerPrefix+name, value) })
		return size, nil // what is left goes out with the stream's end
	}
	return size, x.control.Flush()
}

// begun passes an answer's head on.
func (x *serverStream) begun(whole []byte) error {
	var res http1.Response
	h := x.w.Header()
	if _, err := http1.ParseResponse(whole, x.r.Method == http.MethodHead, &res, func(name, value []byte) {
		if n := string(name); http1.Is(name, "content-length") || !framing(n) {
			h.Add(n, string(value))
		}
	}); err != nil {
		return err
	}
	x.w.WriteHeader(res.Status)
	if res.Status < 200 {
		clear(h)
		return nil
	}
	x.started = true
	x.answer.KeepTrailer = true
	x.answer.Start(&res)
	return nil
}
