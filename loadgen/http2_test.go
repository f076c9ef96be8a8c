package loadgen

import (
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/attempt"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/mix"
)

// Frames and codes of HTTP/2 (RFC 9113, 6 and 7).
const (
	frameHeaders, frameReset, frameSettings, frameGoAway = 1, 3, 4, 7
	flagEnds                                             = 5 // END_STREAM and END_HEADERS
	refusedStream                                        = 7
	status200                                            = "\x88" // an index of HPACK's static table
)

func writeFrame(c net.Conn, kind, flags byte, stream uint32, payload string) {
	head := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
	head = binary.BigEndian.AppendUint32(append(head, flags), stream)
	_, _ = c.Write(append(head, payload...)) // should it fail, the client tells
}

func words(numbers ...uint32) string {
	var out []byte
	for _, n := range numbers {
		out = binary.BigEndian.AppendUint32(out, n)
	}
	return string(out)
}

// http2Server calls serve for each request, with its stream and its number on the connection, from 1 on.
func http2Server(t *testing.T, serve func(c net.Conn, stream uint32, nth int)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	connection := func(c net.Conn) {
		defer c.Close()
		if _, err := io.ReadFull(c, make([]byte, len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))); err != nil {
			return
		}
		writeFrame(c, frameSettings, 0, 0, "")
		for head, nth := make([]byte, 9), 0; ; {
			if _, err := io.ReadFull(c, head); err != nil {
				return
			}
			if _, err := io.CopyN(io.Discard, c, int64(binary.BigEndian.Uint32(head)>>8)); err != nil {
				return
			}
			if head[3] == frameHeaders {
				nth++
				serve(c, binary.BigEndian.Uint32(head[5:]), nth)
			}
		}
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go connection(c)
		}
	}()
	return "http://" + l.Addr().String()
}

// A request that a server of HTTP/2 has not processed is sent again, once, and counted.
func TestHTTP2RequestsAreSentAgainOnce(t *testing.T) {
	var came atomic.Int64
	goesAway := http2Server(t, func(c net.Conn, stream uint32, nth int) {
		came.Add(1)
		if nth < 3 {
			writeFrame(c, frameHeaders, flagEnds, stream, status200)
			return
		}
		writeFrame(c, frameGoAway, 0, 0, words(stream-2, 0))
	})
	c := attempt.Config{Target: goesAway, Timeout: 20 * time.Second, Connections: 1, HTTP2: true}
	again := 0
	for _, s := range play(t, t.Context(), "vegeta", c, 1000, .021) {
		again += s.Reconnect
		if s.Outcome != measure.Succeeded || s.Sent > s.First {
			t.Errorf("%+v", s)
		}
	}
	if again != 10 || came.Load() != 21+10 { // answered are two requests of each connection
		t.Errorf("%d sent again, %d came", again, came.Load())
	}
	came.Store(0)
	c.Target = http2Server(t, func(c net.Conn, stream uint32, _ int) {
		came.Add(1)
		writeFrame(c, frameReset, 0, stream, words(refusedStream))
	})
	if s := play(t, t.Context(), "vegeta", c, 1000, .001)[0]; s.Class != measure.Reset || s.Reconnect < 1 || s.Reconnect > 2 {
		t.Errorf("%d came: %+v", came.Load(), s)
	}
}

func TestHTTP2AndRedirects(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/around":
			http.Redirect(w, r, "/around", http.StatusFound)
		case r.URL.Path == "/there":
			io.WriteString(w, r.Proto)
		default:
			http.Redirect(w, r, "/there", http.StatusFound)
		}
	}))
	srv.Config.Protocols = &http.Protocols{}
	srv.Config.Protocols.SetUnencryptedHTTP2(true)
	srv.Config.Protocols.SetHTTP1(true)
	srv.Start()
	defer srv.Close()
	overTLS := httptest.NewUnstartedServer(srv.Config.Handler)
	overTLS.EnableHTTP2 = true
	overTLS.StartTLS()
	defer overTLS.Close()
	one := func(c attempt.Config, path string) *measure.Sample {
		t.Helper()
		c.Mix = requests(t, mix.Set{Requests: []mix.Request{{Name: "x", Method: "GET", Path: path, Weight: 1}}})
		c.Timeout, c.Connections, c.Connect.Insecure = 5*time.Second, 4, true
		return play(t, t.Context(), Choose(c), c, 100, .01)[0]
	}
	for _, url := range []string{srv.URL, overTLS.URL} {
		if s := one(attempt.Config{Target: url, HTTP2: true}, "/there"); s.Status != 200 || s.BytesIn != int64(len("HTTP/2.0")) {
			t.Errorf("%+v", s)
		}
		if s := one(attempt.Config{Target: url, HTTP2: true}, "/"); s.Status != 302 || s.Outcome != measure.Succeeded {
			t.Errorf("a redirect that is not followed is the answer: %+v", s)
		}
		if s := one(attempt.Config{Target: url, Redirects: 1}, "/"); s.Status != 200 || s.BytesIn != int64(len("HTTP/1.1")) {
			t.Errorf("%+v", s)
		}
		if s := one(attempt.Config{Target: url, Redirects: 3}, "/around"); s.Outcome != measure.Failed || s.Class != measure.Redirects || s.Detail != "redirected more than 3 times" {
			t.Errorf("%+v", s)
		}
	}
	if s := one(attempt.Config{Target: strings.Replace(srv.URL, "http:", "https:", 1), HTTP2: true}, "/"); s.Class != measure.TLS {
		t.Errorf("%+v", s)
	}
}
