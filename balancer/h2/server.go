package h2

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http2"

	"github.com/seed-8025779b/shakedown/balancer/http1"
)

// Server serves connections of HTTP/2.
type Server struct {
	h    http2.Server
	base http.Server // what http2.Server asks for its surroundings
}

// NewServer returns a server whose connections may be idle for a time, and whose requests' heads may have so many
// bytes; 0 stands for http1's limit.
func NewServer(idle time.Duration, maxHead int) *Server {
	s := &Server{}
	if maxHead == 0 {
		maxHead = http1.MaxHead
	}
	s.h.IdleTimeout = idle
	s.base.MaxHeaderBytes = maxHead
	s.base.ErrorLog = log.New(io.Discard, "", 0)
	_ = http2.ConfigureServer(&s.base, &s.h) // it fails for TLS settings only, of which there are none
	return s
}

// Serve serves a connection until it ends. stream is called for each stream, on a goroutine of its own.
func (s *Server) Serve(nc net.Conn, stream func(net.Conn)) {
	s.h.ServeConn(nc, &http2.ServeConnOpts{BaseConfig: &s.base, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &serverStream{Conn: nc, w: w, r: r, control: http.NewResponseController(w)}
		if !x.begin() {
			http.Error(w, "Bad Request: malformed request target", http.StatusBadRequest)
			return
		}
		stream(x)
		if !x.whole() {
			panic(http.ErrAbortHandler) // the stream is reset: the client must not take the answer for whole
		}
	})})
}

// Shutdown tells every client that no further stream is served on its connection, which ends with its last.
func (s *Server) Shutdown() { _ = s.base.Shutdown(context.Background()) } // without listeners it has nothing to wait for

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

// begin makes the request's head. It reports false for what can't be written in one.
func (x *serverStream) begin() bool {
	r := x.r
	if !plain(r.Method) || !plain(r.RequestURI) || (r.Host != "" && !plain(r.Host)) {
		return false
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
	return true
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
