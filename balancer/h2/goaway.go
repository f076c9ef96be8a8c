package h2

import "encoding/binary"

// The parts of HTTP/2 that are needed to say that a connection will end, and to see that one should; see RFC 9113, 4.1, 6.1, 6.2 and 6.8.
const (
	frameHead     = 9
	typeData      = 0
	typeHeaders   = 1
	typeReset     = 3
	typePush      = 5
	typeGoAway    = 7
	typeMore      = 9 // CONTINUATION
	flagEndStream = 1
	flagEnd       = 4 // END_HEADERS
	flagPadded    = 8
	maxPadding    = 256 // with its length
	lastPossible  = 1<<31 - 1
	goAwayPayload = 8
)

// frames follows what goes one way on a connection, to find where another frame may stand, or what has come.
type frames struct {
	head  [frameHead]byte
	have  int // of the head
	left  int // of the payload
	whole int // frames that have ended
	seen  bool
	open  bool // a block of headers has not ended: nothing may stand in it
}

// step takes in bytes up to the end of a frame's head or of its payload, and returns the rest. begun says that a head has become whole,
// which stands in head; left is its payload.
func (f *frames) step(p []byte) (rest []byte, begun bool) {
	if f.left > 0 {
		n := min(f.left, len(p))
		if f.left -= n; f.left == 0 {
			f.whole++
		}
		return p[n:], false
	}
	n := copy(f.head[f.have:], p)
	if f.have += n; f.have < frameHead {
		return p[n:], false
	}
	f.have, f.seen = 0, true
	if f.left = int(f.head[0])<<16 | int(f.head[1])<<8 | int(f.head[2]); f.left == 0 {
		f.whole++
	}
	return p[n:], true
}

// pass takes in what is written.
func (c *conn) pass(p []byte) {
	f := &c.frames
	for len(p) > 0 {
		var begun bool
		if p, begun = f.step(p); !begun {
			continue
		}
		switch f.head[3] {
		case typeHeaders, typePush, typeMore:
			f.open = f.head[4]&flagEnd == 0
		}
		c.flood.wrote(f.head[3], f.left)
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

// tell writes what announce asked for, or that the client sends too much, as soon as a frame may stand there.
func (c *conn) tell() {
	if !c.ending.Load() && !c.flooded.Load() || !c.writing.TryLock() {
		return
	}
	defer c.writing.Unlock()
	if !c.frames.between() {
		return
	}
	if c.ending.Load() && !c.told && !c.calmed { // the number of the last stream never grows
		c.told = true
		c.goAway(lastPossible, 0) // NO_ERROR
	}
	if c.flooded.Load() && !c.calmed {
		c.calmed = true
		c.goAway(c.flood.last, codeCalm)
	}
}

// goAway writes that the connection ends: the number of the last stream, and why.
func (c *conn) goAway(last, code uint32) {
	var b [frameHead + goAwayPayload]byte
	b[2], b[3] = goAwayPayload, typeGoAway
	binary.BigEndian.PutUint32(b[frameHead:], last)
	binary.BigEndian.PutUint32(b[frameHead+4:], code)
	_, _ = c.Conn.Write(b[:]) // a connection that has ended needs none
}

// Write implements net.Conn.
func (c *conn) Write(p []byte) (int, error) {
	c.writing.Lock()
	n, err := c.Conn.Write(p)
	c.pass(p[:n])
	c.writing.Unlock()
	c.tell()
	return n, err
}
