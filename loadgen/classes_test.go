package loadgen

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/attempt"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/socket"
)

// Every class comes from a real misbehaving server.
func TestClasses(t *testing.T) { each(t, classes) }

func classes(t *testing.T, engine string) {
	raw := func(answer func(net.Conn)) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer c.Close()
					_, _ = c.Read(make([]byte, 4096))
					answer(c)
				}()
			}
		}()
		return "http://" + l.Addr().String()
	}
	status := func(code int) string {
		return raw(func(c net.Conn) { fmt.Fprintf(c, "HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n", code) })
	}
	refusing, release, err := socket.Refuse()
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	plain := raw(func(c net.Conn) { fmt.Fprint(c, "this is not TLS") })
	hold := func(c net.Conn) { _, _ = c.Read(make([]byte, 1)) } // until the client gives up
	says := func(text string) string { return raw(func(c net.Conn) { fmt.Fprint(c, text); hold(c) }) }
	flood := func(c net.Conn, text string) { // bounded, should nobody hang up
		for range 1 << 16 {
			if _, err := c.Write([]byte(text)); err != nil {
				return
			}
		}
	}
	reset := func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) }
	https := func(url string) string { return strings.Replace(url, "http://", "https://", 1) }
	whole := attempt.Timeouts{}
	for _, tc := range []struct {
		name, target string
		stages       attempt.Timeouts
		want         measure.Class
	}{
		{"refused", "http://" + refusing, whole, measure.Refused},
		{"dns", "http://name.invalid", whole, measure.DNS},
		{"no TLS there", https(plain), whole, measure.TLS},
		{"silent at the handshake", https(raw(hold)), whole, measure.TLS},
		{"silent at the handshake, own limit", https(raw(hold)), attempt.Timeouts{TLS: 50 * time.Millisecond}, measure.TLS},
		{"closed at the handshake", https(raw(func(net.Conn) {})), whole, measure.ClosedEarly},
		{"reset at the handshake", https(raw(reset)), whole, measure.Reset},
		{"4xx", status(404), whole, measure.Status4xx},
		{"5xx", status(503), whole, measure.Status5xx},
		{"a status beyond the classes", status(600), whole, measure.Status5xx},
		{"the greatest number", status(999), whole, measure.Status5xx},
		{"a number that is no status", says("HTTP/1.1 099 X\r\nContent-Length: 0\r\n\r\n"), whole, measure.Malformed},
		{"a protocol that nobody asked for", says("HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"), whole, measure.Malformed},
		{"a protocol without a name", says("HTTP/1.1 101 X\r\n\r\n"), whole, measure.Malformed},
		{"garbage", says("garbage\r\n\r\n"), whole, measure.Malformed},
		{"binary garbage", says("\x00\xff\x01\r\n\r\n"), whole, measure.Malformed},
		{"a status without digits", says("HTTP/1.1 two OK\r\n\r\n"), whole, measure.Malformed},
		{"another protocol", says("ICY 200 OK\r\n\r\n"), whole, measure.Malformed},
		{"endless headers", raw(func(c net.Conn) {
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\n")
			flood(c, "A: "+strings.Repeat("b", 1000)+"\r\n")
		}), whole, measure.Malformed},
		{"an endless header", raw(func(c net.Conn) { fmt.Fprint(c, "HTTP/1.1 200 OK\r\nA: "); flood(c, strings.Repeat("b", 1000)) }), whole, measure.Malformed},
		{"contradicting lengths", says("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"), whole, measure.Malformed},
		{"a length that is none", says("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nab"), whole, measure.Malformed},
		{"a chunk size that is none", says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"), whole, measure.Malformed},
		{"closed", raw(func(net.Conn) {}), whole, measure.ClosedEarly},
		{"closed in the head", raw(func(c net.Conn) { fmt.Fprint(c, "HTTP/1.1 200 OK\r\nServer: x\r\n") }), whole, measure.ClosedEarly},
		{"closed in the body", raw(func(c net.Conn) { fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc") }), whole, measure.ClosedEarly},
		{"closed in a chunk", raw(func(c net.Conn) { fmt.Fprint(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab") }), whole, measure.ClosedEarly},
		{"reset", raw(reset), whole, measure.Reset},
		{"silent", raw(hold), whole, measure.FirstByteTimeout},
		{"silent, own limit", raw(hold), attempt.Timeouts{FirstByte: 50 * time.Millisecond}, measure.FirstByteTimeout},
		{"a head that does not end", says("HTTP/1.1 200 OK\r\n"), whole, measure.Timeout},
		{"a body shorter than said", says("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\na"), whole, measure.Timeout},
		{"a body that never ends", raw(func(c net.Conn) {
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\n\r\n")
			for range 100 { // until the client has given up
				if _, err := c.Write([]byte("a")); err != nil {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
		}), whole, measure.Timeout},
	} {
		t.Run(tc.name, func(t *testing.T) {
			const timeout = 300 * time.Millisecond
			got := play(t, t.Context(), engine, attempt.Config{Target: tc.target, Timeout: timeout, Stages: tc.stages, Connections: 2}, 10, .15)
			if len(got) != 2 { // due at 50 and 150 ms, the second on the edge
				if len(got) != 1 {
					t.Fatalf("%d samples", len(got))
				}
			}
			s := got[0]
			if s.Outcome != measure.Failed || s.Class != tc.want || s.Detail == "" {
				t.Fatalf("%s (%s), want %s", s.Class, s.Detail, tc.want)
			}
			if tc.stages != whole && s.Response() >= timeout {
				t.Errorf("its own limit did not end it: %s", s.Detail)
			}
			limit := ""
			switch {
			case tc.stages != whole:
				limit = "within 50ms"
			case strings.HasPrefix(tc.name, "silent") || tc.want == measure.Timeout:
				limit = "within 300ms of when it was due"
			}
			if !strings.Contains(s.Detail, limit) {
				t.Errorf("%q does not say %q", s.Detail, limit)
			}
		})
	}
}
