package balancer

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/balancer/http1"
)

// seen is one request as somebody read it.
type seen struct {
	method, body string
	whole        bool
}

// readAll reads requests as net/http does, until it can't. urls reports that it only stumbled over a URL, which is no
// matter of framing.
func readAll(in io.Reader) (list []seen, urls bool, err error) {
	for r := bufio.NewReaderSize(in, 2*http1.MaxHead); ; { // no trailer is taken that the buffer does not hold
		for { // net/http skips no empty line before a request
			if b, _ := r.Peek(2); string(b) != "\r\n" {
				break
			}
			_, _ = r.Discard(2) // they were there
		}
		req, err := http.ReadRequest(r)
		var u *url.Error
		if err != nil {
			return list, errors.As(err, &u), err
		}
		body, err := io.ReadAll(req.Body)
		list = append(list, seen{req.Method, string(body), err == nil})
		if err != nil {
			return list, false, err
		}
	}
}

// Whatever bytes a client sends, a target only sees requests that net/http reads out of them too: the same, in the
// same order, with the same bodies. What the balancer writes can be read in one way only, by the strictest of targets too.
func FuzzProxy(f *testing.F) {
	var mu sync.Mutex
	var got []seen
	var broken error
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.Fatal(err)
	}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer c.Close()
				for r := bufio.NewReaderSize(c, 2*http1.MaxHead); ; {
					text, err := strictRequest(r)
					mu.Lock()
					switch {
					case err == nil:
						parts := strings.SplitN(text, " ", 3) // neither method nor target holds a space
						got = append(got, seen{parts[0], parts[2], true})
					case errors.Is(err, io.ErrUnexpectedEOF):
						got = append(got, seen{})
					case !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) && !strings.Contains(err.Error(), "reset"):
						broken = err
					}
					mu.Unlock()
					if err != nil {
						return
					}
					if _, err := io.WriteString(c, fine); err != nil {
						return
					}
				}
			})
		}
	})
	cfg := settings()
	cfg.Groups[0].Targets = []config.Target{{ID: "t", Address: l.Addr().String()}}
	cfg.Listeners[0].HTTP1Only = true // the reader of the comparison knows no HTTP/2
	b, err := New(cfg, Options{})
	if err != nil {
		f.Fatal(err)
	}
	if err := b.Listen(); err != nil {
		f.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Serve(ctx) }()
	f.Cleanup(func() {
		cancel()
		<-done
		l.Close()
		conns.Wait()
	})
	for in := range http1.Malformed() {
		if len(in) < 500 {
			f.Add([]byte("GET /a HTTP/1.1\r\nHost: a\r\n\r\n" + in + "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"))
		}
	}
	for _, row := range attacks() {
		if len(row.in) < 500 {
			f.Add([]byte(row.in + last))
		}
	}
	f.Add([]byte("` / HTTP/1.1\r\nHost: a\r\n\r\n"))
	f.Add([]byte("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcPOST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nA: b\r\n\r\nGET / HTTP/1.0\r\n\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 100_000 {
			return
		}
		mu.Lock()
		got, broken = nil, nil
		mu.Unlock()
		c, err := net.Dial("tcp", b.Addresses()[0])
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		_, _ = c.Write(in) // it may be refused while it is still being sent
		_ = c.(*net.TCPConn).CloseWrite()
		if _, err := io.Copy(io.Discard, c); err != nil && strings.Contains(err.Error(), "timeout") {
			t.Fatal("the balancer neither answers nor closes")
		}
		mu.Lock()
		defer mu.Unlock()
		if broken != nil {
			t.Fatalf("the target can't read what was forwarded: %v", broken)
		}
		want, urls, _ := readAll(bytes.NewReader(in))
		want = slices.DeleteFunc(want, func(x seen) bool { return x.method == http.MethodTrace }) // the balancer answers it
		for i, x := range got {
			switch {
			case i >= len(want) && urls, !x.whole: // net/http did not like a URL; or the client has not sent it all
				return
			case i < len(want) && !want[i].whole && x.method == want[i].method: // net/http takes no blank before a chunk's extension
				return
			case i >= len(want):
				t.Fatalf("the target saw %d requests, net/http reads %d", len(got), len(want))
			case x.method != want[i].method || x.body != want[i].body:
				t.Fatalf("request %d: the target saw %+v, net/http reads %+v", i, x, want[i])
			}
		}
	})
}
