package h2

import (
	"cmp"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/http1"
)

// Server serves connections of HTTP/2.
type Server struct {
	http  *http.Server
	late  func() *http.Server // for a connection that http no longer takes
	conns *handed
	ended chan struct{}
	cut   chan struct{} // closed when Shutdown waits no longer

	mu      sync.Mutex
	open    map[*conn]struct{}
	closing bool // the clients have been told
}

// NewServer returns a server whose connections may be idle for a time, and whose requests' heads may have so many
// bytes; 0 stands for http1's limit. It must be shut down.
func NewServer(idle time.Duration, maxHead int) *Server {
	s := &Server{conns: newHanded(), ended: make(chan struct{}), cut: make(chan struct{}), open: map[*conn]struct{}{}}
	s.http = newHTTP(idle, maxHead)
	s.late = func() *http.Server { return newHTTP(idle, maxHead) }
	go func() {
		defer close(s.ended)
		_ = s.http.Serve(s.conns) // it ends when it is shut down
	}()
	return s
}

// maxStreams is how many streams a client may have at once on a connection. Answers that it does not take cost as much for each of them
// as a client of HTTP/1.1 costs. It is what Envoy recommends at the edge, and the least that RFC 9113, 6.5.2, does.
const maxStreams = 100

func newHTTP(idle time.Duration, maxHead int) *http.Server {
	s := &http.Server{
		Handler: http.HandlerFunc(serve), Protocols: &http.Protocols{}, IdleTimeout: idle, MaxHeaderBytes: cmp.Or(maxHead, http1.MaxHead),
		ErrorLog: log.New(io.Discard, "", 0),

		DisableGeneralOptionsHandler: true, // OPTIONS * is for the rules, as in HTTP/1.1
		ConnContext:                  func(ctx context.Context, nc net.Conn) context.Context { return context.WithValue(ctx, connKey{}, nc) },
	}
	s.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: maxStreams}
	s.Protocols.SetUnencryptedHTTP2(true) // whatever encrypts it, the connection is decrypted when it comes here
	return s
}

// Serve serves a connection until it ends, one of TLS once its handshake is done. stream is called for each stream, on a
// goroutine of its own.
func (s *Server) Serve(nc net.Conn, stream func(net.Conn)) {
	c := &conn{Conn: nc, stream: stream, closed: make(chan struct{}), flood: newFlood()}
	s.mu.Lock()
	s.open[c] = struct{}{}
	closing := s.closing
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.open, c)
		s.mu.Unlock()
	}()
	if closing { // its client has come to ask: it is told once that has begun
		told := time.AfterFunc(notice, c.announce)
		defer told.Stop()
	}
	select {
	case s.conns.next <- c:
	case <-s.conns.done: // it was accepted in time, and its client does not know that it could ask elsewhere
		l, ended := newHanded(), make(chan struct{})
		go func() {
			defer close(ended)
			_ = s.late().Serve(l) // it ends with the listener
		}()
		defer func() {
			l.Close()
			<-ended
		}()
		l.next <- c
	}
	select {
	case <-c.closed:
	case <-s.cut: // its owner closes it
	}
}

// notice is how long clients have, once they are told that the server ends, before streams are refused that they begin: the
// second that net/http too takes for a round trip at most.
const notice = time.Second

// Shutdown ends the server as RFC 9113, 6.8, has it. Every client is told that its connection will end; what it has
// asked meanwhile is still answered. Then it is told which stream was the last, so that it may repeat the others elsewhere,
// and the connection ends with the last stream. Shutdown returns when that is so, or the context ends.
func (s *Server) Shutdown(ctx context.Context) {
	defer close(s.cut)
	s.announce(ctx)
	_ = s.http.Shutdown(ctx) // what could not finish in time is cut by the connections' owner
	<-s.ended
}

// announce tells the clients, and waits until they have left or have had the time to notice.
func (s *Server) announce(ctx context.Context) {
	s.mu.Lock()
	s.closing = true
	told := make([]*conn, 0, len(s.open))
	for c := range s.open {
		told = append(told, c)
	}
	s.mu.Unlock()
	for _, c := range told {
		c.announce()
	}
	wait := notice
	if end, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(end)/4) // the rest is for what is under way
	}
	late := time.After(wait)
	for tick := time.NewTicker(5 * time.Millisecond); ; {
		s.mu.Lock()
		left := len(s.open)
		s.mu.Unlock()
		if left == 0 {
			tick.Stop()
			return
		}
		select {
		case <-tick.C:
		case <-late:
			tick.Stop()
			return
		}
	}
}

// conn is a client's connection, and what is to be done with its streams.
type conn struct {
	net.Conn
	stream func(net.Conn)
	once   sync.Once
	closed chan struct{}

	ending  atomic.Bool // the client is to be told
	flooded atomic.Bool // that it sends too much
	writing sync.Mutex
	frames  frames // that are written
	told    bool
	calmed  bool

	flood flood
}

type connKey struct{}

// Close implements net.Conn.
func (c *conn) Close() (err error) {
	c.once.Do(func() {
		err = c.Conn.Close()
		close(c.closed)
	})
	return err
}

// handed is a listener of connections that others have accepted.
type handed struct {
	next chan net.Conn
	done chan struct{}
	once sync.Once
}

func newHanded() *handed { return &handed{next: make(chan net.Conn), done: make(chan struct{})} }

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
	defer x.end()
	x.begin()
	c.stream(x)
	if !x.whole() {
		panic(http.ErrAbortHandler) // the stream is reset: the client must not take the answer for whole
	}
}

// progressSize is how much of an answer a client must take for it to count as progress. It is what net/http gathers before it
// writes a frame: smaller pieces would not be seen to leave.
const progressSize = 4 << 10

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
	started bool          // the answer's head was written
	stall   time.Duration // how long the client may take nothing of the answer; 0 for any time
	timer   *time.Timer   // of a write that is under way
	ending  sync.Mutex
	writeBy time.Time   // until when the client may take what is written; zero for no limit
	late    bool        // the stream was cut for what the client has not taken
	closing *time.Timer // of the connection, while a write goes on that was cut
	over    bool        // the handler has returned, or is about to
}

// begin makes the request's head. What can't be written in one is left for the parser to refuse.
func (x *serverStream) begin() {
	r := x.r
	if !plain(r.Method) || !plain(r.RequestURI) || (r.Host != "" && !plain(r.Host)) || !originForm(r) || !oneHost(r) {
		x.unread = []byte("malformed\r\n\r\n")
		return
	}
	if !lengths(r.Header["Content-Length"]) { // net/http takes the length for 0, and there may be a body
		x.unread = []byte("POST / HTTP/1.1\r\nHost: malformed\r\nContent-Length: malformed\r\n\r\n")
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

// originForm reports whether a stream's path is one (RFC 9113, 8.3.1): it must not name another authority. CONNECT has none.
func originForm(r *http.Request) bool {
	return strings.HasPrefix(r.RequestURI, "/") || (r.RequestURI == "*" && r.Method == http.MethodOptions) || r.Method == http.MethodConnect
}

// oneHost reports whether Host, where a stream has it, says the same as its authority.
func oneHost(r *http.Request) bool {
	hosts := r.Header["Host"]
	return len(hosts) == 0 || (len(hosts) == 1 && strings.EqualFold(hosts[0], r.Host))
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
	if !x.inForce.Equal(x.readBy) && !x.Gone() {
		x.inForce = x.readBy
		_ = x.control.SetReadDeadline(x.readBy) // a stream that has ended meanwhile tells at the read
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

// SetStall sets how long the client may take nothing of the answer; 0 stands for any time.
func (x *serverStream) SetStall(d time.Duration) { x.stall = d }

// SetWriteDeadline limits the writes that begin after it, however steadily the client takes the answer. A write that takes longer
// ends the stream.
func (x *serverStream) SetWriteDeadline(t time.Time) error {
	x.ending.Lock()
	defer x.ending.Unlock()
	x.writeBy = t
	return nil
}

// SetDeadline implements net.Conn.
func (x *serverStream) SetDeadline(t time.Time) error {
	_ = x.SetWriteDeadline(t) // it never fails
	return x.SetReadDeadline(t)
}

// Close implements net.Conn: the stream ends when its handler returns.
func (x *serverStream) Close() error { return nil }

// Gone reports whether the client has given the stream up. Such a stream must get no deadline: net/http would keep it, with all that
// it has buffered, until the deadline passes.
func (x *serverStream) Gone() bool { return x.r.Context().Err() != nil }

// whole reports whether the answer was written to its end.
func (x *serverStream) whole() bool { return x.started && x.answer.Ended() }

// Write takes the answer, in pieces of any size, and passes them on at once. The error is os.ErrDeadlineExceeded when the client has
// not taken something in time, which ends the stream.
func (x *serverStream) Write(p []byte) (int, error) {
	x.watch()
	if x.timer != nil {
		defer x.timer.Stop()
	}
	n, err := x.write(p)
	if x.wasCut() { // net/http may only say that the connection has ended
		return n, os.ErrDeadlineExceeded
	}
	return n, err
}

func (x *serverStream) write(p []byte) (int, error) {
	size := len(p)
	for !x.started && len(p) > 0 {
		whole, rest, err := x.head.add(p)
		if err != nil {
			return 0, unpassable(err)
		}
		if whole == nil {
			return size, nil
		}
		p = rest
		if err := x.begun(whole); err != nil {
			return 0, unpassable(err)
		}
	}
	for len(p) > 0 && !x.answer.Ended() {
		n, piece, err := x.answer.Next(p)
		if err != nil {
			return 0, unpassable(err)
		}
		p = p[n:]
		for len(piece) > 0 { // each piece that was taken is progress
			k := min(len(piece), progressSize)
			if _, err := x.w.Write(piece[:k]); err != nil {
				return 0, err
			}
			piece = piece[k:]
			x.watch()
		}
	}
	if x.answer.Ended() {
		eachLine(x.answer.Trailer, func(name, value string) { x.w.Header().Add(http.TrailerPrefix+name, value) })
		return size, nil // what is left goes out with the stream's end
	}
	return size, x.control.Flush()
}

// watch begins the time anew in which the client must take something.
func (x *serverStream) watch() {
	x.ending.Lock()
	by := x.writeBy
	x.ending.Unlock()
	wait := x.stall
	if left := time.Until(by); !by.IsZero() && (wait == 0 || left < wait) {
		if wait = left; wait <= 0 {
			x.cut()
			return
		}
	}
	switch {
	case wait == 0:
	case x.timer == nil:
		// A deadline of http2's own ends the stream even when nothing is being written.
		x.timer = time.AfterFunc(wait, x.cut)
	default:
		x.timer.Reset(wait)
	}
}

// resetTime is how long the reset of a stream whose time is over may wait for the client to read what was sent before it.
const resetTime = time.Second

// cut ends the stream. It may be called late, as timers are: once the handler has returned, net/http's writer must not be
// used any more.
func (x *serverStream) cut() {
	x.ending.Lock()
	defer x.ending.Unlock()
	if x.over || x.late {
		return
	}
	x.late = true
	_ = x.control.SetWriteDeadline(time.Unix(1, 0)) // a stream that has ended needs none
	if by := x.writeBy; !by.IsZero() && !time.Now().Before(by) {
		// A client that reads nothing at all holds up the reset too, and the write with it.
		x.closing = time.AfterFunc(resetTime, func() { x.Conn.Close() })
	}
}

// wasCut reports whether cut has ended the stream. It is called when the write has ended.
func (x *serverStream) wasCut() bool {
	x.ending.Lock()
	defer x.ending.Unlock()
	if x.closing != nil {
		x.closing.Stop()
	}
	return x.late
}

// end is called when the handler returns. The last of the answer, which net/http still holds, must be taken in time too.
func (x *serverStream) end() {
	x.ending.Lock()
	defer x.ending.Unlock()
	x.over = true
	if x.closing != nil {
		x.closing.Stop()
	}
	if x.stall > 0 && !x.Gone() {
		_ = x.control.SetWriteDeadline(time.Now().Add(x.stall)) // it fails for no stream of net/http's
	}
}

// begun passes an answer's head on.
func (x *serverStream) begun(whole []byte) error {
	var res http1.Response
	h := x.w.Header()
	if _, err := http1.ParseOwnResponse(whole, x.r.Method == http.MethodHead, &res, func(name, value []byte) {
		if n := string(name); http1.Is(name, "content-length") || !framing(n) {
			h.Add(n, string(value))
		}
	}); err != nil {
		return err
	}
	for _, name := range []string{"Content-Type", "Date"} { // otherwise net/http would make them up
		if !hasKey(h, name) {
			h[name] = nil
		}
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
