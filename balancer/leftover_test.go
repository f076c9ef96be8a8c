package balancer

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/seed-8025779b/shakedown/balancer/config"
)

// gathered is a connection whose writes can be held, so that they come as one.
type gathered struct {
	net.Conn
	holds bool
	held  bytes.Buffer
}

func (g *gathered) Write(p []byte) (int, error) {
	if g.holds {
		return g.held.Write(p)
	}
	return g.Conn.Write(p)
}

// together is a target that answers each request with the same pieces, which come as one; with TLS each is a record.
func together(pieces []string, secure *tls.Config) func(c net.Conn) {
	return func(c net.Conn) {
		g := &gathered{Conn: c}
		c = g
		if secure != nil {
			c = tls.Server(g, secure)
		}
		for r := bufio.NewReader(c); ; {
			if _, err := http.ReadRequest(r); err != nil {
				return
			}
			g.holds = true
			for _, p := range pieces {
				_, _ = io.WriteString(c, p) // whoever has gone is seen at the next read
			}
			g.holds = false
			_, _ = g.held.WriteTo(g.Conn)
		}
	}
}

// What a target says behind its answer is nobody's answer. Over TLS it may have been read together with the answer, where a look at the
// socket does not find it.
func TestLeftoversAreNobodysAnswer(t *testing.T) {
	const good, more, asked = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmore", 3
	certificates := httptest.NewTLSServer(nil)
	defer certificates.Close()
	for name, x := range map[string]struct {
		pieces []string
		kept   bool // the connection is
	}{
		"an answer":                       {[]string{good}, true},
		"an answer in two records":        {[]string{good[:30], good[30:]}, true},
		"another answer behind it":        {[]string{good, more}, false},
		"another behind two records":      {[]string{good[:30], good[30:], more}, false},
		"another in the same record":      {[]string{good + more}, false},
		"the beginning of another":        {[]string{good, more[:10]}, false},
		"an interim answer and all these": {[]string{"HTTP/1.1 100 Continue\r\n\r\n", good, more}, false},
	} {
		for _, secure := range []*tls.Config{nil, {Certificates: certificates.TLS.Certificates}} {
			var conns atomic.Int64
			answer := together(x.pieces, secure)
			cfg := raws(rawTarget(t, func(c net.Conn, _ *bufio.Reader) {
				conns.Add(1)
				answer(c)
			}))
			if secure != nil {
				cfg.Groups[0].TLS = &config.TargetTLS{Insecure: true}
			}
			r := start(t, cfg, nil)
			c, rd := r.dial(t) // the same client's: its next request comes when the target's connection was given back
			for range asked {
				_, _ = io.WriteString(c, plainGet)
				if lines := head(t, rd); lines[0] != "HTTP/1.1 200 OK" {
					t.Errorf("%s, TLS %v: %q", name, secure != nil, lines)
				}
				body := make([]byte, 4)
				if _, err := io.ReadFull(rd, body); err != nil || string(body) != "good" {
					t.Errorf("%s, TLS %v: %q, %v", name, secure != nil, body, err)
				}
			}
			r.stop()
			if got := conns.Load(); got != map[bool]int64{true: 1, false: asked}[x.kept] {
				t.Errorf("%s, TLS %v: %d connections", name, secure != nil, got)
			}
		}
	}
}
