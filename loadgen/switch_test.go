package loadgen

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/attempt"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/mix"
)

// An answer of 101 is a success where the request asks for another protocol, or expects that status, and it has no body: what the
// server sends then, and for how long, does not matter.
func TestSwitchesOfProtocol(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		const switched = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
		for name, tc := range map[string]struct {
			request mix.Request
			want    measure.Outcome
		}{
			"asked for":   {mix.Request{Headers: []mix.Header{{Name: "connection", Value: "upgrade"}, {Name: "upgrade", Value: "x"}}}, measure.Succeeded},
			"expected":    {mix.Request{Expect: &mix.Expect{Status: 101}}, measure.Succeeded},
			"unasked for": {mix.Request{}, measure.Failed},
		} {
			srv := newCounting(t, plain, func(c net.Conn, _ int) bool {
				_, _ = io.WriteString(c, switched+"what follows")
				_, _ = c.Read(make([]byte, 1)) // until the client closes
				return false
			})
			tc.request.Name, tc.request.Method, tc.request.Path, tc.request.Weight = "x", "GET", "/", 1
			m := requests(t, mix.Set{Requests: []mix.Request{tc.request}})
			got := play(t, t.Context(), engine, attempt.Config{Target: srv.url, Mix: m, Timeout: 20 * time.Second, Connections: 2, Identify: true}, 100, .1)
			if len(got) != 10 {
				t.Errorf("%s: %d samples", name, len(got))
			}
			for _, s := range got {
				if s.Outcome != tc.want || s.Status != 101 || s.BytesIn != 0 || (s.Outcome == measure.Failed && s.Class != measure.Malformed) {
					t.Fatalf("%s: %+v", name, s)
				}
			}
		}
	})
}
