package h2

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
)

// A stream that was reserved and never begun is given back: the connection is closed once it has no other.
func TestUnusedReservations(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan struct{}, 1)
	s := &http.Server{Protocols: &http.Protocols{}, Handler: http.NotFoundHandler(), ConnState: func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			closed <- struct{}{}
		}
	}}
	s.Protocols.SetUnencryptedHTTP2(true)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	c := NewClient("a", false, time.Minute, func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", l.Addr().String())
	})
	first, err := c.Open(t.Context(), Need{})
	if err != nil {
		t.Fatal(err)
	}
	second := c.Reuse(Need{})
	if second == nil {
		t.Fatal("a connection takes more than one stream")
	}
	first.Close()
	second.Close()
	c.Close()
	select {
	case <-closed:
	case <-time.After(20 * time.Second):
		t.Error("the connection stays open")
	}
	s.Close()
	<-done
}

// Who needs a connection that is made from now on gets one, whatever there is.
func TestConnectionsMadeAnew(t *testing.T) {
	c := scripted(t, nil, func(*http2.Framer, http2.Frame) {})
	first, err := c.Open(t.Context(), Need{})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	since := time.Now()
	second, err := c.Open(t.Context(), Need{Since: since})
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	third, err := c.Open(t.Context(), Need{Since: since})
	if err != nil {
		t.Fatal(err)
	}
	defer third.Close()
	if second.cc == first.cc || third.cc != second.cc {
		t.Error("the connections were shared otherwise")
	}
}

// Interim answers that nobody takes do not stop whoever tells of them, and wait in bounded memory; they come before anything else.
func TestInterimsThatAreNotTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		i := interims{to: far}
		for n := range 1000 {
			if err := i.add(103, textproto.MIMEHeader{"N": {strings.Repeat("x", 1000), strconv.Itoa(n)}}); err != nil {
				t.Fatal(err)
			}
		}
		if err := i.add(101, nil); err == nil {
			t.Error("a stream changed its protocol")
		}
		synctest.Wait()
		go func() {
			i.wait()
			far.Close()
		}()
		text, err := io.ReadAll(near)
		if n := len(text); err != nil || n < maxWaiting/2 || n > 2*maxWaiting || !strings.Contains(string(text), "N: 0\r\n") || !strings.HasSuffix(string(text), "\r\n\r\n") {
			t.Errorf("%d bytes, %v", n, err)
		}
	})
}

// scripted is a client whose connections are served by a script, which is given each frame.
func scripted(t *testing.T, settings []http2.Setting, script func(f *http2.Framer, frame http2.Frame)) *Client {
	t.Helper()
	return scriptedConns(t, settings, func(_ net.Conn, f *http2.Framer, frame http2.Frame) { script(f, frame) })
}

// scriptedConns is scripted with the connection beside each frame.
func scriptedConns(t *testing.T, settings []http2.Setting, script func(nc net.Conn, f *http2.Framer, frame http2.Frame)) *Client {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			served.Go(func() { serveFrames(nc, settings, script) })
		}
	})
	c := NewClient("a", false, time.Minute, func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", l.Addr().String())
	})
	t.Cleanup(func() {
		c.Close()
		l.Close()
		served.Wait()
	})
	return c
}

func serveFrames(nc net.Conn, settings []http2.Setting, script func(nc net.Conn, f *http2.Framer, frame http2.Frame)) {
	defer nc.Close()
	if _, err := io.CopyN(io.Discard, nc, int64(len(http2.ClientPreface))); err != nil {
		return
	}
	f := http2.NewFramer(nc, nc)
	_ = f.WriteSettings(settings...) // whoever has gone tells at the next read
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return
		}
		script(nc, f, frame)
	}
}

// What net/http's errors mean is known by their texts only: each is brought about.
func TestMeaningsOfErrors(t *testing.T) {
	get := "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
	refuse := func(f *http2.Framer, frame http2.Frame) {
		if h, ok := frame.(*http2.HeadersFrame); ok {
			_ = f.WriteRSTStream(h.StreamID, http2.ErrCodeRefusedStream)
		}
	}
	leave := func(f *http2.Framer, frame http2.Frame) {
		if _, ok := frame.(*http2.HeadersFrame); ok {
			_ = f.WriteGoAway(0, http2.ErrCodeNo, nil)
		}
	}
	for name, x := range map[string]struct {
		request  string
		settings []http2.Setting
		script   func(f *http2.Framer, frame http2.Frame)
		want     error
		not      error
	}{
		"REFUSED_STREAM": {get, nil, refuse, ErrUnprocessed, ErrUnsendable},
		"GOAWAY":         {get, nil, leave, ErrUnprocessed, ErrUnsendable},
		"GOAWAY with an error": {get, nil, func(f *http2.Framer, frame http2.Frame) {
			if _, ok := frame.(*http2.HeadersFrame); ok {
				_ = f.WriteGoAway(0, http2.ErrCodeInternal, nil)
			}
		}, ErrUnprocessed, ErrBrokenAlready},
		"GOAWAY because it is asked too much": {get, nil, func(f *http2.Framer, frame http2.Frame) {
			if _, ok := frame.(*http2.HeadersFrame); ok {
				_ = f.WriteGoAway(0, http2.ErrCodeEnhanceYourCalm, nil)
			}
		}, ErrUnprocessed, ErrBrokenAlready},
		"a head beyond the limit": {"GET / HTTP/1.1\r\nHost: a\r\nA: " + strings.Repeat("a", 1000) + "\r\n\r\n", []http2.Setting{{ID: http2.SettingMaxHeaderListSize, Val: 500}}, func(*http2.Framer, http2.Frame) {}, ErrRequestTooLarge, ErrUnprocessed},
		"a malformed value":       {"GET / HTTP/1.1\r\nHost: a\r\nA: \x00\r\n\r\n", nil, func(*http2.Framer, http2.Frame) {}, ErrUnsendable, ErrUnprocessed},
		"a trailer of no use":     {"POST / HTTP/1.1\r\nHost: a\r\nTrailer: Trailer, a b, \"\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", nil, refuse, ErrUnprocessed, ErrUnsendable},
		"no host":                 {"GET / HTTP/1.0\r\n\r\n", nil, refuse, ErrUnprocessed, ErrUnsendable},
		"an empty host":           {"GET / HTTP/1.1\r\nHost:\r\n\r\n", nil, refuse, ErrUnprocessed, ErrUnsendable},
	} {
		t.Run(name, func(t *testing.T) {
			settled := make(chan struct{})
			c := scripted(t, x.settings, func(f *http2.Framer, frame http2.Frame) {
				if s, ok := frame.(*http2.SettingsFrame); ok && s.IsAck() {
					close(settled)
				}
				x.script(f, frame)
			})
			e, err := c.Open(t.Context(), Need{})
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			<-settled
			if _, err = io.WriteString(e, x.request); err == nil {
				_, err = io.ReadAll(e)
			}
			if !errors.Is(err, x.want) || errors.Is(err, x.not) {
				t.Errorf("%v, want %v", err, x.want)
			}
		})
	}
}

// Every exchange that ends with a connection is told why, in the same words, whoever is told first; it counts once.
func TestEndsOfConnectionsAreToldToAll(t *testing.T) {
	const streams = 4
	for name, end := range map[string]func(nc net.Conn, f *http2.Framer){
		"GOAWAY": func(nc net.Conn, f *http2.Framer) {
			_ = f.WriteGoAway(2*streams-1, http2.ErrCodeInternal, []byte("the disk is full"))
			nc.Close()
		},
		"closed":      func(nc net.Conn, _ *http2.Framer) { nc.Close() },
		"a bad frame": func(_ net.Conn, f *http2.Framer) { _ = f.WriteRawFrame(http2.FrameSettings, 0, 0, []byte("bad")) },
	} {
		t.Run(name, func(t *testing.T) {
			c := scriptedConns(t, nil, func(nc net.Conn, f *http2.Framer, frame http2.Frame) {
				if h, ok := frame.(*http2.HeadersFrame); ok && h.StreamID == 2*streams-1 {
					end(nc, f)
				}
			})
			var open []*Exchange
			for range streams {
				x, err := c.Open(t.Context(), Need{})
				if err != nil {
					t.Fatal(err)
				}
				defer x.Close()
				open = append(open, x)
			}
			for _, x := range open {
				if _, err := io.WriteString(x, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
					t.Fatal(err)
				}
			}
			counted := 0
			var first error
			for i, x := range open {
				_, err := io.ReadAll(x)
				if i == 0 {
					first = err
				}
				if !errors.Is(err, ErrEnded) || errors.Is(err, ErrBrokenAlready) || err.Error() != first.Error() {
					t.Errorf("stream %d: %v, and the first: %v", i, err, first)
				}
				if !SharedEnd(err).Swap(true) {
					counted++
				}
			}
			if counted != 1 {
				t.Errorf("it counts %d times", counted)
			}
		})
	}
}

// Whoever writes to a connection that has broken may find out before whoever reads from it: that is the connection's end too.
func TestEndsThatWritersFind(t *testing.T) {
	for _, number := range []syscall.Errno{syscall.EPIPE, syscall.ECONNRESET} {
		s := &shared{}
		first, second := s.explain(&net.OpError{Op: "write", Err: number}), s.explain(&net.OpError{Op: "write", Err: number})
		if !errors.Is(first, ErrEnded) || !errors.Is(first, number) || SharedEnd(first).Swap(true) || !SharedEnd(second).Swap(true) {
			t.Errorf("%v, %v", first, second)
		}
	}
}

// A connection that can't be used any more when a stream begins that was reserved on it: the request may go elsewhere.
func TestConnectionsThatCannotBeUsed(t *testing.T) {
	left := make(chan struct{})
	c := scripted(t, nil, func(f *http2.Framer, frame http2.Frame) {
		switch frame := frame.(type) {
		case *http2.HeadersFrame:
			_ = f.WriteGoAway(frame.StreamID, http2.ErrCodeNo, nil)
			_ = f.WritePing(false, [8]byte{})
		case *http2.PingFrame:
			if frame.IsAck() { // what came before it has been read
				close(left)
			}
		}
	})
	first, err := c.Open(t.Context(), Need{})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	second := c.Reuse(Need{})
	if second == nil {
		t.Fatal("a connection takes more than one stream")
	}
	defer second.Close()
	request := "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
	if _, err := io.WriteString(first, request); err != nil {
		t.Fatal(err)
	}
	<-left
	if _, err := io.WriteString(second, request); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(second); !errors.Is(err, ErrUnprocessed) || errors.Is(err, ErrUnsendable) {
		t.Error(err)
	}
}
