package balancer

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/seed-8025779b/shakedown/loadgen/socket"
)

// hungUp reports whether the other side of a connection has ended it.
func hungUp(c net.Conn) bool {
	w, err := socket.New(c)
	return err != nil || w.Gone()
}

// untilHungUp waits until the other side has ended a connection, within a bound.
func untilHungUp(c net.Conn) {
	for deadline := time.Now().Add(20 * time.Second); !hungUp(c) && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
}

// rawStreams is a client of HTTP/2 that writes frames.
type rawStreams struct {
	net.Conn
	*http2.Framer
	block bytes.Buffer
	enc   *hpack.Encoder
}

// frames begins a connection of HTTP/2 with settings.
func (r *running) frames(t *testing.T, settings ...http2.Setting) *rawStreams {
	t.Helper()
	c, err := net.Dial("tcp", r.Addresses()[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return framesOn(t, c, settings...)
}

func framesOn(t *testing.T, c net.Conn, settings ...http2.Setting) *rawStreams {
	t.Helper()
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	s := &rawStreams{Conn: c, Framer: http2.NewFramer(c, c)}
	s.enc = hpack.NewEncoder(&s.block)
	if _, err := c.Write([]byte(http2.ClientPreface)); err != nil {
		t.Fatal(err)
	}
	if err := s.WriteSettings(settings...); err != nil {
		t.Fatal(err)
	}
	return s
}

// open begins a stream. Its request has no body unless more comes; headers are names and values beyond the usual.
func (s *rawStreams) open(t *testing.T, id uint32, method string, more bool, headers ...string) {
	t.Helper()
	s.block.Reset()
	for i, list := 0, append([]string{":method", method, ":scheme", "http", ":authority", "a", ":path", "/"}, headers...); i < len(list); i += 2 {
		if err := s.enc.WriteField(hpack.HeaderField{Name: list[i], Value: list[i+1]}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: s.block.Bytes(), EndHeaders: true, EndStream: !more}); err != nil {
		t.Fatal(err)
	}
}

// next reads frames until one of a type comes, and answers settings and pings meanwhile; nil when the connection ends first.
func (s *rawStreams) next(kind http2.FrameType) http2.Frame {
	for {
		f, err := s.ReadFrame()
		var broken http2.StreamError
		switch {
		case errors.As(err, &broken):
			continue
		case err != nil:
			return nil
		case f.Header().Type == kind:
			return f
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				_ = s.WriteSettingsAck()
			}
		case *http2.PingFrame:
			_ = s.WritePing(true, f.Data)
		}
	}
}

// await is next that must find one.
func (s *rawStreams) await(t *testing.T, kind http2.FrameType) http2.Frame {
	t.Helper()
	f := s.next(kind)
	if f == nil {
		t.Errorf("the connection ended before a frame %v", kind)
	}
	return f
}

// streams is a client that begins one stream, waits until the target has its request, and then does something. With zero
// the stream has no window.
func streams(method string, then func(*testing.T, *rawStreams), zero bool) func(*testing.T, *running) {
	return func(t *testing.T, r *running) {
		var settings []http2.Setting
		if zero {
			settings = append(settings, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
		}
		s := r.frames(t, settings...)
		defer s.Close()
		s.open(t, 1, method, method != "GET")
		underWay(t, r)
		then(t, s)
	}
}

// serveFrames is a target of HTTP/2 that begins with settings, answers settings and pings, and leaves all frames to a script.
func serveFrames(c net.Conn, r *bufio.Reader, settings []http2.Setting, script func(f *http2.Framer, frame http2.Frame)) {
	if _, err := io.CopyN(io.Discard, r, int64(len(http2.ClientPreface))); err != nil {
		return
	}
	f := http2.NewFramer(c, r)
	_ = f.WriteSettings(settings...) // whoever has gone tells at the next read
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return
		}
		switch x := frame.(type) {
		case *http2.SettingsFrame:
			if !x.IsAck() {
				_ = f.WriteSettingsAck()
			}
		case *http2.PingFrame:
			_ = f.WritePing(true, x.Data)
		}
		script(f, frame)
	}
}

// answerEmpty answers a stream with a status of 200 and nothing else.
func answerEmpty(f *http2.Framer, id uint32) {
	const ok = "\x88" // :status 200 in HPACK's static table
	_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: []byte(ok), EndHeaders: true, EndStream: true})
}
