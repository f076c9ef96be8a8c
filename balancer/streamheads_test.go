package balancer

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/seed-8025779b/shakedown/balancer/http1"
)

// A stream's path is in origin form, or * for OPTIONS, and its host is its authority: rules that look at the host must see the one
// that the target goes by.
func TestHeadsOfStreams(t *testing.T) {
	for _, x := range []struct {
		headers []string
		want    string // the first line and the Host that the target sees; "" when the stream is refused
	}{
		{[]string{":method", "GET", ":authority", "a", ":path", "/x"}, "GET /x HTTP/1.1\r\nHost: a\r\n"},
		{[]string{":method", "GET", ":authority", "a", ":path", "http://b/x"}, ""},
		{[]string{":method", "GET", ":authority", "a", ":path", "https://a/x"}, ""},
		{[]string{":method", "POST", ":authority", "a", ":path", "b:80"}, ""},
		{[]string{":method", "GET", ":authority", "a", ":path", "*"}, ""},
		{[]string{":method", "OPTIONS", ":authority", "a", ":path", "*"}, "OPTIONS * HTTP/1.1\r\nHost: a\r\n"},
		{[]string{":method", "GET", ":authority", "a", ":path", "/", "host", "b"}, ""},
		{[]string{":method", "GET", ":authority", "a", ":path", "/", "host", ""}, ""},
		{[]string{":method", "GET", ":authority", "a", ":path", "/", "host", "a", "host", "a"}, ""},
		{[]string{":method", "GET", ":authority", "a", ":path", "/", "host", "A"}, "GET / HTTP/1.1\r\nHost: a\r\n"},
		{[]string{":method", "GET", ":path", "/", "host", "b"}, "GET / HTTP/1.1\r\nHost: b\r\n"},
		{[]string{":method", "GET", ":path", "/", "host", "b", "host", "c"}, ""},
	} {
		target := rawTarget(t, answering(fine))
		r := start(t, raws(target), nil)
		s := r.frames(t)
		s.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
		s.block.Reset()
		for i, list := 0, append([]string{":scheme", "http"}, x.headers...); i < len(list); i += 2 {
			if err := s.enc.WriteField(hpack.HeaderField{Name: list[i], Value: list[i+1]}); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: s.block.Bytes(), EndHeaders: true, EndStream: true}); err != nil {
			t.Fatal(err)
		}
		status := "reset"
		for done := false; !done; {
			f, err := s.ReadFrame()
			if err != nil {
				t.Fatal(err)
			}
			switch f := f.(type) {
			case *http2.MetaHeadersFrame:
				status, done = f.PseudoValue("status"), true
			case *http2.RSTStreamFrame:
				done = true
			}
		}
		s.Close()
		r.stop()
		switch seen := target.text(); {
		case x.want == "" && (seen != "" || (status != "400" && status != "reset")):
			t.Errorf("%q: %s, the target saw %q", x.headers, status, seen)
		case x.want != "" && (status != "200" || !strings.HasPrefix(seen, x.want)):
			t.Errorf("%q: %s, the target saw %q", x.headers, status, seen)
		}
	}
}

// Over HTTP/2 a client gets the headers that the target has sent, and none that were made up.
func TestNoHeaderIsMadeUp(t *testing.T) {
	for _, x := range []struct{ head, kind, date string }{
		{"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", "", ""},
		{"HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", "", ""},
		{"HTTP/1.1 204 No Content\r\n\r\n", "", ""},
		{"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Length: 6\r\n\r\n<html>", "a/b", "Thu, 01 Jan 1970 00:00:00 GMT"},
	} {
		r := start(t, raws(rawTarget(t, answering(x.head))), nil)
		transport := ways(t)["HTTP/2.0 by prior knowledge"].transport
		req, err := http.NewRequest("GET", r.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if kind, date := strings.Join(res.Header["Content-Type"], "|"), strings.Join(res.Header["Date"], "|"); kind != x.kind || date != x.date {
			t.Errorf("%q: Content-Type %q, Date %q", x.head, kind, date)
		}
	}
}

// A client of HTTP/1.0 that has left is noticed although the target keeps saying something that such a client does not get.
func TestGoneAmongInterimAnswers(t *testing.T) {
	ended := make(chan struct{})
	r := start(t, raws(rawTarget(t, reading(func(c net.Conn, _ *bufio.Reader) {
		for {
			if _, err := io.WriteString(c, "HTTP/1.1 102 Processing\r\n\r\n"); err != nil {
				close(ended)
				return
			}
		}
	}))), nil)
	c, _ := r.dial(t)
	_, _ = io.WriteString(c, "GET / HTTP/1.0\r\nHost: a\r\n\r\n")
	underWay(t, r)
	c.Close()
	await(t, "the end of the exchange", func() bool {
		select {
		case <-ended:
			return true
		default:
			return false
		}
	})
}

// The head of an answer may be as large for a client of HTTP/2 as for one of HTTP/1.1, whatever the balancer adds to it, and behind an
// interim answer too.
func TestLargeHeadsForStreams(t *testing.T) {
	const line = "X-Large: "
	head := "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n"
	for size := http1.MaxHead - len(head) - 100; size > 0; {
		n := min(size, http1.MaxLine)
		head += line + strings.Repeat("a", max(n-len(line+"\r\n"), 1)) + "\r\n"
		size -= n
	}
	cfg := raws(rawTarget(t, answering(head+"\r\n")))
	cfg.Listeners[0].Options.Via = strings.Repeat("v", 200)
	for name, way := range ways(t) {
		cfg := cfg
		cfg.Listeners = slices.Clone(cfg.Listeners)
		way.change(&cfg)
		r := start(t, cfg, nil)
		req, err := http.NewRequest("GET", way.scheme+"://"+r.Addresses()[0], nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := way.transport.RoundTrip(req)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if res.Body.Close(); res.StatusCode != http.StatusOK || len(res.Header["X-Large"]) < http1.MaxHead/http1.MaxLine-1 {
			t.Errorf("%s: %d, %d headers", name, res.StatusCode, len(res.Header["X-Large"]))
		}
		r.stop()
	}
}
