package h2

import "encoding/binary"

// The parts of HTTP/2 that are needed to say that a connection will end; see RFC 9113, 4.1, 6.2 and 6.8.
const (
	frameHead     = 9
	typeHeaders   = 1
	typePush      = 5
	typeGoAway    = 7
	typeMore      = 9 // CONTINUATION
	flagEnd       = 4 // END_HEADERS
	lastPossible  = 1<<31 - 1
	goAwayPayload = 8
)

// frames follows what is written on a connection, to find where another frame may stand.
type frames struct {
	head [frameHead]byte
	have int // of the head
	left int // of the payload
	seen bool
	open bool // a block of headers has not ended: nothing may stand in it
}

// pass takes in what is written.
func (f *frames) pass(p []byte) {
	for len(p) > 0 {
		if f.left > 0 {
			n := min(f.left, len(p))
			f.left -= n
			p = p[n:]
			continue
		}
		n := copy(f.head[f.have:], p)
		p = p[n:]
		if f.have += n; f.have < frameHead {
			return
		}
		f.have, f.seen = 0, true
		f.left = int(f.head[0])<<16 | int(f.head[1])<<8 | int(f.head[2])
		switch f.head[3] {
		case typeHeaders, typePush, typeMore:
			f.open = f.head[4]&flagEnd == 0
		}
	}
}

// between reports whether a frame may stand here. The first one is the server's settings.
func (f *frames) between() bool { return f.seen && f.have == 0 && f.left == 0 && !f.open }

// announce tells the client that the connection will end, without refusing anything yet: with the highest number that a stream
// can have for the last one. It does not wait for a write that is under way; that one tells when it has ended.
func (c *conn) announce() {
	c.ending.Store(true)
	c.tell()
}

// tell writes what announce asked for, as soon as a frame may stand there.
func (c *conn) tell() {
	if !c.ending.Load() || !c.writing.TryLock() {
		return
	}
	defer c.writing.Unlock()
	if c.told || !c.frames.between() {
		return
	}
	c.told = true
	var b [frameHead + goAwayPayload]byte
	b[2], b[3] = goAwayPayload, typeGoAway
	binary.BigEndian.PutUint32(b[frameHead:], lastPossible) // the code that follows is 0, NO_ERROR
	_, _ = c.Conn.Write(b[:])                               // a connection that has ended needs none
}

// Write implements net.Conn.
func (c *conn) Write(p []byte) (int, error) {
	c.writing.Lock()
	n, err := c.Conn.Write(p)
	c.frames.pass(p[:n])
	c.writing.Unlock()
	c.tell()
	return n, err
}
