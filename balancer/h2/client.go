package h2

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/http1"
)

// Client keeps connections of HTTP/2 to one target.
type Client struct {
	scheme string
	t      http.Transport

	mu      sync.Mutex
	conns   []*http.ClientConn
	dialing *dial // nil when none is being made
	closed  bool
}

// silence is after how long a connection on which nothing comes is asked whether it is still there.
const silence = 15 * time.Second

// NewClient returns a client that makes its connections by dial. secure says that TLS is spoken on them, and HTTP/2
// agreed upon.
func NewClient(secure bool, dial func() (net.Conn, error)) *Client {
	c := &Client{scheme: "http"}
	c.t = http.Transport{
		DisableCompression: true, MaxResponseHeaderBytes: http1.MaxHead, Protocols: &http.Protocols{}, HTTP2: &http.HTTP2Config{SendPingTimeout: silence},
		DialContext:    func(context.Context, string, string) (net.Conn, error) { return dial() },
		DialTLSContext: func(context.Context, string, string) (net.Conn, error) { return dial() },
	}
	if secure {
		c.scheme = "https"
		c.t.Protocols.SetHTTP2(true)
	} else {
		c.t.Protocols.SetUnencryptedHTTP2(true)
	}
	return c
}

// Open returns a connection of HTTP/1.1 for one exchange, which becomes a stream. The error is of connecting.
func (c *Client) Open() (net.Conn, error) {
	cc, err := c.reserve()
	if err != nil {
		return nil, err
	}
	near, far := net.Pipe()
	x := &exchange{Conn: near, far: far, cc: cc, scheme: c.scheme}
	x.ctx, x.cancel = context.WithCancel(context.Background())
	return x, nil
}

// dial is a connection being made, for whoever needs one meanwhile.
type dial struct {
	done chan struct{}
	err  error
}

// reserve returns a connection that takes one more stream. One connection is made at a time: those who find none wait
// for it.
func (c *Client) reserve() (*http.ClientConn, error) {
	for {
		c.mu.Lock()
		if cc := c.free(); cc != nil {
			c.mu.Unlock()
			return cc, nil
		}
		d := c.dialing
		if d == nil {
			d = &dial{done: make(chan struct{})}
			c.dialing = d
			c.mu.Unlock()
			cc, err := c.connect(d)
			close(d.done)
			return cc, err
		}
		c.mu.Unlock()
		<-d.done
		if d.err != nil {
			return nil, d.err
		}
	}
}

// free is a connection that takes one more stream, reserved for it; nil when there is none. The lock is held.
func (c *Client) free() (found *http.ClientConn) {
	kept := c.conns[:0]
	for _, cc := range c.conns {
		if found == nil && cc.Reserve() == nil {
			found = cc
		}
		if cc.Err() == nil {
			kept = append(kept, cc)
		}
	}
	clear(c.conns[len(kept):])
	c.conns = kept
	return found
}

// connect makes a connection, with a stream reserved.
func (c *Client) connect(d *dial) (cc *http.ClientConn, err error) {
	cc, err = c.t.NewClientConn(context.Background(), c.scheme, nowhere) // dial knows where to, and how long
	if err == nil {
		if err = cc.Reserve(); err != nil {
			cc.Close()
			err = fmt.Errorf("the target takes no streams: %w", err)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dialing, d.err = nil, err
	switch {
	case err != nil:
		return nil, err
	case c.closed:
		closeWhenIdle(cc)
	default:
		c.conns = append(c.conns, cc)
	}
	return cc, nil
}

// nowhere stands for an address: connections are made by dial.
const nowhere = "target:0"

// closeWhenIdle closes a connection after its last stream.
func closeWhenIdle(cc *http.ClientConn) {
	look := func(cc *http.ClientConn) {
		if cc.InFlight() == 0 {
			cc.Close()
		}
	}
	cc.SetStateHook(look)
	look(cc)
}

// Close lets what is under way end and then closes the connections.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, cc := range c.conns {
		closeWhenIdle(cc)
	}
	c.conns = nil
}

// exchange is a connection of HTTP/1.1 that carries one exchange: what is written is the request, reading gives the
// answer.
type exchange struct {
	net.Conn // the near end of a pipe with the answer
	far      net.Conn
	cc       *http.ClientConn
	scheme   string
	ctx      context.Context
	cancel   context.CancelFunc

	head    head
	request *http.Request
	body    http1.Body
	upload  *io.PipeWriter

	once   sync.Once
	failed error // of the stream, once the pipe is closed
}

// Write takes the request.
func (x *exchange) Write(p []byte) (int, error) {
	size := len(p)
	if x.request == nil {
		whole, rest, err := x.head.add(p)
		if err != nil || whole == nil {
			return size, err
		}
		if err := x.start(whole); err != nil {
			return 0, err
		}
		p = rest
	}
	for len(p) > 0 && !x.body.Ended() {
		n, piece, err := x.body.Next(p)
		if err != nil {
			return 0, err
		}
		p = p[n:]
		if len(piece) > 0 {
			if _, err := x.upload.Write(piece); err != nil {
				return 0, err
			}
		}
	}
	if x.body.Ended() && x.upload != nil {
		eachLine(x.body.Trailer, func(name, value string) {
			if name = http.CanonicalHeaderKey(name); hasKey(x.request.Trailer, name) {
				x.request.Trailer.Add(name, value)
			}
		})
		_ = x.upload.Close() // it never fails
	}
	return size, nil
}

func hasKey(h http.Header, name string) bool { _, ok := h[name]; return ok }

// start begins the stream.
func (x *exchange) start(whole []byte) error {
	var r http1.Request
	h := http.Header{}
	if err := http1.ParseRequest(whole, &r, func(name, value []byte) {
		if n := string(name); !framing(n) && !http1.Is(name, "expect") {
			h.Add(n, string(value))
		}
	}); err != nil {
		return err
	}
	host, target := string(r.Host), string(r.Target)
	// In this form the target goes out as it is, whatever escapes it holds.
	u := &url.URL{Scheme: x.scheme, Host: host, Opaque: "//" + host + target}
	if target == "*" {
		u.Opaque = target
	}
	x.request = &http.Request{Method: string(r.Method), URL: u, Host: host, Header: h, ContentLength: r.Length}
	if h.Get("User-Agent") == "" {
		h["User-Agent"] = []string{""} // none, rather than the library's
	}
	x.body.KeepTrailer = true
	x.body.Reset(r.Length, r.Chunked)
	if r.Length != 0 {
		x.request.Body, x.upload = io.Pipe()
		x.request.Trailer = announced(h)
		h.Del("Trailer")
	}
	ctx := httptrace.WithClientTrace(x.ctx, &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		_, err := x.far.Write(append(appendFields(appendStatus(nil, code), http.Header(h)), "\r\n"...))
		return err
	}})
	x.request = x.request.WithContext(ctx)
	if r.Expect { // asked for here: the stream may say so by an answer or by 100
		h.Set("Expect", "100-continue")
	}
	go x.run()
	return nil
}

// run passes the answer on, until its end or until the exchange is closed.
func (x *exchange) run() {
	err := x.pass()
	if err != nil {
		x.failed = err
	}
	x.far.Close()
}

func (x *exchange) pass() error {
	res, err := x.cc.RoundTrip(x.request)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	out := appendFields(appendStatus(nil, res.StatusCode), res.Header)
	bodiless := x.request.Method == http.MethodHead || res.StatusCode == http.StatusNoContent || res.StatusCode == http.StatusNotModified
	var body io.Reader
	switch {
	case res.ContentLength >= 0:
		if res.StatusCode != http.StatusNoContent {
			out = append(out, "Content-Length: "...)
			out = strconv.AppendInt(out, res.ContentLength, 10)
			out = append(out, "\r\n"...)
		}
		body = res.Body
	case bodiless:
	default:
		out = append(out, "Transfer-Encoding: chunked\r\n"...)
		body = &chunks{body: res.Body, trailer: func() http.Header { return res.Trailer }}
	}
	if _, err := x.far.Write(append(out, "\r\n"...)); err != nil {
		return err
	}
	if bodiless || body == nil {
		return nil
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{x.far}, body, make([]byte, pieceSize+64))
	return err
}

func appendStatus(out []byte, status int) []byte {
	out = append(out, "HTTP/1.1 "...)
	out = strconv.AppendInt(out, int64(status), 10)
	out = append(out, ' ')
	out = append(out, http.StatusText(status)...)
	return append(out, "\r\n"...)
}

// Read gives the answer, and what went wrong in place of a bare end.
func (x *exchange) Read(p []byte) (int, error) {
	n, err := x.Conn.Read(p)
	if errors.Is(err, io.EOF) && x.failed != nil {
		err = x.failed
	}
	return n, err
}

// Close ends the exchange; a stream that has not ended is reset.
func (x *exchange) Close() error {
	x.once.Do(func() {
		x.cancel()
		x.Conn.Close()
		if x.upload != nil {
			_ = x.upload.CloseWithError(net.ErrClosed) // it never fails
		}
	})
	return nil
}
