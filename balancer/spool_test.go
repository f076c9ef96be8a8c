package balancer

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed-8025779b/shakedown/balancer/group"
)

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
