package h2

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/http1"
)

// Client keeps connections of HTTP/2 to one target.
type Client struct {
	scheme    string
	authority string
	t         http.Transport
	stall     time.Duration
	ctx       context.Context // of making connections
	cancel    context.CancelFunc
	connected atomic.Int64 // ns that the latest connection took to make
	endings   endings

	mu      sync.Mutex
	conns   []*shared
	dialing []*pending // that are being made
	room    int        // streams that the latest connection took when it was new
	closed  bool
}

// silence is after how long a connection on which nothing comes is asked whether it is still there.
const silence = 15 * time.Second

// window is how much of an answer a target may send that its client has not taken: so much memory a slow client costs. It is what Envoy
// recommends where clients are not trusted. A connection has
// no bound beside it, because its streams belong to many clients, and slow ones must not use up what the others wait for.
const window = 64 << 10

// maxAnswerHead is far beyond what the plane takes of an answer's head, which refuses one that is too large for itself. For net/http
// a header beyond this limit is an error of the connection, which ends all its streams: what a target makes of one
// client's request of 64 KiB, at six bytes for one, must not do that to the others.
const maxAnswerHead = 1 << 20

// NewClient returns a client that makes its connections by dial, which leaves in force the read deadline by which the target must have
// said its settings. authority is the host of requests that name none: clients of
// HTTP/1.0 need not, and net/http sends no request without one. secure says that TLS is spoken on the connections, and HTTP/2
// agreed upon. stall is how long the target may take nothing of a request's body.
func NewClient(authority string, secure bool, stall time.Duration, dial func(context.Context) (net.Conn, error)) *Client {
	c := &Client{scheme: "http", authority: authority, stall: stall, room: math.MaxInt}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.t = http.Transport{
		DisableCompression: true, MaxResponseHeaderBytes: maxAnswerHead, Protocols: &http.Protocols{}, HTTP2: &http.HTTP2Config{SendPingTimeout: silence, MaxReceiveBufferPerStream: window},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			nc, err := dial(ctx)
			if err != nil {
				return nil, err
			}
			d, _ := ctx.Value(pendingKey{}).(*pending) // connect put it there
			d.greeting.Conn = nc
			return &d.greeting, nil
		},
	}
	c.t.Protocols.SetUnencryptedHTTP2(true) // for net/http; dial has made what is secure
	if secure {
		c.scheme = "https"
	}
	return c
}

// Need is what an exchange needs of its connection.
type Need struct {
	Body  bool      // its request has a body: no other body may wait there
	Since time.Time // it began to be made then, or later
}

// Reuse returns a connection of HTTP/1.1 for one exchange, which becomes a stream of a connection that there is; nil
// when none takes one more.
func (c *Client) Reuse(n Need) *Exchange {
	c.mu.Lock()
	cc := c.free(n)
	c.mu.Unlock()
	if cc == nil {
		return nil
	}
	x := c.exchange(cc)
	x.Connected = time.Duration(c.connected.Load())
	return x
}

// Open is Reuse that makes a connection when there is none, or waits for one that is being made, until the context ends.
// The error is of connecting.
func (c *Client) Open(ctx context.Context, n Need) (*Exchange, error) {
	cc, err := c.reserve(ctx, n)
	if err != nil {
		return nil, err
	}
	return c.exchange(cc), nil
}

func (c *Client) exchange(cc *shared) *Exchange {
	near, far := net.Pipe()
	x := &Exchange{Conn: near, far: far, cc: cc, scheme: c.scheme, authority: c.authority, stall: c.stall, endings: &c.endings, interims: interims{to: far}}
	x.ctx, x.cancel = context.WithCancel(context.Background())
	return x
}

// pending is a connection being made, for whoever needs one meanwhile.
type pending struct {
	greeting greeting
	awaited  int // by how many; under the client's lock
	done     chan struct{}
	counted  atomic.Bool // that it could not be made
	cc       *shared     // reserved for the one who began to make it
	err      error
}

type pendingKey struct{}

// reserve returns a connection that takes one more stream. Those who find none wait for one that is being made: as many as it is expected
// to take.
func (c *Client) reserve(ctx context.Context, n Need) (*shared, error) {
	for {
		c.mu.Lock()
		if cc := c.free(n); cc != nil {
			c.mu.Unlock()
			return cc, nil
		}
		d, ours := c.join()
		c.mu.Unlock()
		select {
		case <-d.done:
		case <-ctx.Done():
			if ours {
				go d.release()
			}
			return nil, context.Cause(ctx)
		}
		switch {
		case d.err != nil:
			return nil, d.err
		case ours:
			return d.cc, nil
		}
	}
}

// join finds a connection that is being made and has room for one who waits, or begins to make one. The lock is held.
func (c *Client) join() (d *pending, ours bool) {
	for _, d := range c.dialing {
		if d.awaited < c.room {
			d.awaited++
			return d, false
		}
	}
	d = &pending{greeting: greeting{told: make(chan struct{})}, awaited: 1, done: make(chan struct{})}
	c.dialing = append(c.dialing, d)
	go c.connect(d)
	return d, true
}

// release gives the reservation back of one who did not wait for it.
func (d *pending) release() {
	if <-d.done; d.cc != nil {
		d.cc.Release()
	}
}

// free is a connection that takes one more stream, reserved for it; nil when there is none. The lock is held.
func (c *Client) free(n Need) (found *shared) {
	kept, now := c.conns[:0], time.Now()
	for _, cc := range c.conns {
		if found == nil && !cc.began.Before(n.Since) && (!n.Body || cc.takesBodies(now)) && cc.Reserve() == nil {
			found, cc.idle = cc, time.Time{}
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
func (c *Client) connect(d *pending) {
	defer close(d.done)
	began := time.Now()
	cc, room, err := c.begin(d)
	c.connected.Store(int64(time.Since(began)))
	c.mu.Lock()
	c.dialing = slices.DeleteFunc(c.dialing, func(other *pending) bool { return other == d })
	closed := c.closed
	if err != nil {
		d.err = dialError{err, d}
	} else {
		if d.cc, c.room = (&shared{ClientConn: cc, client: c, began: began}), room; !closed {
			c.conns = append(c.conns, d.cc)
		}
	}
	c.mu.Unlock()
	if err == nil && closed {
		closeWhenIdle(cc)
	}
}

// begin makes a connection, waits for the target's settings and reserves a stream. room is how many it takes in all.
func (c *Client) begin(d *pending) (cc *http.ClientConn, room int, err error) {
	cc, err = c.t.NewClientConn(context.WithValue(c.ctx, pendingKey{}, d), "http", nowhere) // dial knows where to, and how long
	if err != nil {
		return nil, 0, err
	}
	select {
	case <-d.greeting.told:
		err = d.greeting.err
	case <-c.ctx.Done():
		err = c.ctx.Err()
	}
	if err != nil {
		cc.Close()
		return nil, 0, fmt.Errorf("waiting for the target's settings: %w", err)
	}
	room = cc.Available()
	if err = cc.Reserve(); err != nil {
		cc.Close()
		return nil, 0, fmt.Errorf("the target takes no streams: %w", err)
	}
	return cc, room, nil
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
	conns := c.conns
	c.closed, c.conns = true, nil
	c.mu.Unlock()
	c.cancel()
	for _, cc := range conns {
		closeWhenIdle(cc.ClientConn)
	}
}

// CloseIdle closes one part in so many of the connections that have no stream, at least one of them, and returns how many: their
// descriptors are needed. Those that were made last are taken first, because streams begin on the others.
func (c *Client) CloseIdle(part int) int {
	idle := c.takeIdle(part)
	for _, cc := range idle {
		cc.Close() // without the lock: TLS takes leave of the target, and may have to wait for it
	}
	return len(idle)
}

// takeIdle takes the connections that CloseIdle closes. Streams are reserved under the same lock: none begins on them any more.
func (c *Client) takeIdle(part int) (idle []*shared) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, cc := range slices.Backward(c.conns) {
		if cc.InFlight() == 0 {
			idle = append(idle, cc)
		}
	}
	idle = idle[:(len(idle)+part-1)/part]
	c.conns = slices.DeleteFunc(c.conns, func(cc *shared) bool { return slices.Contains(idle, cc) })
	return idle
}

// Exchange is a connection of HTTP/1.1 that carries one exchange: what is written is the request, reading gives the
// answer.
type Exchange struct {
	net.Conn                // the near end of a pipe with the answer
	Connected time.Duration // that a connection took to make; 0 for one that was made for this exchange
	far       net.Conn
	cc        *shared
	scheme    string
	authority string
	ctx       context.Context
	cancel    context.CancelFunc
	wrote     atomic.Bool // the request's head was written to the target
	asked     atomic.Bool // the request is whole
	answered  atomic.Bool // the answer is, but for what is being read of it
	beyond    [1]byte     // is read into, where nothing may come any more
	endings   *endings
	ending    ending
	interims  interims

	head    head
	written int // bytes of the request
	request *http.Request
	body    http1.Body
	upload  *io.PipeWriter
	content *io.PipeReader // of the upload
	stall   time.Duration  // how long the target may take nothing of it
	look    Look
	gaveUp  atomic.Pointer[error] // why we ended the body
	started bool                  // the reservation has become a stream

	// Under the lock of cc:
	bodied    bool      // the stream counts among those with bodies
	given     int64     // bytes of the body that net/http was given
	heldSince time.Time // since when net/http has had what it is to send of the body
	blocked   bool      // the body waited behind others' at the end

	once   sync.Once
	failed error // of the stream, once the pipe is closed
}

// start begins the stream. The error says that the request can't be sent.
func (x *Exchange) start(whole []byte) error {
	var r http1.Request
	h := http.Header{}
	if err := http1.ParseRequest(whole, &r, func(name, value []byte) {
		if n := string(name); !framing(n) && !http1.Is(name, "expect") {
			h.Add(n, string(value))
		}
	}); err != nil {
		return unsendable(err)
	}
	host, target := cmp.Or(string(r.Host), x.authority), string(r.Target)
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
		x.content, x.upload = io.Pipe()
		x.request.Body = outgoing{x.content, x}
		x.cc.beginBody(x)
		x.request.Trailer = announced(h)
		h.Del("Trailer")
	} else {
		x.asked.Store(true)
	}
	x.request = x.request.WithContext(httptrace.WithClientTrace(x.ctx, &httptrace.ClientTrace{
		WroteHeaders:   func() { x.wrote.Store(true) },
		WroteRequest:   func(httptrace.WroteRequestInfo) { x.cc.sent(x) },
		Got1xxResponse: x.interims.add,
	}))
	x.started = true
	go x.run()
	return nil
}

// run passes the answer on, until its end or until the exchange is closed.
func (x *Exchange) run() {
	err := x.pass()
	switch why := x.gaveUp.Load(); {
	case why != nil:
		x.failed = *why
	case err != nil:
		if x.failed = x.cc.explain(err); x.refused() && !errors.Is(x.failed, ErrUnprocessed) {
			x.failed = unsendable(x.failed)
		}
	}
	x.far.Close()
	x.endings.ended(x)
}

// refused reports whether an exchange that has failed did so before anything of it was written, on a connection that is whole: net/http
// does not take the request.
func (x *Exchange) refused() bool {
	return !x.wrote.Load() && x.ctx.Err() == nil && x.cc.Err() == nil
}

func (x *Exchange) pass() error {
	res, err := x.cc.RoundTrip(x.request)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if !lengths(res.Header["Content-Length"]) { // net/http makes nothing of them
		return http1.ErrContentLength
	}
	x.interims.wait()
	out := appendFields(appendStatus(nil, res.StatusCode), res.Header)
	bodiless := x.request.Method == http.MethodHead || res.StatusCode == http.StatusNoContent || res.StatusCode == http.StatusNotModified
	counted := res.ContentLength >= 0
	switch {
	case counted && res.StatusCode != http.StatusNoContent:
		out = append(out, "Content-Length: "...)
		out = strconv.AppendInt(out, res.ContentLength, 10)
		out = append(out, "\r\n"...)
	case !counted && !bodiless:
		out = append(out, "Transfer-Encoding: chunked\r\n"...)
	}
	empty := bodiless || res.ContentLength == 0
	x.answered.Store(empty)
	if _, err := x.far.Write(append(out, "\r\n"...)); err != nil {
		return err
	}
	switch {
	case empty:
		return x.awaitEnd(res.Body)
	case counted:
		return x.passCounted(res.Body, res.ContentLength)
	}
	body := &chunks{body: res.Body, trailer: func() http.Header { return res.Trailer }}
	_, err = io.CopyBuffer(struct{ io.Writer }{x.far}, body, make([]byte, pieceSize+64))
	return err
}

// passCounted passes a body on whose length is known.
func (x *Exchange) passCounted(body io.Reader, left int64) error {
	for buf := make([]byte, min(left, pieceSize)); left > 0; {
		n, err := body.Read(buf)
		left -= int64(n)
		x.answered.Store(left <= 0)
		if n > 0 {
			if _, err := x.far.Write(buf[:n]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
	return x.awaitEnd(body)
}

// awaitEnd waits for the end of a stream whose answer is whole.
func (x *Exchange) awaitEnd(body io.Reader) error {
	if _, err := body.Read(x.beyond[:]); err != io.EOF {
		return err
	}
	return nil
}

func appendStatus(out []byte, status int) []byte {
	out = append(out, "HTTP/1.1 "...)
	out = strconv.AppendInt(out, int64(status), 10)
	out = append(out, ' ')
	out = append(out, http.StatusText(status)...)
	return append(out, "\r\n"...)
}

// Read gives the answer, and what went wrong in place of a bare end.
func (x *Exchange) Read(p []byte) (int, error) {
	n, err := x.Conn.Read(p)
	if errors.Is(err, io.EOF) && x.failed != nil {
		err = x.failed
	}
	return n, err
}

// giveUp cancels a stream, which resets one that has begun and not ended.
func (x *Exchange) giveUp() {
	if x.wrote.Load() && !x.endings.over(x) {
		x.cc.reset()
	}
	x.cancel()
}

// Close ends the exchange. A stream that has not ended is reset, at once unless request and answer are whole.
func (x *Exchange) Close() error {
	x.once.Do(func() {
		x.Conn.Close()
		if !x.asked.Load() || !x.answered.Load() || !x.endings.wait(x) {
			x.giveUp()
		}
		x.cc.endBody(x)
		if !x.started {
			x.cc.Release()
		}
		if x.upload != nil {
			_ = x.upload.CloseWithError(net.ErrClosed) // it never fails
		}
	})
	return nil
}
