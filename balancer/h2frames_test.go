package balancer

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/config"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// A stream whose content-length is not a number is refused before anything of it goes to a target.
func TestLengthsOfStreams(t *testing.T) {
	x := rawTarget(t, answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
	r := start(t, raws(x), nil)
	for _, lengths := range [][]string{{"+5"}, {"-5"}, {"5 "}, {"0x5"}, {"5,5"}, {""}, {"5", "6"}, {"99999999999999999999"}} {
		for _, more := range []bool{true, false} {
			s := r.frames(t)
			s.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
			var headers []string
			for _, l := range lengths {
				headers = append(headers, "content-length", l)
			}
			s.open(t, 1, "POST", more, headers...)
			if more {
				_ = s.WriteData(1, true, []byte("hello"))
			}
			for {
				f, err := s.ReadFrame()
				if err != nil {
					break // net/http has refused it by itself
				}
				if h, ok := f.(*http2.MetaHeadersFrame); ok {
					if got := h.PseudoValue("status"); got != "400" {
						t.Errorf("%q, more %v: %s", lengths, more, got)
					}
					break
				}
				if _, ok := f.(*http2.RSTStreamFrame); ok {
					break
				}
			}
			s.Close()
		}
	}
	if x.text() != "" {
		t.Errorf("the target saw %q", x.text())
	}
}

// A server that ends says so twice: first without refusing anything, since a client may just be asking; then with the last
// stream that it serves. What it has begun it ends, and what comes too late it leaves alone, so that it may be repeated.
func TestGoAwayTwice(t *testing.T) {
	for _, secure := range []bool{false, true} {
		var served atomic.Int64
		s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if _, err := io.Copy(io.Discard, r.Body); err == nil {
				served.Add(1)
			}
		}))
		t.Cleanup(s.Close)
		cfg := settings(s)
		if secure {
			cfg.Listeners[0].TLS = &config.TLS{Auto: t.TempDir()}
		}
		r := startWith(t, cfg, Options{Grace: 30 * time.Second})
		nc, _ := r.dial(t)
		if secure {
			nc = tls.Client(nc, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
		}
		c := framesOn(t, nc)
		c.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
		c.open(t, 1, "POST", true)
		underWay(t, r)
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			r.stop()
		}()
		goAway := func(want uint32) {
			t.Helper()
			if f, ok := c.await(t, http2.FrameGoAway).(*http2.GoAwayFrame); !ok || f.LastStreamID != want || f.ErrCode != http2.ErrCodeNo {
				t.Fatalf("%v, want %d", f, want)
			}
		}
		answered := func(id uint32) {
			t.Helper()
			if f, ok := c.await(t, http2.FrameHeaders).(*http2.MetaHeadersFrame); !ok || f.StreamID != id || f.PseudoValue("status") != "200" {
				t.Fatalf("%v, want stream %d", f, id)
			}
		}
		goAway(1<<31 - 1)
		c.open(t, 3, "POST", true)
		if err := c.WriteData(3, true, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		answered(3)
		goAway(3)
		c.open(t, 5, "POST", true) // too late
		if err := c.WriteData(5, true, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		if err := c.WriteData(1, true, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		answered(1)
		if f := c.next(http2.FrameHeaders); f != nil {
			t.Errorf("after the last stream: %v", f)
		}
		c.Close()
		<-stopped
		if n := served.Load(); n != 2 {
			t.Errorf("%d requests were served", n)
		}
	}
}

// A connection that was accepted before the end and on which HTTP/2 begins only after it is served too.
func TestStreamsOfLateConnections(t *testing.T) {
	r := startWith(t, raws(rawTarget(t, answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))), Options{Grace: 20 * time.Second, Linger: 15 * time.Second})
	first := r.frames(t)
	first.open(t, 1, "POST", true)
	underWay(t, r)
	late, _ := r.dial(t)
	begun, _ := r.dial(t) // accepted after it
	fmt.Fprint(begun, plainGet)
	if _, err := begun.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	begun.Close()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		r.stop()
	}()
	first.await(t, http2.FrameGoAway)
	first.await(t, http2.FrameGoAway) // net/http's server takes no connection any more
	c := framesOn(t, late)
	c.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.open(t, 1, "POST", false)
	if f, ok := c.await(t, http2.FrameHeaders).(*http2.MetaHeadersFrame); !ok || f.PseudoValue("status") != "200" {
		t.Errorf("%v", f)
	}
	c.Close()
	first.Close()
	<-stopped
}

// once is a body that can't be read a second time, so that no client repeats its request.
type once struct{ io.Reader }

// A successor takes over while POSTs that can't be repeated come all the time: none is lost.
func TestTakeoverLosesNoPost(t *testing.T) {
	for name, way := range ways(t) {
		if !strings.HasPrefix(name, "HTTP/2.0") {
			continue
		}
		cfg := settings(server(t, "one"))
		way.change(&cfg)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		file, err := l.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		again, err := net.FileListener(file)
		file.Close()
		if err != nil {
			t.Fatal(err)
		}
		old := startOn(t, cfg, l, Options{Grace: 20 * time.Second, Linger: 200 * time.Millisecond})
		client := &http.Client{Transport: way.transport, Timeout: 20 * time.Second}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		var sent, failed atomic.Int64
		for range 8 {
			wg.Go(func() {
				for ctx.Err() == nil {
					sent.Add(1)
					res, err := client.Post(way.scheme+"://"+again.Addr().String(), "text/plain", once{bytes.NewReader(make([]byte, 1000))})
					switch {
					case err != nil && strings.Contains(err.Error(), "cannot rewind body"):
						// Nothing was sent: net/http had chosen a connection that was just told to end, and then can't use the body elsewhere.
						continue
					case err != nil:
						t.Log(err)
						failed.Add(1)
						continue
					}
					_, _ = io.Copy(io.Discard, res.Body)
					res.Body.Close()
				}
			})
		}
		await(t, "traffic", func() bool { return sent.Load() > 500 })
		next := startOn(t, cfg, again, Options{})
		old.stop()
		before := sent.Load()
		await(t, "more traffic", func() bool { return sent.Load() > before+500 })
		cancel()
		wg.Wait()
		client.CloseIdleConnections()
		if failed.Load() > 0 || next.Stats().Requests == 0 {
			t.Errorf("%s: %d of %d failed, the successor saw %d", name, failed.Load(), sent.Load(), next.Stats().Requests)
		}
		next.stop()
	}
}
