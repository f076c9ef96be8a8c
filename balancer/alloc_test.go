//go:build !race

package balancer

import (
	"bufio"
	"bytes"
	"net"
	"testing"
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
	r := start(t, cfg, nil)
	c, _ := r.dial(t)
	request := []byte("GET /a/path?q=1 HTTP/1.1\r\nHost: example.org\r\nUser-Agent: test\r\nAccept: */*\r\nX-Forwarded-For: 10.0.0.1\r\nShakedown-Seq: 1234567890\r\n\r\n")
	buf := make([]byte, 4096)
	once := func() {
		if _, err := c.Write(request); err != nil {
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
		t.Errorf("%v allocations a request", n)
	}
}
