package balancer

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/loadgen/socket"
)

// counted is a connection that counts what is written on it.
type counted struct {
	net.Conn
	*socket.Watch
	writes *atomic.Int64
}

func (c counted) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// counting makes connections whose writes are counted.
func counting(writes *atomic.Int64) func(context.Context, string) (net.Conn, error) {
	return func(ctx context.Context, address string) (net.Conn, error) {
		nc, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err != nil {
			return nil, err
		}
		w, err := socket.New(nc)
		return counted{nc, w, writes}, err
	}
}

// A body in chunks of one byte costs a write for what was read at once, not one for each chunk.
func TestSmallChunksGoTogether(t *testing.T) {
	const chunks = 20000
	body := strings.Repeat("0123456789", chunks/10)
	var small bytes.Buffer
	for i := range chunks {
		fmt.Fprintf(&small, "1\r\n%c\r\n", body[i])
	}
	small.WriteString("0\r\n\r\n")
	head := "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	for name, x := range map[string]struct {
		first int // bytes of the body that come with the head
		retry *group.Retry
		http2 bool
	}{
		"after the head":   {},
		"with the head":    {first: 10_000},
		"HTTP/2":           {first: 10_000, http2: true},
		"kept for retries": {retry: &group.Retry{Attempts: 1, On: group.OnError, Spool: 1 << 20}},
	} {
		var writes atomic.Int64
		got := make(chan string, 1)
		take := func(r *http.Request) {
			text, _ := io.ReadAll(r.Body)
			got <- string(text)
		}
		cfg := raws(rawTarget(t, func(c net.Conn, r *bufio.Reader) {
			if req, err := http.ReadRequest(r); err == nil {
				take(req)
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
			}
		}))
		if x.http2 {
			cfg = settings()
			handlerTargets(func(_ http.ResponseWriter, r *http.Request) { take(r) }, nil)(t, &cfg)
		}
		cfg.Groups[0].Retry = x.retry
		r := startWith(t, cfg, Options{Dial: counting(&writes)})
		c, rd := r.dial(t)
		_, _ = c.Write(append([]byte(head), small.Bytes()[:x.first]...))
		if x.retry == nil {
			underWay(t, r)
		}
		_, _ = c.Write(small.Bytes()[x.first:])
		if text := <-got; text != body {
			t.Errorf("%s: %d bytes arrived, %.30q", name, len(text), text)
		}
		if res, err := http.ReadResponse(rd, nil); err != nil || res.StatusCode != http.StatusOK {
			t.Errorf("%s: %v %v", name, res, err)
		}
		if n := writes.Load(); n > chunks/20 {
			t.Errorf("%s: %d writes for %d chunks", name, n, chunks)
		}
		r.stop()
	}
}
