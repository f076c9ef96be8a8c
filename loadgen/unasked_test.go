package loadgen

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/attempt"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/mix"
	"github.com/seed-8025779b/shakedown/loadgen/pace"
	"github.com/seed-8025779b/shakedown/loadgen/profile"
)

// An answer that nobody asked for is not the answer to the next request, however it comes: together with the
// one before, in a record of TLS that was read along with it, or while the connection is idle. The connection is
// replaced, and no request fails or is sent again.
func TestUnaskedAnswersAreNobodys(t *testing.T) {
	const unasked = "HTTP/1.1 500 Nobody Asked\r\nContent-Length: 0\r\n\r\n"
	certified := httptest.NewUnstartedServer(nil)
	certified.StartTLS()
	defer certified.Close()
	secure := func(c net.Conn) net.Conn { return tls.Server(c, &tls.Config{Certificates: certified.TLS.Certificates}) }
	atOnce := func(c net.Conn, _ int) bool {
		_, err := io.WriteString(c, answer200+unasked)
		return err == nil
	}
	for name, tc := range map[string]struct {
		wrap  func(net.Conn) net.Conn
		serve func(c net.Conn, nth int) bool
		https bool
	}{
		"with the answer":           {wrap: plain, serve: atOnce},
		"with the answer, over TLS": {wrap: secure, serve: atOnce, https: true},
		"in a record of its own": {
			wrap: func(c net.Conn) net.Conn { return secure(&packed{Conn: c}) },
			serve: func(c net.Conn, _ int) bool {
				below := c.(*tls.Conn).NetConn().(*packed)
				below.hold()
				_, _ = io.WriteString(c, answer200) // into the buffer: it can't fail
				_, _ = io.WriteString(c, unasked)
				return below.flush() == nil
			},
			https: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			srv := newCounting(t, tc.wrap, tc.serve)
			c := attempt.Config{Target: srv.url, Timeout: 20 * time.Second, Connections: 2, Identify: true, Connect: attempt.Connect{Insecure: true}}
			if tc.https {
				c.Target = strings.Replace(c.Target, "http:", "https:", 1)
			}
			samples := play(t, t.Context(), "wire", c, 1000, .2)
			answered(t, samples)
			srv.check(samples, 200)
			for _, s := range samples {
				if s.Reconnect != 0 {
					t.Fatalf("%+v", s)
				}
			}
		})
	}
	t.Run("on an idle connection", func(t *testing.T) {
		came := make(chan struct{})
		srv := newCounting(t, plain, func(c net.Conn, _ int) bool {
			if _, err := io.WriteString(c, answer200); err != nil {
				return false
			}
			_, err := io.WriteString(c, unasked)
			came <- struct{}{}
			return err == nil
		})
		e, _, err := New("wire", attempt.Config{
			Target: srv.url, Timeout: 20 * time.Second, Connections: 1, Identify: true,
			Mix: requests(t, mix.Set{Requests: []mix.Request{{Name: "x", Method: "POST", Path: "/", Weight: 1}}}),
		})
		if err != nil {
			t.Fatal(err)
		}
		var samples []*measure.Sample
		s := profile.Schedule{Profile: profile.New(profile.Hold{PerSecond: 1000, Seconds: .2}), Arrivals: profile.Even}
		err = e.Play(t.Context(), s, pace.NewClock(pace.Monotonic()), func(s *measure.Sample) {
			<-came // the connection goes on when this returns: what nobody asked for has come by then
			kept := *s
			samples = append(samples, &kept)
		})
		if err != nil {
			t.Fatal(err)
		}
		answered(t, samples)
		srv.check(samples, 200)
	})
}

// packed puts what is written while it is held into one segment.
type packed struct {
	net.Conn
	mu   sync.Mutex
	held *bytes.Buffer
}

func (p *packed) hold() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = &bytes.Buffer{}
}

func (p *packed) flush() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := p.Conn.Write(p.held.Bytes())
	p.held = nil
	return err
}

func (p *packed) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held != nil {
		return p.held.Write(b)
	}
	return p.Conn.Write(b)
}
