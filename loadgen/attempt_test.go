package loadgen

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/attempt"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/mix"
)

// What the balancer says of its attempts stands in the sample, whatever the status; only the last answer counts,
// and only when requests are identified.
func TestAttemptsOfTheBalancer(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		var n atomic.Int64
		srv := newCounting(t, plain, func(c net.Conn, _ int) bool {
			switch n.Add(1) - 1 {
			case 0:
				fmt.Fprintf(c, "HTTP/1.1 200 OK\r\n%s: 2;web-3;slow\r\nContent-Length: 0\r\n\r\n", mix.AttemptHeader)
			case 1:
				fmt.Fprintf(c, "HTTP/1.1 503 Busy\r\n%s: 0;;\r\nContent-Length: 0\r\n\r\n", strings.ToLower(mix.AttemptHeader))
			case 2:
				fmt.Fprintf(c, "HTTP/1.1 500 Broken\r\n%s:1;web-1; \r\nContent-Length: 0\r\n\r\n", mix.AttemptHeader)
			case 3:
				fmt.Fprintf(c, "HTTP/1.1 200 OK\r\n%s: 1;a;b;c\r\nContent-Length: 0\r\n\r\n", mix.AttemptHeader)
			case 4:
				fmt.Fprintf(c, "HTTP/1.1 103 Early Hints\r\n%s: 3;early;\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", mix.AttemptHeader)
			case 5:
				fmt.Fprintf(c, "HTTP/1.1 200 OK\r\n%s: 4;half;\r\nContent-Le", mix.AttemptHeader)
				return false
			case 6:
				fmt.Fprintf(c, "HTTP/1.1 200 OK\r\n%s: 5;web-5;cut\r\nContent-Length: 9\r\n\r\nabc", mix.AttemptHeader)
				return false
			}
			return true
		})
		c := attempt.Config{Target: srv.url, Timeout: 20 * time.Second, Connections: 1, Identify: true}
		want := []string{"2 web-3 slow", "0  ", "1 web-1 ", "0  ", "0  ", "0  ", "5 web-5 cut"}
		samples := play(t, t.Context(), engine, c, 1000, .007)
		slices.SortFunc(samples, func(a, b *measure.Sample) int { return cmp.Compare(a.Sent, b.Sent) })
		for i, s := range samples {
			if got := fmt.Sprint(s.Attempts, " ", s.Target, " ", s.Fault); got != want[i] {
				t.Errorf("answer %d: %q, want %q", i, got, want[i])
			}
		}
		n.Store(0)
		c.Identify = false
		for _, s := range play(t, t.Context(), engine, c, 1000, .001) {
			if s.Attempts != 0 || s.Target != "" || s.Fault != "" {
				t.Errorf("%+v", s)
			}
		}
	})
}
