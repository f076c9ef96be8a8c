package serve

import (
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
	"github.com/seed-8025779b/shakedown/loadgen/socket"
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
	Request http1.Request
	Fields  []Field
	Close   bool // close the connection after this answer
	Peer    Peer
	State   any // the handler's own, kept from exchange to exchange

	s      *Server
	socket net.Conn        // as it was accepted
	nc     net.Conn        // what is read and written: the socket, or what is encrypted on it
	raw    syscall.RawConn // of a socket that is read itself, else nil
	watch  *socket.Watch   // nil for a connection without a socket
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
	content   int64       // of the body, so far
	continued bool        // 100 Continue was sent, or is the handler's to send
	broken    atomic.Bool // nothing more can be said on the connection
	bad       atomic.Bool // what the client says is no HTTP any more
	taken     bool        // the handler goes on with the connection by itself

	readBy, writeBy time.Time // the deadlines in force
	readErr         error     // of onReadable
	onReadable      func(fd uintptr) bool
}

func newConn(s *Server, nc net.Conn) *Conn {
	c := &Conn{s: s, socket: nc, nc: nc}
	if t, ok := nc.(syscall.Conn); ok {
		c.Peer = peerOf(nc)
		c.raw, _ = t.SyscallConn() // a connection just accepted has one
		c.watch, _ = socket.New(nc)
	}
	c.onOne = func(name, value []byte) { c.Fields = append(c.Fields, Field{name, value}) }
	c.onReadable = c.readable
	return c
}

func (c *Conn) serve() {
	defer c.release()
	defer func() {
		if !c.taken {
			c.nc.Close()
		}
	}()
	for c.await() && c.head() {
		c.idle.Store(false)
		c.later = true
		c.Close, c.continued = c.Request.Close || c.Peer.HTTP2 || c.s.closing.Load(), false
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
	deadline(&c.readBy, d, c.nc.SetReadDeadline)
}

func deadline(by *time.Time, d time.Duration, set func(time.Time) error) {
	const slack = 8
	now := time.Now()
	if left := by.Sub(now); left <= d && left > d-d/slack {
		return
	}
	*by = now.Add(d)
	_ = set(*by) // a connection that is closed already tells at the next use
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

// head reads a request's head. What can't be read is refused and ends the connection.
func (c *Conn) head() bool {
	h := http1.Head{Line: c.s.cfg.HeadLine, All: c.s.cfg.Head}
	slow := false
	for {
		if (*c.in)[0] == preface[0] && !c.later && c.s.cfg.HTTP2 != nil {
			switch whole, maybe := isPreface((*c.in)[:c.have]); {
			case whole:
				c.http2()
				return false
			case maybe:
				if c.fill() != nil {
					return false
				}
				continue
			}
		}
		n, err := h.Feed((*c.in)[:c.have])
		if err != nil {
			return c.refuse(err)
		}
		if n > 0 {
			c.at = n
			break
		}
		if !slow {
			slow, c.readBy = true, time.Time{}
			c.readDeadline(c.s.cfg.Header) // of the whole head: it is not moved again
		}
		if err := c.fill(); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) && !c.s.closing.Load() {
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

// ReadBody returns the next piece of the request's content, io.EOF after the last. The piece is valid until the
// next call. A client that waits for it is told to continue first, unless Continued says that it was.
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
		if c.Request.Expect && !c.continued {
			c.continued = true
			if err := c.Write(continueLine); err != nil {
				return nil, err
			}
		}
		if err := c.fillBody(); err != nil {
			c.broken.Store(true)
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	return nil, io.EOF
}

var continueLine = []byte("HTTP/1.1 100 Continue\r\n\r\n")

// Buffered returns content of the body that came with the head, without waiting; nil when there is none.
func (c *Conn) Buffered() ([]byte, error) {
	for !c.body.Ended() && c.at < c.have {
		n, piece, err := c.body.Next((*c.in)[c.at:c.have])
		c.at += n
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

// Continued says that 100 Continue is the handler's affair.
func (c *Conn) Continued() { c.continued = true }

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
	c.readDeadline(c.s.cfg.Body)
	n, err := c.nc.Read(*c.more)
	c.moreAt, c.moreN = 0, n
	if n > 0 {
		return nil
	}
	return err
}

// Write sends bytes of the answer.
func (c *Conn) Write(p []byte) error {
	deadline(&c.writeBy, c.s.cfg.Write, c.nc.SetWriteDeadline)
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

// Abort ends the connection without an end to its answer, so that the client knows that it is not whole.
func (c *Conn) Abort() {
	c.broken.Store(true)
	if t, ok := c.socket.(interface{ SetLinger(sec int) error }); ok {
		_ = t.SetLinger(0) // RST: a closed connection would be the proper end of some bodies
	}
}

// Gone reports whether the client has closed its connection, without waiting. One that only has stopped to send
// counts as gone too: few clients do that, and no balancer tells them apart.
func (c *Conn) Gone() bool {
	if c.watch == nil {
		s, ok := c.nc.(interface{ Gone() bool })
		return ok && s.Gone()
	}
	return c.at == c.have && c.watch.Gone()
}

// Stop makes a read of the body that is under way on another goroutine end. The connection is closed after the
// answer.
func (c *Conn) Stop() {
	c.Close = true
	c.interrupt()
}

// Take leaves the connection to the handler: the loop neither reads nor closes it any more. rest is what was read
// beyond the request.
func (c *Conn) Take() (nc net.Conn, rest []byte) {
	c.taken = true
	rest = append(rest, c.unread()...)
	_ = c.nc.SetDeadline(time.Time{}) // a connection that is closed already tells at the next use
	return c.nc, rest
}

// drainLimit is how much of an unread body is read on to keep a connection; nginx' and net/http's are of the
// same order.
const drainLimit = 256 << 10

// settle ends an exchange: it reports whether another can follow.
func (c *Conn) settle() bool {
	if c.bad.Load() {
		c.Close = true
	}
	if !c.broken.Load() && !c.Close && !c.body.Ended() {
		if c.Request.Expect && !c.continued {
			c.Close = true // whether the body comes is not known
		}
		for n := 0; !c.Close && !c.body.Ended(); {
			p, err := c.ReadBody()
			if n += len(p); err == io.EOF {
				break
			} else if err != nil || n > drainLimit {
				c.Close = true
			}
		}
	}
	if c.broken.Load() {
		return false
	}
	if c.Close {
		c.linger()
		return false
	}
	rest := c.unread()
	if len(rest) == 0 {
		c.have, c.at = 0, 0
		return true
	}
	if c.in == nil || len(*c.in) < len(rest) {
		return false
	}
	c.have = copy(*c.in, rest)
	c.at, c.moreAt, c.moreN = 0, 0, 0
	return true
}

// Limits on reading what a client still sends after it was answered for the last time.
const (
	lingerTime  = time.Second
	lingerBytes = 1 << 20
)

// linger ends the connection so that the answer arrives: closing with unread input would reset it.
func (c *Conn) linger() {
	half, ok := c.nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	if c.body.Ended() && len(c.unread()) == 0 && c.Gone() {
		return
	}
	_ = c.nc.SetReadDeadline(time.Now().Add(lingerTime)) // a connection that is closed already tells at once
	if c.more == nil {
		c.more = buffers.Get().(*[]byte)
	}
	for n := 0; n < lingerBytes; {
		k, err := c.nc.Read(*c.more)
		if err != nil {
			return
		}
		n += k
	}
}
