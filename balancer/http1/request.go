package http1

import (
	"bytes"
	"cmp"
)

// Request is the head of a request, as far as its receiver needs it. Its slices are of the input.
type Request struct {
	Method  []byte
	Target  []byte // as it came, but in origin form, "/path?query"; "*" for OPTIONS
	Normal  []byte // the target with its path in normal form (appendNormal); not of the input when it differs from Target
	Host    []byte // of the target's authority when it has one, of the header otherwise; nil when there is none
	Minor   int    // of HTTP/1.x
	Length  int64  // of the body; 0 when there is none, -1 when it is chunked
	Chunked bool
	Close   bool   // the client wants no further exchange on the connection, or can't have one
	Expect  bool   // it waits for 100 Continue before it sends the body
	Upgrade []byte // the protocol that it would change to; nil for none
	Options bool   // Connection names headers that belong to the connection, beyond the usual ones

	Unusual  bool // the target holds bytes that RFC 3986 leaves out
	OddNames bool // a header's name differs from its folded form (AppendFolded) in more than case

	normal []byte // the memory of Normal
}

// Head finds the end of a head in what is read piece by piece. It looks at each byte once, so that a head that
// trickles in costs no more than one that comes at once. The zero Head is ready.
type Head struct {
	Line, All int // the most bytes of a line, and in all; 0 stands for MaxLine and MaxHead
	Fields    int // the most header lines; 0: no limit

	at     int // looked at so far
	line   int // where the present line begins
	begin  int // where the first line begins, after the empty ones that were skipped
	fields int // header lines so far
}

// Begun reports whether anything of a head has come beyond empty lines.
func (h *Head) Begun() bool { return h.at > h.begin }

// Feed is given everything read so far, and returns the head's length, 0 while it is not whole. A line that ends
// without CR is refused at once, and so is one that is too long.
func (h *Head) Feed(b []byte) (n int, err error) {
	for {
		i := bytes.IndexByte(b[h.at:], '\n')
		if i < 0 {
			h.at = len(b)
			return 0, h.tooLong(len(b))
		}
		end := h.at + i
		if err := h.tooLong(end); err != nil {
			return 0, err
		}
		if end == 0 || b[end-1] != '\r' || end-1 < h.line {
			return 0, ErrHeader
		}
		first := h.line == h.begin
		empty := end-1 == h.line
		h.at, h.line = end+1, end+1
		switch {
		case empty && first: // an old client's end of the body before (RFC 9112, 2.2)
			if h.begin = end + 1; h.begin > len("\r\n")*MaxEmptyLines {
				return 0, ErrLine
			}
		case empty:
			return end + 1, nil
		case !first:
			if h.fields++; h.Fields > 0 && h.fields > h.Fields {
				return 0, ErrHeadTooLarge
			}
		}
	}
}

func (h *Head) tooLong(end int) error {
	switch {
	case end-h.line > cmp.Or(h.Line, MaxLine)+1 && h.line == h.begin:
		return ErrTargetTooLong
	case end-h.line > cmp.Or(h.Line, MaxLine)+1, end > cmp.Or(h.All, MaxHead):
		return ErrHeadTooLarge
	}
	return nil
}

// ParseRequest reads a whole head, as Head.Feed found it, which has seen to its size. each, when not nil, is called for every header with
// slices of the input.
func ParseRequest(b []byte, r *Request, each func(name, value []byte)) error {
	for len(b) > 1 && b[0] == '\r' && b[1] == '\n' { // Feed has counted them
		b = b[2:]
	}
	l, rest, more, err := line(b, len(b), ofRequest)
	if err != nil || more {
		return firstLine(err, more)
	}
	*r = Request{normal: r.normal}
	if err := r.line(l); err != nil {
		return err
	}
	authority := r.Host
	hosts := 0
	f := framing{length: -1}
	for {
		l, rest, more, err = line(rest, len(rest), ofRequest)
		if err != nil {
			return err
		}
		if more {
			return ErrHeader
		}
		if len(l) == 0 {
			break
		}
		name, value, odd, err := header(l)
		if err == nil {
			err = f.note(name, value)
		}
		if err != nil {
			return err
		}
		r.OddNames = r.OddNames || odd
		switch {
		case Is(name, "host"):
			hosts++
			r.Host = value
		case Is(name, "expect"):
			r.Expect = Is(value, "100-continue")
		case Is(name, "upgrade"):
			r.Upgrade = value
		}
		if each != nil {
			each(name, value)
		}
	}
	if len(rest) > 0 {
		return ErrHeader
	}
	return r.settle(&f, hosts, authority)
}

// settle draws the conclusions of the whole head.
func (r *Request) settle(f *framing, hosts int, authority []byte) error {
	if hosts > 1 || (hosts == 0 && r.Minor == 1) || !validHost(r.Host) {
		return ErrHost
	}
	if authority != nil {
		r.Host = authority // RFC 9112, 3.2.2: the header is ignored
	}
	if f.chunked && r.Minor == 0 { // RFC 9112, 6.1: the framing is faulty
		return ErrFraming
	}
	r.Chunked, r.Length = f.chunked, max(f.length, 0)
	if f.chunked {
		r.Length = -1
	}
	r.Close = f.close || (r.Minor == 0 && !f.keep)
	r.Options = f.options > 0
	if !f.upgrade || r.Minor == 0 || HasToken(r.Upgrade, "h2c") { // HTTP/2 through a tunnel would pass all rules by
		r.Upgrade = nil
	}
	r.Expect = r.Expect && r.Minor == 1 && r.Length != 0
	return nil
}

// line reads "GET /path HTTP/1.1": three words with one space between them.
func (r *Request) line(l []byte) error {
	i := bytes.IndexByte(l, ' ')
	j := bytes.LastIndexByte(l, ' ')
	if i <= 0 || j <= i+1 {
		return ErrLine
	}
	r.Method, r.Target = l[:i], l[i+1:j]
	for _, c := range r.Method {
		if !tokenByte[c] {
			return ErrLine
		}
	}
	if err := r.version(l[j+1:]); err != nil {
		return err
	}
	return r.target()
}

// version reads "HTTP/1.1". Another version in the right form is told from nonsense.
func (r *Request) version(v []byte) error {
	if len(v) != len("HTTP/1.1") || string(v[:5]) != "HTTP/" || v[6] != '.' || v[5] < '0' || v[5] > '9' || v[7] < '0' || v[7] > '9' {
		return ErrLine
	}
	if v[5] != '1' || v[7] > '1' {
		return ErrVersion
	}
	r.Minor = int(v[7] - '0')
	return nil
}
