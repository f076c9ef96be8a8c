package balancer

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/group"
)

// The whole time of an exchange bounds how long a body is kept for another attempt, however steadily it comes.
func TestSpoolingEndsWithTheExchange(t *testing.T) {
	x := rawTarget(t, answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
	cfg := raws(x)
	cfg.Groups[0].Retry = &group.Retry{Attempts: 1, On: group.OnError, Budget: 1, Floor: 10, Spool: 1 << 20}
	cfg.Groups[0].Timeouts.Exchange = 2 * short
	for name, pause := range map[string]time.Duration{"steady": time.Millisecond, "none": time.Hour} {
		t.Run(name, func(t *testing.T) {
			r := start(t, cfg, nil)
			c, rd := r.dial(t)
			answered := make(chan struct{})
			var sending sync.WaitGroup
			sending.Go(func() {
				_, _ = io.WriteString(c, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
				for {
					select {
					case <-answered:
						return
					case <-time.After(pause):
						_, _ = io.WriteString(c, "x") // it is answered before its end
					}
				}
			})
			defer sending.Wait()
			defer close(answered)
			lines := head(t, rd)
			if !strings.HasPrefix(lines[0], "HTTP/1.1 408 ") || !slices.Contains(lines, "Connection: close") {
				t.Errorf("%q", lines)
			}
			if n := r.Stats().Refused; n != 1 || x.text() != "" {
				t.Errorf("%d refused; the target has %q", n, x.text())
			}
		})
	}
}

// A chunked body that reaches the bound of what is kept with its last piece goes to the target with its end.
func TestSpoolsThatAreJustFull(t *testing.T) {
	got := make(chan int64, 2)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		got <- n
	}))
	defer s.Close()
	for _, x := range []struct{ spool, content int }{{8, 10}, {8, 3}, {65536, 65520}} {
		cfg := settings(s)
		cfg.Groups[0].Retry = &group.Retry{Attempts: 1, On: group.OnError, Budget: 1, Floor: 10, Spool: x.spool}
		r := start(t, cfg, nil)
		c, rd := r.dial(t)
		fmt.Fprint(c, "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
		await(t, "the head to be read", func() bool { return r.Stats().Requests == 1 })
		fmt.Fprintf(c, "%x\r\n%s\r\n0\r\n\r\n", x.content, strings.Repeat("x", x.content))
		res, err := http.ReadResponse(rd, nil)
		if err != nil {
			t.Fatal(err)
		}
		if n := <-got; res.StatusCode != 200 || n != int64(x.content) {
			t.Errorf("a spool of %d bytes: status %d, the target has %d of %d bytes", x.spool, res.StatusCode, n, x.content)
		}
	}
}
