package h2

import (
	"encoding/binary"
	"errors"
	"sync/atomic"
	"time"
)

// A client may send so many frames that move no exchange on, and so many more a second: nghttp2's limits for what it calls glitches.
// Each costs its sender next to nothing, and net/http microseconds.
const (
	idleBurst = 10000
	idleEvery = time.Second / 330
)

// What moves an exchange on allows for further frames that do not. Envoy lets a client answer a frame of data with ten that change
// windows; one that takes a body in small pieces may change two windows for each.
const (
	perAnswer = 10   // for a frame of an answer
	perPiece  = 1    // for a frame of a request's body
	perBytes  = 1024 // of either: two more for as many bytes
)

// resetWeight is for how many frames the reset of a stream counts: its target goes on working for it. So a client may reset 1000 streams
// at once and 33 a second, which are nghttp2's limits for resets, and any that were answered.
const resetWeight = 10

// errFlood is of clients that keep sending what moves nothing.
var errFlood = errors.New("the client sends too many frames that move no exchange on")

// flood counts a client's frames that move no exchange on: pings, settings, windows, priorities, resets, empty data, continued
// heads, and those of unknown types. A stream that is begun does not count, and its reset does, unless it was answered.
type flood struct {
	in     frames
	last   uint32       // the highest number of a stream that was begun
	owed   int64        // frames that nothing has allowed for
	paid   time.Time    // until when time has
	earned atomic.Int64 // by what was written
}

// newFlood returns the count of a connection whose preface is still to come.
func newFlood() flood { return flood{in: frames{left: len(preface)}, paid: time.Now()} }

// preface is what a client's connection begins with.
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// read takes in what a client has sent, and reports whether it is too much.
func (f *flood) read(p []byte) bool {
	for len(p) > 0 {
		var begun bool
		if p, begun = f.in.step(p); begun {
			f.count()
		}
	}
	if f.owed > 0 && f.earned.Load() > 0 {
		f.owed = max(0, f.owed-f.earned.Swap(0))
	}
	if f.owed <= idleBurst {
		return false
	}
	n := time.Since(f.paid) / idleEvery // it is looked at now and then only
	f.owed = max(0, f.owed-int64(n))
	f.paid = f.paid.Add(n * idleEvery)
	return f.owed > idleBurst
}

// count takes in a frame whose head has come.
func (f *flood) count() {
	h := &f.in.head
	switch flags := h[4]; h[3] {
	case typeHeaders:
		f.last = max(f.last, binary.BigEndian.Uint32(h[5:])&lastPossible)
		return
	case typeData:
		// One of that length may be nothing but padding.
		padding := flags&flagPadded != 0 && f.in.left <= maxPadding
		if f.in.left > 0 && !padding {
			f.owed = max(0, f.owed-perPiece-worth(f.in.left))
			return
		}
		if flags&flagEndStream != 0 {
			return
		}
	case typeReset:
		f.owed += resetWeight
		return
	}
	f.owed++
}

// wrote takes in a frame that was written, by its head.
func (f *flood) wrote(kind byte, payload int) {
	if kind == typeHeaders || (kind == typeData && payload > 0) {
		f.earned.Add(perAnswer + worth(payload))
	}
}

func worth(payload int) int64 { return int64(2 * payload / perBytes) }

// Limits on what is read of a client that was told why its connection ends: closing it at once would take that back.
const (
	lingerTime  = time.Second
	lingerBytes = 1 << 20
)

// Read implements net.Conn. It ends the connection of a client that keeps sending what moves nothing.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n == 0 || !c.flood.read(p[:n]) {
		return n, err
	}
	_ = c.SetDeadline(time.Now().Add(lingerTime)) // a connection that is closed already tells at the next use
	c.flooded.Store(true)
	c.tell()
	for left := lingerBytes; left > 0 && err == nil; left -= n {
		n, err = c.Conn.Read(p)
	}
	return 0, errFlood
}
