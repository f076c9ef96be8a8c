package vegeta

import (
	"cmp"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/http1"
)

// connection carries one exchange at a time. With HTTP/1.1 it is a transport of its own, which so keeps one
// connection to a host: when the server has closed that one, net/http sends the request again on a new one, not
// on another idle one that may be closed too. With HTTP/2 all share a transport, and through it connections.
type connection struct{ transport *http.Transport }

// idleTimeout is how long a connection is kept without an exchange: net/http's own default.
const idleTimeout = 90 * time.Second

// newConnection makes the n-th connection of a play, which lives no longer than that. net/http goes on with connecting when the
// request it was for has been given up, so that each stage is bounded by at least the timeout of the whole.
func (e *Engine) newConnection(play context.Context, n int) *connection {
	c := &http.Transport{
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, cmp.Or(e.cfg.Stages.Connect, e.cfg.Timeout))
			defer cancel()
			defer context.AfterFunc(play, cancel)()
			return e.connect(ctx, address, n)
		},
		TLSClientConfig:     e.tls.Clone(), // HTTP/2 changes it
		TLSHandshakeTimeout: cmp.Or(e.cfg.Stages.TLS, e.cfg.Timeout),
		MaxIdleConnsPerHost: 1,
		IdleConnTimeout:     idleTimeout,
		DisableCompression:  true,
		Protocols:           &http.Protocols{},

		MaxResponseHeaderBytes: http1.MaxHead,
	}
	if !e.cfg.HTTP2 {
		c.Protocols.SetHTTP1(true)
	} else {
		c.MaxIdleConnsPerHost = e.cfg.Connections // those in use count as idle
		c.Protocols.SetHTTP2(e.base.Scheme == "https")
		c.Protocols.SetUnencryptedHTTP2(e.base.Scheme == "http")
	}
	return &connection{c}
}

// socket is a connection of HTTP/1.1. It knows how the server has ended it, which net/http does not tell when it
// sends a request again.
type socket struct {
	net.Conn
	connect time.Duration // how long it took to make
	end     atomic.Pointer[error]
}

// connect makes the n-th connection for the exchange that the context belongs to, but for one that must not be sent again.
func (e *Engine) connect(ctx context.Context, address string, n int) (net.Conn, error) {
	if e.cfg.HTTP2 {
		return e.dial(ctx, address, n)
	}
	if x, ok := ctx.Value(exchangeKey{}).(*stamps); ok && x.brokenOff.Load() {
		return nil, errBrokenOff
	}
	began := time.Now()
	c, err := e.dial(ctx, address, n)
	if err != nil {
		return nil, err
	}
	return &socket{Conn: c, connect: time.Since(began)}, nil
}

// socketOf returns the socket below a connection of net/http's; nil with HTTP/2.
func socketOf(c net.Conn) *socket {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	s, _ := c.(*socket)
	return s
}

func (s *socket) Read(p []byte) (int, error) { return s.note(s.Conn.Read(p)) }

func (s *socket) Write(p []byte) (int, error) { return s.note(s.Conn.Write(p)) }

// note keeps the first error.
func (s *socket) note(n int, err error) (int, error) {
	if err != nil {
		s.end.CompareAndSwap(nil, &err)
	}
	return n, err
}

// closed is the error by which the server has ended the connection. TLS may end before its socket does.
func (s *socket) closed() error {
	if err := s.end.Load(); err != nil {
		return *err
	}
	return io.EOF
}

// followRepeatRule makes net/http send a request again where package wire does. By itself it does so with GET,
// HEAD, OPTIONS and TRACE, not with PUT and DELETE, and with whatever carries one of two headers. That none is sent
// again long after it was written is for stamps.trace to see to.
func followRepeatRule(req *http.Request) {
	const key, experimental = "Idempotency-Key", "X-Idempotency-Key"
	if http1.Idempotent(req.Method) {
		if _, ok := req.Header[key]; !ok {
			req.Header[key] = []string{} // documented: the request is taken as idempotent, and the header is not sent
		}
		return
	}
	for _, name := range []string{key, experimental} {
		if value, ok := req.Header[name]; ok {
			delete(req.Header, name)
			req.Header[strings.ToLower(name)] = value // net/http looks for the canonical name only; a server does not care
		}
	}
}
