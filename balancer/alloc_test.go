//go:build !race

package balancer

import (
	"bufio"
	"bytes"
	"net"
	"testing"

	"github.com/seed-8025779b/shakedown/balancer/pick"
	"github.com/seed-8025779b/shakedown/balancer/ratelimit"
	"github.com/seed-8025779b/shakedown/balancer/route"
)

// The race detector makes pools forget at random, so that this is not for it.

// In the steady state a request costs the balancer no allocation.
func TestRequestsDoNotAllocate(t *testing.T) {
	answer := []byte("HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 5\r\n\r\nhello")
	x := rawTarget(t, func(c net.Conn, _ *bufio.Reader) {
		buf := make([]byte, 4096)
		for {
			if n, err := c.Read(buf); err != nil || !bytes.HasSuffix(buf[:n], []byte("\r\n\r\n")) {
				return
			}
			if _, err := c.Write(answer); err != nil {
				return
			}
		}
	})
	cfg := raws(x)
	cfg.Trace = true // which takes more than a balancer that runs alone does
	cfg.Listeners[0].Rules = route.Table{
		{Path: "/a/*", Query: []route.Pair{{Name: "q", Value: "1"}}, Headers: []route.Pair{{Name: "x-role", Value: "guest"}}, Host: "example.org", Forward: "web", Limit: &ratelimit.Config{Rate: 1e6, Burst: 1e6, By: pick.Key{From: pick.Query, Name: "k"}}},
		{Forward: "web", Limit: &ratelimit.Config{Rate: 1e6, Burst: 1e6, By: pick.Key{From: pick.Address}}},
	}
	r := start(t, cfg, nil)
	c, _ := r.dial(t)
	buf := make([]byte, 4096)
	const usual = "GET /a/path?q=1 HTTP/1.1\r\nHost: example.org\r\nUser-Agent: test\r\nAccept: */*\r\nX-Forwarded-For: 10.0.0.1\r\n"
	for name, request := range map[string]string{
		"the usual request":    usual + "Shakedown-Seq: 1234567890\r\n\r\n",
		"one without a number": usual + "\r\n",
		"one with no number":   usual + "Shakedown-Seq: x\r\n\r\n",
		"one that is changed": "GET //a/%70ath/../x?q=%31&k=%c3%a9 HTTP/1.1\r\nHost: example.org.:80\r\nX_Forwarded_For: 10.0.0.1\r\nConnection: X-Hop\r\nX-Hop: 1\r\n" +
			"X-Role: user\r\nX-Role: guest\r\nShakedown-Seq: 1234567890\r\n\r\n",
	} {
		text := []byte(request)
		once := func() {
			if _, err := c.Write(text); err != nil {
				t.Fatal(err)
			}
			if n, err := c.Read(buf); err != nil || !bytes.HasPrefix(buf[:n], answer[:12]) {
				t.Fatalf("%q, %v", buf[:n], err)
			}
		}
		for range 100 {
			once()
		}
		// The allowance is for the runtime's own: timers, pools that the collector has emptied.
		if n := testing.AllocsPerRun(2000, once); n >= 1 {
			t.Errorf("%s: %v allocations a request", name, n)
		}
	}
}
