package proxy

import (
	"encoding/binary"
	"errors"
	"os"

	"github.com/seed-8025779b/shakedown/balancer/serve"
)

// tlsSocket is the connection below TLS. TLS reads as much as there is, so that it may hold what a look at the socket does not see.
type tlsSocket struct {
	*serve.ProgressConn
	records records
	ended   int  // how many records the latest Read brought to their ends
	noRead  bool // a Read times out instead of reading; TLS can go on after a timeout
}

// Read implements net.Conn.
func (t *tlsSocket) Read(p []byte) (int, error) {
	if t.noRead {
		return 0, os.ErrDeadlineExceeded
	}
	n, err := t.ProgressConn.Read(p)
	t.ended = t.records.pass(p[:n])
	return n, err
}

// alone reports whether the latest Read brought one record and nothing else. TLS reads only while it holds no whole record: it has none
// left then but that one.
func (t *tlsSocket) alone() bool { return t.ended == 1 && t.records.between() }

// records follows the records of TLS (RFC 8446, 5.1).
type records struct {
	head [5]byte
	have int // of the head; all of it while the payload comes
	left int // of the payload
}

// pass takes bytes in, and returns how many records have ended in them.
func (r *records) pass(p []byte) (ended int) {
	for len(p) > 0 {
		if r.have < len(r.head) {
			n := copy(r.head[r.have:], p)
			if p, r.have = p[n:], r.have+n; r.have < len(r.head) {
				break
			}
			r.left = int(binary.BigEndian.Uint16(r.head[3:]))
		}
		n := min(r.left, len(p))
		p, r.left = p[n:], r.left-n
		if r.left == 0 {
			r.have = 0
			ended++
		}
	}
	return ended
}

// between reports whether no record is under way.
func (r *records) between() bool { return r.have == 0 }

// holdsMore reports whether TLS has read more from the target than the answer: another record, or the end of the stream. It reads
// nothing from the connection.
func (c *conn) holdsMore() bool {
	if c.below == nil || c.below.alone() && !c.full {
		return false
	}
	c.below.noRead = true
	n, err := c.nc.Read(c.one[:])
	c.below.noRead = false
	return n > 0 || !errors.Is(err, os.ErrDeadlineExceeded)
}
