// Package http1 reads and writes HTTP/1.1 messages on byte slices: strictly, per RFC 9112, and without
// allocating.
//
// Parsers are incremental: they are given what has been read so far, and answer "more" until a head is
// whole. A body is fed through a Body, which says how much of the input belongs to it and when it has ended.
// What is ambiguous is refused, never guessed.
package http1

import "errors"

// Limits on a message's head, in bytes, unless others are set; an application load balancer's.
const (
	MaxLine = 16 << 10 // the first line, or one header
	MaxHead = 64 << 10
)

// Bounds on the parts of a head.
const (
	// MaxFields is how many header lines a request may have, unless another limit is set: Envoy's max_headers_count, and one
	// less than HAProxy's tune.http.maxhdr.
	MaxFields = 100
	// MaxOptions is how many headers a message's Connection may name. Real ones name one or two; each of them is compared with
	// every header.
	MaxOptions = 32
	// MaxEmptyLines is how many empty lines may come before a request (RFC 9112, 2.2: at least one should be ignored).
	MaxEmptyLines = 4
)

// The reasons for refusing a message.
var (
	ErrLine          = errors.New("malformed first line")
	ErrVersion       = errors.New("not HTTP/1.0 or 1.1")
	ErrHeader        = errors.New("malformed header")
	ErrHeadTooLarge  = errors.New("head, or a line of it, too large, or too many headers")
	ErrContentLength = errors.New("malformed or contradictory Content-Length")
	ErrFraming       = errors.New("contradictory framing: Transfer-Encoding beside Content-Length, twice, not ending in chunked, or in HTTP/1.0")
	ErrCoding        = errors.New("transfer coding other than chunked")
	ErrChunk         = errors.New("malformed chunk")
	ErrTarget        = errors.New("malformed request target")
	ErrTargetTooLong = errors.New("request line too long")
	ErrMethod        = errors.New("method CONNECT")
	ErrHost          = errors.New("missing, repeated or malformed Host")
	ErrName          = errors.New("header name that a target may take for another")
)

// control says whether control bytes other than tab may stand in a line.
type control bool

// The senders' rights: a request is refused with any control byte. What a client puts into a URL, a target may repeat in a header
// of its answer; such an answer is passed on, unless it holds NUL, a bare CR or a bare LF.
const (
	ofRequest control = false
	ofAnswer  control = true
)

// line returns the line that starts b, without its CRLF, and what follows. more is true when it is not
// whole yet. A bare LF, a bare CR, NUL, other control bytes that may not stand there, and more than limit bytes are refused.
func line(b []byte, limit int, may control) (l, rest []byte, more bool, err error) {
	for i, c := range b {
		switch {
		case c == '\r':
			if i+1 == len(b) {
				return nil, nil, true, nil
			}
			if b[i+1] != '\n' {
				return nil, nil, false, ErrHeader
			}
			return b[:i], b[i+2:], false, nil
		case c == '\n', c == 0, may == ofRequest && !printable(c):
			return nil, nil, false, ErrHeader
		case i >= limit:
			return nil, nil, false, ErrHeadTooLarge
		}
	}
	return nil, nil, true, nil
}

// header splits a header line. The name must be a token directly before the colon; a line that begins with
// white space (obs-fold) has none. odd reports whether the name is not its own folded form (AppendFolded), but for the case of letters.
func header(l []byte) (name, value []byte, odd bool, err error) {
	i, last := 0, hyphen
	for ; i < len(l); i++ {
		k := nameByte[l[i]]
		if k == 0 {
			break
		}
		odd = odd || k == special || (k == hyphen && last == hyphen)
		last = k
	}
	if i == 0 || i == len(l) || l[i] != ':' {
		return nil, nil, false, ErrHeader
	}
	return l[:i], trim(l[i+1:]), odd || last == hyphen, nil
}

// What a byte of a token is; 0 for one that may not stand in it.
const (
	letter uint8 = iota + 1 // or a digit
	hyphen
	special
)

// nameByte says what the bytes of a header's name are.
var nameByte = func() (t [256]uint8) {
	for c := range t {
		switch {
		case alphanumeric[c]:
			t[c] = letter
		case c == '-':
			t[c] = hyphen
		case tokenByte[c]:
			t[c] = special
		}
	}
	return t
}()

func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// tokenByte says which bytes may stand in a token (RFC 9110, 5.6.2).
var tokenByte = func() (t [256]bool) {
	for _, c := range "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" {
		t[c] = true
	}
	return t
}()

// alphanumeric says which bytes are letters or digits.
var alphanumeric = func() (t [256]bool) {
	for _, c := range "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" {
		t[c] = true
	}
	return t
}()

// AppendFolded appends the name that a header's name may be read as by a server that hands headers on as variables (CGI, WSGI,
// FastCGI): in lower case, with one hyphen for whatever is neither letter nor digit, and none at the ends. Content_Length becomes
// content-length.
func AppendFolded(dst, name []byte) []byte {
	pending := false
	begin := len(dst)
	for _, c := range name {
		if !alphanumeric[c] {
			pending = len(dst) > begin
			continue
		}
		if pending {
			dst, pending = append(dst, '-'), false
		}
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

// Is compares a name with a lower-case one, without regard to case.
func Is(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i := range b {
		c := b[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// HasPrefix reports whether a text begins with a lower-case one, without regard to case.
func HasPrefix(b []byte, lower string) bool { return len(b) >= len(lower) && Is(b[:len(lower)], lower) }

// length reads a Content-Length: digits only, and it must fit.
func length(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	n := int64(0)
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// Idempotent reports whether a method may be repeated (RFC 9110, 9.2.2).
func Idempotent[T ~string | ~[]byte](method T) bool {
	switch string(method) {
	case "GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE":
		return true
	}
	return false
}
