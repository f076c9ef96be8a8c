package serve

import (
	"cmp"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-8025779b/shakedown/balancer/http1"
)

// BufferSize is what a connection reads at once; a larger head makes its buffer grow.
const BufferSize = 16 << 10

// outSize is the buffer that an answer is written in: what is read of a target at once, its head, and room for
// framing.
const outSize = 2 * BufferSize

// The buffers are shared by all servers of a process: an idle connection has none.
var (
	buffers = sync.Pool{New: func() any { b := make([]byte, BufferSize); return &b }}
	outs    = sync.Pool{New: func() any { b := make([]byte, outSize); return &b }}
)

// Field is a header of a request: slices of what was read, valid until the handler returns.
type Field struct{ Name, Value []byte }

// Conn is a client's connection, and the exchange under way on it.
type Conn struct {
	Request  http1.Request
	Fields   []Field
	HeadSize int  // of the request, in bytes
	Close    bool // close the connection after this answer
	Peer     Peer
	State    any // the handler's own, kept from exchange to exchange

	s      *Server
	socket net.Conn        // as it was accepted
	steady *ProgressConn   // on the socket; nil for a connection without one
	nc     net.Conn        // what is read and written: steady, or what is encrypted on it
	raw    syscall.RawConn // of a socket that is read itself, else nil
	watch  Watcher         // nil for a connection that can't be watched
	later  bool            // it has had an exchange
	idle   atomic.Bool
	onOne  func(name, value []byte)
	one    [1]byte

	in     *[]byte // what was read: head and what came with it
	have   int     // bytes in it
	at     int     // of them gone through
	more   *[]byte // what was read of the body since: the head stays where it is
	moreAt int
	moreN  int

	out       *[]byte
	body      http1.Body
	content   int64         // of the body, so far
	handlers  bool          // 100 Continue is the handler's affair
	continued bool          // 100 Continue was sent
	allowance time.Duration // for it: the body has so much longer to begin
	broken    atomic.Bool   // nothing more can be said on the connection
	bad       atomic.Bool   // what the client says is no HTTP any more
	stopped   atomic.Bool   // the handler wants no more of the body
	taken     bool          // the handler goes on with the connection by itself
	aborted   bool          // the answer was cut: the client must not take the end for an orderly one

	bodyBy     time.Time // when the body must have come; zero for no limit
	readBy     time.Time // the deadline in force
	readErr    error     // of onReadable
	onReadable func(fd uintptr) bool
}

func newConn(s *Server, nc net.Conn) *Conn {
	c := &Conn{s: s, socket: nc, nc: nc}
	if t, ok := nc.(syscall.Conn); ok {
		c.raw, _ = t.SyscallConn() // a connection just accepted has one
	}
	if w, err := Watch(nc); err == nil {
		c.Peer, c.watch = peerOf(nc), w
		c.steady = NewProgressConn(nc, s.cfg.Write, nil)
		c.nc = c.steady
	}
	c.onOne = func(name, value []byte) { c.Fields = append(c.Fields, Field{name, value}) }
	c.onReadable = c.readable
	return c
}

func (c *Conn) serve() {
	defer c.release()
	defer func() {
		switch {
		case c.taken:
		case c.aborted: // without the alert by which TLS says that nothing is missing
			c.socket.Close()
		default:
			c.nc.Close()
		}
	}()
	for c.await() && c.head() {
		c.idle.Store(false)
		c.later = true
		c.Close, c.handlers, c.continued, c.allowance = c.Request.Close || c.Peer.HTTP2 || c.s.closing.Load(), false, false, 0
		c.body.Reset(c.Request.Length, c.Request.Chunked)
		if c.content = 0; c.s.cfg.MaxBody > 0 && c.Request.Length > c.s.cfg.MaxBody {
			c.refuse(ErrBodyTooLarge)
			return
		}
		c.s.cfg.Handler.Serve(c)
		if c.taken || !c.settle() {
			return
		}
	}
}

// await waits for the first byte of a request. Meanwhile the connection holds no buffer.
func (c *Conn) await() bool {
	c.idle.Store(true)
	if c.have > 0 { // sent ahead
		return true
	}
	c.release()
	c.forget()
	c.readDeadline(c.s.cfg.Idle)
	if c.raw == nil {
		return c.awaitByte()
	}
	if err := c.raw.Read(c.onReadable); err != nil {
		return false
	}
	return c.readErr == nil
}

// awaitByte is for connections whose first byte is not the socket's: it waits with a buffer of one.
func (c *Conn) awaitByte() bool {
	if n, _ := c.nc.Read(c.one[:]); n == 0 { // whatever it failed with, the connection is over
		return false
	}
	c.in = buffers.Get().(*[]byte)
	c.have = copy(*c.in, c.one[:])
	return true
}

// readable is called when there may be something to read: it takes a buffer only if there is.
func (c *Conn) readable(fd uintptr) bool {
	b := buffers.Get().(*[]byte)
	for {
		n, err := unix.Read(int(fd), *b)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			buffers.Put(b)
			return false
		case n <= 0:
			buffers.Put(b)
			c.readErr = io.EOF
			if err != nil {
				c.readErr = err
			}
			return true
		}
		c.in, c.have, c.readErr = b, n, nil
		return true
	}
}

// maxKept is how large a head or a trailer may have been for its memory to be kept for the next request.
const maxKept = 4 << 10

// forget lets go of the latest request, whose parts are slices of a buffer that was given back, or was too large to be.
func (c *Conn) forget() {
	if c.HeadSize > maxKept {
		c.Request, c.Fields = http1.Request{}, nil
	}
	clear(c.Fields[:cap(c.Fields)])
	r := &c.Request
	r.Method, r.Target, r.Normal, r.Host, r.Upgrade = nil, nil, nil, nil, nil
	if cap(c.body.Trailer) > maxKept {
		c.body.Trailer = nil
	}
}

// release gives the buffers back.
func (c *Conn) release() {
	if c.in != nil && len(*c.in) == BufferSize { // a grown one is not worth keeping
		buffers.Put(c.in)
	}
	if c.more != nil {
		buffers.Put(c.more)
	}
	if c.out != nil {
		outs.Put(c.out)
	}
	c.in, c.more, c.out = nil, nil, nil
	c.have, c.at, c.moreAt, c.moreN = 0, 0, 0, 0
}

// readDeadline sees to it that reading ends after d, or up to an eighth earlier: a deadline that is still good
// is left in place, because each change costs.
func (c *Conn) readDeadline(d time.Duration) {
	const slack = 8
	now := time.Now()
	if left := c.readBy.Sub(now); left <= d && left > d-d/slack {
		return
	}
	c.readBy = now.Add(d)
	_ = c.nc.SetReadDeadline(c.readBy) // a connection that is closed already tells at the next use
}

// interrupt ends whatever the connection waits for.
func (c *Conn) interrupt() {
	_ = c.socket.SetReadDeadline(time.Unix(1, 0)) // a connection that is closed already needs none
}

// fill reads more of a head.
func (c *Conn) fill() error {
	if c.in == nil {
		c.in = buffers.Get().(*[]byte)
	}
	if c.have == len(*c.in) {
		grown := make([]byte, 2*len(*c.in)) // a large head; http1 bounds it
		copy(grown, *c.in)
		c.in = &grown
	}
	n, err := c.nc.Read((*c.in)[c.have:])
	c.have += n
	if n > 0 {
		return nil
	}
	return err
}

func (c *Conn) newHead() http1.Head {
	return http1.Head{Line: c.s.cfg.HeadLine, All: c.s.cfg.Head, Fields: cmp.Or(c.s.cfg.Fields, http1.MaxFields)}
}

// head reads a request's head. What can't be read is refused and ends the connection.
func (c *Conn) head() bool {
	h, blank, slow := c.newHead(), 0, false // blank: bytes of empty lines
	for {
		maybe := false
		if (*c.in)[0] == preface[0] && !c.later && blank == 0 && c.s.cfg.HTTP2 != nil {
			var whole bool
			if whole, maybe = isPreface((*c.in)[:c.have]); whole {
				c.http2()
				return false
			}
		}
		if !maybe {
			n, err := h.Feed((*c.in)[:c.have])
			if err != nil {
				return c.refuse(err)
			}
			if n > 0 {
				c.at, c.HeadSize = n, n
				break
			}
		}
		begun := maybe || h.Begun()
		switch {
		case !begun: // only empty lines: the connection is as idle as before them
			if blank += c.have; blank > len("\r\n")*http1.MaxEmptyLines {
				return c.refuse(http1.ErrLine)
			}
			if c.have = 0; !c.await() {
				return false
			}
			h = c.newHead()
			continue
		case !slow:
			slow, c.readBy = true, time.Time{}
			c.readDeadline(c.s.cfg.Header) // of the whole head: it is not moved again
		}
		if err := c.fill(); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) && begun && !c.s.closing.Load() {
				return c.refuse(ErrSlow)
			}
			return false
		}
	}
	c.Fields = c.Fields[:0]
	if err := http1.ParseRequest((*c.in)[:c.at], &c.Request, c.onOne); err != nil {
		return c.refuse(err)
	}
	return true
}

// Field returns the first header of a name, which is given in lower case; nil when there is none.
func (c *Conn) Field(lower string) []byte {
	for i := range c.Fields {
		if f := &c.Fields[i]; http1.Is(f.Name, lower) {
			return f.Value
		}
	}
	return nil
}

// FieldFrom returns the value of the first header of a name, which is given in lower case, among those from a number on, and the number from
// which to look for the next; nil when there is none.
func (c *Conn) FieldFrom(lower string, from int) (value []byte, next int) {
	for i := from; i < len(c.Fields); i++ {
		if f := &c.Fields[i]; len(f.Name) == len(lower) && http1.Is(f.Name, lower) {
			return f.Value, i + 1
		}
	}
	return nil, len(c.Fields)
}

// ReadBody returns the next piece of the request's content, io.EOF after the last. The piece is valid until the
// next call. A client that waits for it is told to continue first, unless that is the handler's affair.
func (c *Conn) ReadBody() ([]byte, error) {
	for !c.body.Ended() {
		if p := c.unread(); len(p) > 0 {
			n, piece, err := c.body.Next(p)
			c.advance(n)
			if err == nil {
				err = c.count(piece)
			}
			if err != nil {
				c.bad.Store(true)
				return nil, err
			}
			if len(piece) > 0 {
				return piece, nil
			}
			continue
		}
		if c.Request.Expect && !c.handlers && !c.continued { // in this order: a handler may say Continued meanwhile
			c.continued = true
			if err := c.Write(continueLine); err != nil {
				return nil, err
			}
		}
		if err := c.fillBody(); err != nil {
			c.broken.Store(!c.stopped.Load()) // one that was stopped may still be answered
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	return nil, io.EOF
}

var continueLine = []byte("HTTP/1.1 100 Continue\r\n\r\n")

// Buffered returns content of the body that has been read already, without waiting; nil when there is none. The piece is valid
// until the next call of ReadBody.
func (c *Conn) Buffered() ([]byte, error) {
	for p := c.unread(); len(p) > 0 && !c.body.Ended(); p = c.unread() {
		n, piece, err := c.body.Next(p)
		c.advance(n)
		if err == nil {
			err = c.count(piece)
		}
		if err != nil || len(piece) > 0 {
			c.bad.Store(err != nil)
			return piece, err
		}
	}
	return nil, nil
}

// count takes content in, and says when it is more than it may be.
func (c *Conn) count(piece []byte) error {
	c.content += int64(len(piece))
	if c.s.cfg.MaxBody > 0 && c.content > c.s.cfg.MaxBody {
		return ErrBodyTooLarge
	}
	return nil
}

// HandleContinue says that 100 Continue is the handler's affair, who calls Continued when it was sent, and how long it may take: the
// body has so much longer to begin.
func (c *Conn) HandleContinue(within time.Duration) { c.handlers, c.allowance = true, within }

// Continued says that the client was told to send its body. Like every answer it is for one goroutine at a time.
func (c *Conn) Continued() { c.continued = true }

// holdsBack reports whether the client may hold its body back, because nothing of it has come and nobody has asked for it: what comes
// next may be the body or another request.
func (c *Conn) holdsBack() bool {
	return c.Request.Expect && !c.continued && c.content == 0 && !c.body.Ended() && len(c.unread()) == 0
}

// Whole reports whether the request's body has been read to its end.
func (c *Conn) Whole() bool { return c.body.Ended() }

// KeepTrailer asks for the body's trailer; Trailer returns it, as whole header lines, once the body has ended.
func (c *Conn) KeepTrailer()    { c.body.KeepTrailer = true }
func (c *Conn) Trailer() []byte { return c.body.Trailer }

// unread is what was read and not gone through.
func (c *Conn) unread() []byte {
	if c.at < c.have {
		return (*c.in)[c.at:c.have]
	}
	if c.more != nil {
		return (*c.more)[c.moreAt:c.moreN]
	}
	return nil
}

func (c *Conn) advance(n int) {
	if c.at < c.have {
		c.at += n
	} else {
		c.moreAt += n
	}
}

// fillBody reads more of a body, into a buffer of its own.
func (c *Conn) fillBody() error {
	if c.more == nil {
		c.more = buffers.Get().(*[]byte)
	}
	c.readDeadline(c.s.cfg.Body + c.allowance)
	if !c.bodyBy.IsZero() && c.bodyBy.Before(c.readBy) {
		c.readBy = c.bodyBy
		_ = c.nc.SetReadDeadline(c.readBy) // a connection that is closed already tells at the next use
	}
	if c.stopped.Load() { // the deadline may have taken the place of Stop's
		c.interrupt()
	}
	n, err := c.nc.Read(*c.more)
	c.moreAt, c.moreN, c.allowance = 0, n, 0
	if n > 0 {
		return nil
	}
	return err
}

// Write sends bytes of the answer. It fails when the client takes none of them for the time of Config.Write.
func (c *Conn) Write(p []byte) error {
	_, err := c.nc.Write(p)
	if err != nil {
		c.broken.Store(true)
	}
	return err
}

// Out is a buffer to write the answer in, empty.
func (c *Conn) Out() []byte {
	if c.out == nil {
		c.out = outs.Get().(*[]byte)
	}
	return (*c.out)[:0]
}
