package http1

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"
)

// read reads a whole response in pieces of the given size, as from a socket.
func read(in string, head bool, piece int) (r Response, data int64, whole bool, err error) {
	var buf []byte
	rest := in
	for {
		n, err := ParseResponse(buf, head, &r, nil)
		if err != nil {
			return r, 0, false, err
		}
		if n > 0 {
			buf = buf[n:]
			break
		}
		if rest == "" {
			return r, 0, false, nil
		}
		k := min(piece, len(rest))
		buf = append(buf, rest[:k]...)
		rest = rest[k:]
	}
	var b Body
	b.Start(&r)
	rest = string(buf) + rest
	for rest != "" && !b.Ended() {
		k := min(piece, len(rest))
		n, d, err := b.Feed([]byte(rest[:k]), nil)
		data += d
		if err != nil {
			return r, data, false, err
		}
		rest = rest[n:]
	}
	return r, data, b.Ended(), nil
}

func TestResponses(t *testing.T) {
	for _, tc := range []struct {
		name, in string
		head     bool
		want     Response
		data     int64
		whole    bool
	}{
		{"length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false, Response{200, 1, 5, false, false}, 5, true},
		{"no reason", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", false, Response{200, 1, 0, false, false}, 0, true},
		{"no reason, no space", "HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n", false, Response{404, 1, 0, false, false}, 0, true},
		{"short", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", false, Response{200, 1, 5, false, false}, 3, false},
		{"equal lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\ncontent-length: 1\r\n\r\nx", false, Response{200, 1, 1, false, false}, 1, true},
		{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nA;x=\"y\"\r\n0123456789\r\n0\r\n\r\n", false, Response{200, 1, -1, true, false}, 15, true},
		{"trailers", "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n1\r\nx\r\n0\r\nA: b\r\nC: d\r\n\r\n", false, Response{200, 1, -1, true, false}, 1, true},
		{"until close", "HTTP/1.1 200 OK\r\n\r\nhello", false, Response{200, 1, -1, false, true}, 5, false},
		{"close", "HTTP/1.1 200 OK\r\nConnection: foo, Close\r\nContent-Length: 0\r\n\r\n", false, Response{200, 1, 0, false, true}, 0, true},
		{"1.0", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", false, Response{200, 0, 0, false, true}, 0, true},
		{"1.0 keep-alive", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", false, Response{200, 0, 0, false, false}, 0, true},
		{"head", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true, Response{200, 1, 0, false, false}, 0, true},
		{"204", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", false, Response{204, 1, 0, false, false}, 0, true},
		{"304", "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", false, Response{304, 1, 0, false, false}, 0, true},
		{"100", "HTTP/1.1 100 Continue\r\n\r\n", false, Response{100, 1, 0, false, false}, 0, true},
		{"incomplete", "HTTP/1.1 200 OK\r\nContent-Le", false, Response{200, 1, 0, false, false}, 0, false},
	} {
		for _, piece := range []int{1, 3, 1000} {
			r, data, whole, err := read(tc.in, tc.head, piece)
			if err != nil || r != tc.want || data != tc.data || whole != tc.whole {
				t.Errorf("%s in pieces of %d: %+v, %d bytes, whole %v, %v", tc.name, piece, r, data, whole, err)
			}
		}
	}
}

func TestRefusedResponses(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	for in, want := range map[string]error{
		"garbage\r\n\r\n":                                                       ErrLine,
		"HTTP/2.0 200 OK\r\n\r\n":                                               ErrLine,
		"HTTP/1.2 200 OK\r\n\r\n":                                               ErrVersion,
		"HTTP/1.1 20x OK\r\n\r\n":                                               ErrLine,
		"HTTP/1.1 099 OK\r\n\r\n":                                               ErrLine,
		"HTTP/1.1 2000 OK\r\n\r\n":                                              ErrLine,
		"HTTP/1.1 200 OK\n\n":                                                   ErrLine,
		"HTTP/1.1 200 O\x00K\r\n\r\n":                                           ErrLine,
		ok + "a: b\nc: d\r\n\r\n":                                               ErrHeader,
		ok + "a : b\r\n\r\n":                                                    ErrHeader,
		ok + " a: b\r\n\r\n":                                                    ErrHeader,
		ok + "a: b\r\n folded\r\n\r\n":                                          ErrHeader,
		ok + "no colon\r\n\r\n":                                                 ErrHeader,
		ok + ": empty\r\n\r\n":                                                  ErrHeader,
		ok + "a: b\rc\r\n\r\n":                                                  ErrHeader,
		ok + "Content-Length: -1\r\n\r\n":                                       ErrContentLength,
		ok + "Content-Length: +1\r\n\r\n":                                       ErrContentLength,
		ok + "Content-Length: 1, 1\r\n\r\n":                                     ErrContentLength,
		ok + "Content-Length: 0x1\r\n\r\n":                                      ErrContentLength,
		ok + "Content-Length: \r\n\r\n":                                         ErrContentLength,
		ok + "Content-Length: 9999999999999999999\r\n\r\n":                      ErrContentLength,
		ok + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n":                   ErrContentLength,
		ok + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n":          ErrFraming,
		ok + "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n":          ErrFraming,
		"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n":        ErrFraming,
		ok + "Transfer-Encoding: gzip\r\n\r\n":                                  ErrCoding,
		ok + "Transfer-Encoding: gzip, chunked\r\n\r\n":                         ErrCoding,
		ok + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n": ErrFraming,
		ok + "Transfer-Encoding: chunked\r\n\r\n0\r\nd\r\n\r\n":                 ErrChunk,
		ok + "Transfer-Encoding: chunked\r\n\r\n0\r\n: d\r\n\r\n":               ErrChunk,
		ok + "Transfer-Encoding: chunked\r\n\r\n0 0\r\n\r\n":                    ErrChunk,
		ok + "Transfer-Encoding: chunked\r\n\r\nx\r\n":                          ErrChunk,
		ok + "Transfer-Encoding: chunked\r\n\r\n\r\n":                           ErrChunk,
		ok + "Transfer-Encoding: chunked\r\n\r\n-1\r\n":                         ErrChunk,
		ok + "Transfer-Encoding: chunked\r\n\r\n1\nx":                           ErrChunk,
		ok + "Transfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n":                    ErrChunk,
		ok + "Transfer-Encoding: chunked\r\n\r\n1\r\nx\n":                       ErrChunk,
		ok + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n":          ErrChunk,
		ok + "Transfer-Encoding: chunked\r\n\r\n0\r\n x\r\n":                    ErrChunk,
		"HTTP/1.1 200 " + strings.Repeat("x", 20_000):                           ErrHeadTooLarge,
		ok + "a: " + strings.Repeat("x", 20_000):                                ErrHeadTooLarge,
		ok + strings.Repeat("a: b\r\n", 20_000):                                 ErrHeadTooLarge,
	} {
		for _, piece := range []int{1, 7, 100_000} {
			if len(in) > 1000 && piece < 100 {
				continue // the quadratic reader of this test, not the parser
			}
			if _, _, _, err := read(in, false, piece); !errors.Is(err, want) {
				t.Errorf("%.60q in pieces of %d: %v, want %v", in, piece, err, want)
			}
		}
	}
}

func TestParsingDoesNotAllocate(t *testing.T) {
	in := []byte("HTTP/1.1 200 OK\r\nServer: x\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
	var r Response
	var b Body
	if n := testing.AllocsPerRun(100, func() {
		n, err := ParseResponse(in, false, &r, nil)
		if err != nil {
			t.Fatal(err)
		}
		b.Start(&r)
		if _, _, err := b.Feed(in[n:], nil); err != nil || !b.Ended() {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func TestContentIsHandedOn(t *testing.T) {
	for in, want := range map[string]string{
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;x\r\n!\r\n0\r\nA: b\r\n\r\n": "hello!",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, more":                                          "hello",
		"HTTP/1.1 200 OK\r\n\r\nhello":                                                                     "hello",
	} {
		var r Response
		n, err := ParseResponse([]byte(in), false, &r, nil)
		if err != nil {
			t.Fatal(err)
		}
		var b Body
		b.Start(&r)
		var got []byte
		if _, _, err := b.Feed([]byte(in[n:]), func(p []byte) { got = append(got, p...) }); err != nil || string(got) != want {
			t.Errorf("%q: %q %v", in, got, err)
		}
	}
}

// Whatever the pieces, the outcome is the same.
func TestPiecesDoNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.SampledFrom([]string{
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\nHTTP/1.1",
			"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n1234567890",
		}).Draw(t, "in")
		want, wantData, wantWhole, _ := read(in, false, len(in))
		got, data, whole, err := read(in, false, rapid.IntRange(1, len(in)).Draw(t, "piece"))
		if err != nil || got != want || data != wantData || whole != wantWhole {
			t.Fatalf("%+v %d %v %v", got, data, whole, err)
		}
	})
}

// We never accept what net/http refuses in framing, and agree with it on what we accept.
func FuzzResponse(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"HTTP/1.0 404 \r\n\r\nx", "HTTP/1.1 204 x\r\nA: b\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.0 204 \r\n0:\x19\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r, data, whole, err := read(string(in), false, len(in)+1)
		if err != nil || !whole || r.Status < 200 {
			return
		}
		res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(in)), nil)
		if err != nil && bytes.ContainsFunc(in, func(c rune) bool { return c != '\r' && c != '\n' && unicode.IsControl(c) }) {
			return // in a value of a header, which RFC 9110, 5.5, lets a recipient retain
		}
		if err != nil {
			t.Fatalf("net/http refuses what we accept: %v\n%q", err, in)
		}
		n, err := io.Copy(io.Discard, res.Body)
		if err != nil || n != data || res.StatusCode != r.Status {
			t.Fatalf("net/http reads %d, %d bytes, %v; we %d, %d bytes\n%q", res.StatusCode, n, err, r.Status, data, in)
		}
	})
}

// Control bytes may stand in an answer, but not NUL, CR and LF; in a request none may.
func TestControlBytes(t *testing.T) {
	for c := range byte(0x80) {
		if c >= ' ' && c != 0x7f || c == '\t' {
			continue
		}
		never := c == 0 || c == '\r' || c == '\n'
		field := "A: b" + string(rune(c)) + "c\r\n"
		for name, text := range map[string]string{"reason": "HTTP/1.1 200 O" + string(rune(c)) + "K\r\n\r\n", "header": "HTTP/1.1 200 OK\r\n" + field + "\r\n"} {
			var r Response
			if n, err := ParseResponse([]byte(text), false, &r, nil); (err != nil) != never || (n != len(text)) != never {
				t.Errorf("%s %q of an answer: %d %v", name, c, n, err)
			}
		}
		var r Request
		if err := ParseRequest([]byte("GET / HTTP/1.1\r\nHost: a\r\n"+field+"\r\n"), &r, nil); err == nil {
			t.Errorf("%q in a request", c)
		}
		for _, answer := range []bool{false, true} {
			b := Body{KeepTrailer: true}
			if b.Reset(-1, true); answer {
				b.Start(&Response{Length: -1, Chunked: true})
			}
			if _, _, err := b.Feed([]byte("0\r\n"+field+"\r\n"), nil); (err != nil) != (never || !answer) || (err == nil && !b.Ended()) {
				t.Errorf("%q in a trailer, of an answer %v: %v", c, answer, err)
			}
		}
	}
}
