// Package h2 lets a plane of HTTP/1.1 speak HTTP/2 on either side: a stream of a client is served as a connection of
// HTTP/1.1 with one exchange on it, and an exchange with a target over a connection of HTTP/1.1 becomes a stream.
// Routing, retries, limits and errors are so the same for both versions, and what a client says in HTTP/2 goes through
// the same strict parser. HTTP/2 itself is net/http's.
package h2

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/seed-8025779b/shakedown/balancer/http1"
)

// pieceSize is how much of a body is taken at once.
const pieceSize = 16 << 10

// appendPiece appends content as a chunk.
func appendPiece(out, piece []byte) []byte {
	out = strconv.AppendInt(out, int64(len(piece)), 16)
	out = append(out, "\r\n"...)
	out = append(out, piece...)
	return append(out, "\r\n"...)
}

// appendEnd appends the end of a chunked body with its trailer.
func appendEnd(out []byte, trailer http.Header) []byte {
	out = append(out, "0\r\n"...)
	out = appendFields(out, trailer)
	return append(out, "\r\n"...)
}

// appendFields appends headers that HTTP/2 has found to be well-formed, without those that are about framing.
func appendFields(out []byte, h http.Header) []byte {
	for name, values := range h {
		if framing(name) {
			continue
		}
		for _, v := range values {
			out = append(out, name...)
			out = append(out, ": "...)
			out = append(out, v...)
			out = append(out, "\r\n"...)
		}
	}
	return out
}

// framing reports whether a header is about one connection of HTTP/1.1; in HTTP/2 none of them may stand.
func framing(name string) bool {
	switch strings.ToLower(name) {
	case "connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade", "content-length", "host":
		return true
	}
	return false
}

// plain reports whether a text may stand between the spaces of a first line. Bytes beyond ASCII may, in a target.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] == 0x7f {
			return false
		}
	}
	return s != ""
}

// lengths reports whether the values of Content-Length are digits, no more than http1 takes, and the same.
func lengths(values []string) bool {
	const most = 18
	for _, v := range values {
		if v == "" || len(v) > most || v != values[0] || strings.Trim(v, "0123456789") != "" {
			return false
		}
	}
	return true
}

// announced are the names of a Trailer header, without those that a trailer must not have or that are none.
func announced(h http.Header) http.Header {
	out := http.Header{}
	for _, v := range h["Trailer"] {
		for _, name := range strings.Split(v, ",") {
			if name = http.CanonicalHeaderKey(strings.TrimSpace(name)); token(name) && name != "Trailer" && !framing(name) {
				out[name] = nil
			}
		}
	}
	return out
}

// token reports whether a text is a token of RFC 9110, 5.6.2, as every header's name must be.
func token(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// eachLine visits the headers of a trailer.
func eachLine(trailer []byte, each func(name, value string)) {
	for len(trailer) > 0 {
		var line []byte
		line, trailer, _ = bytes.Cut(trailer, []byte("\r\n"))
		name, value, ok := bytes.Cut(line, []byte(":"))
		if ok && !framing(string(name)) {
			each(string(name), string(bytes.TrimSpace(value)))
		}
	}
}

// head gathers what is written until a head is whole. Its size was seen to when it came; the plane has added to it since.
type head struct {
	find http1.Head
	text []byte
}

// anySize stands for no limit.
const anySize = 1 << 30

// add takes bytes in. When the head is whole, it returns it, and what of the bytes comes after it.
func (h *head) add(p []byte) (whole, rest []byte, err error) {
	before := len(h.text)
	h.text = append(h.text, p...)
	h.find.Line, h.find.All = anySize, anySize
	n, err := h.find.Feed(h.text)
	if err != nil || n == 0 {
		return nil, nil, err
	}
	whole = h.text[:n]
	*h = head{}
	return whole, p[n-before:], nil
}

// chunks reads a body as the chunks of HTTP/1.1.
type chunks struct {
	body    io.Reader
	trailer func() http.Header
	buf     []byte
	pending []byte
	ended   bool
}

func (c *chunks) Read(p []byte) (int, error) {
	for len(c.pending) == 0 {
		if c.ended {
			return 0, io.EOF
		}
		if c.buf == nil {
			c.buf = make([]byte, pieceSize)
		}
		n, err := c.body.Read(c.buf)
		c.pending = c.pending[:0]
		if n > 0 {
			c.pending = appendPiece(c.pending, c.buf[:n])
		}
		switch {
		case errors.Is(err, io.EOF):
			c.ended = true
			c.pending = appendEnd(c.pending, c.trailer())
		case err != nil:
			return 0, err
		}
	}
	n := copy(p, c.pending)
	c.pending = c.pending[n:]
	return n, nil
}
