package loadgen

import (
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-8025779b/shakedown/loadgen/attempt"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/mix"
)

// A server that closes each connection together with the answer fails no request that waits for that connection,
// and none has to be sent again: the close is there when the answer is, and wire sees it before it writes the next
// request. In net/http a goroutine sees it that may run later.
func TestCloseWithTheAnswerIsSeen(t *testing.T) {
	for _, method := range []string{"GET", "POST"} {
		srv := newCounting(t, plain, func(c net.Conn, _ int) bool {
			cork(t, c.(*net.TCPConn))
			_, _ = io.WriteString(c, answer200) // should it fail, the client tells
			return false
		})
		m := requests(t, mix.Set{Requests: []mix.Request{{Name: "x", Method: method, Path: "/", Body: "x", Weight: 1}}})
		c := attempt.Config{Target: srv.url, Mix: m, Timeout: 20 * time.Second, Connections: 1, Identify: true}
		samples := play(t, t.Context(), "wire", c, 10_000, .05)
		answered(t, samples)
		srv.check(samples, 500)
		for _, s := range samples {
			if s.Reconnect != 0 {
				t.Fatalf("%+v", s)
			}
		}
	}
}

// A server that closes each connection right after the answer may do so when the next request is on its way. A POST
// that meets the close is not sent again, whether or not the server has read it, and nothing else fails.
func TestNoPostIsSentTwice(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		srv := newCounting(t, plain, func(c net.Conn, _ int) bool {
			_, _ = io.WriteString(c, answer200) // should it fail, the client tells
			return false
		})
		m := requests(t, mix.Set{Requests: []mix.Request{{Name: "x", Method: "POST", Path: "/", Body: "x", Weight: 1}}})
		c := attempt.Config{Target: srv.url, Mix: m, Timeout: 20 * time.Second, Connections: 2, Identify: true}
		samples := play(t, t.Context(), engine, c, 10_000, .05)
		srv.mu.Lock()
		defer srv.mu.Unlock()
		if len(samples) != 500 {
			t.Errorf("%d samples", len(samples))
		}
		for _, s := range samples {
			n := srv.requests[fmt.Sprint(s.Seq)]
			metClose := s.Class == measure.ClosedEarly || s.Class == measure.Reset
			if n > 1 || (s.Outcome == measure.Succeeded && n == 0) || (s.Outcome != measure.Succeeded && !metClose) {
				t.Errorf("it came %d times: %+v", n, s)
			}
		}
	})
}

// cork holds back what is written to a connection until it is closed; it then leaves with the close, in one segment.
func cork(t *testing.T, c *net.TCPConn) {
	raw, err := c.SyscallConn()
	if err != nil {
		t.Error(err)
		return
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_CORK, 1) })
	if err = errors.Join(err, failed); err != nil {
		t.Error(err)
	}
}
