package http1

import (
	"bytes"
	"cmp"
)

// Request is the head of a request, as far as its receiver needs it. Its slices are of the input.
type Request struct {
	Method  []byte
	Target  []byte // in origin form, "/path?query"; "*" for OPTIONS
	Host    []byte // of the target's authority when it has one, of the header otherwise; nil when there is none
	Minor   int    // of HTTP/1.x
	Length  int64  // of the body; 0 when there is none, -1 when it is chunked
	Chunked bool
	Close   bool   // the client wants no further exchange on the connection, or can't have one
	Expect  bool   // it waits for 100 Continue before it sends the body
	Upgrade []byte // the protocol that it would change to; nil for none
	Options bool   // Connection names headers that belong to the connection, beyond the usual ones
}

// Head finds the end of a head in what is read piece by piece. It looks at each byte once, so that a head that
// trickles in costs no more than one that comes at once. The zero Head is ready.
type Head struct {
	Line, All int // the most bytes of a line, and in all; 0 stands for MaxLine and MaxHead

	at   int // looked at so far
	line int // where the present line begins
}

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
		first := h.line == 0
		empty := end-1 == h.line
		h.at, h.line = end+1, end+1
		if empty {
			if first {
				return 0, ErrLine
			}
			return end + 1, nil
		}
	}
}

func (h *Head) tooLong(end int) error {
	switch {
	case end-h.line > cmp.Or(h.Line, MaxLine)+1 && h.line == 0:
		return ErrTargetTooLong
	case end-h.line > cmp.Or(h.Line, MaxLine)+1, end > cmp.Or(h.All, MaxHead):
		return ErrHeadTooLarge
	}
	return nil
}

// ParseRequest reads a whole head, as Head.Feed found it, which has seen to its size. each, when not nil, is called for every header with
// slices of the input.
func ParseRequest(b []byte, r *Request, each func(name, value []byte)) error {
	l, rest, more, err := line(b, len(b))
	if err != nil || more {
		return firstLine(err, more)
	}
	*r = Request{}
	if err := r.line(l); err != nil {
		return err
	}
	authority := r.Host
	hosts := 0
	f := framing{length: -1}
	for {
		l, rest, more, err = line(rest, len(rest))
		if err != nil {
			return err
		}
		if more {
			return ErrHeader
		}
		if len(l) == 0 {
			break
		}
		name, value, err := header(l)
		if err == nil {
			err = f.note(name, value)
		}
		if err != nil {
			return err
		}
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
	r.Options = f.options
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
	for _, c := range r.Target {
		if !targetByte[c] {
			return ErrTarget
		}
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

var root = []byte("/")

// target brings the target into origin form.
func (r *Request) target() error {
	t := r.Target
	switch {
	case t[0] == '/':
		return nil
	case len(t) == 1 && t[0] == '*' && string(r.Method) == "OPTIONS":
		return nil
	case string(r.Method) == "CONNECT":
		return ErrMethod
	}
	i := bytes.Index(t, []byte("://"))
	if i < 0 || (!Is(t[:i], "http") && !Is(t[:i], "https")) {
		return ErrTarget
	}
	rest := t[i+3:]
	end := bytes.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	if end == 0 || !validHost(rest[:end]) {
		return ErrTarget
	}
	r.Host, r.Target = rest[:end:end], rest[end:]
	switch {
	case len(r.Target) == 0:
		r.Target = root
	case r.Target[0] == '?':
		return ErrTarget // without a path a query has nothing to belong to; nobody sends it
	}
	return nil
}

// targetByte says which bytes may stand in a request's target: visible ASCII but for those that RFC 3986 leaves
// out, a fragment's sign among them.
var targetByte = func() (t [256]bool) {
	for c := '!'; c <= '~'; c++ {
		t[c] = true
	}
	for _, c := range "\"#<>\\^`{|}" {
		t[c] = false
	}
	return t
}()

// hostByte says which bytes may stand in a host with its port (RFC 3986, 3.2.2 and 3.2.3), escapes left out: no name
// needs one.
var hostByte = func() (t [256]bool) {
	for _, c := range "!$&'()*+,;=-._~:[]0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" {
		t[c] = true
	}
	return t
}()

func validHost(b []byte) bool {
	for _, c := range b {
		if !hostByte[c] {
			return false
		}
	}
	return true
}
