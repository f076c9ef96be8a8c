package balancer

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/seed-8025779b/shakedown/balancer/config"
)

// Clients are told which target failed and how, but not where it is, unless the listener says so; the log has it all.
func TestReasonsNameTheTargetAndNotItsAddress(t *testing.T) {
	cut := rawTarget(t, func(c net.Conn, r *bufio.Reader) { _, _ = r.ReadByte(); _ = c.(*net.TCPConn).SetLinger(0) })
	plain := rawTarget(t, func(c net.Conn, r *bufio.Reader) { _, _ = r.ReadByte() })
	for name, tc := range map[string]struct {
		address string
		tls     bool
		id      string // web-1 when empty
		want    string
	}{
		"refused":          {refusing(t), false, "", "web-1: connection refused"},
		"reset":            {cut.Addr().String(), false, "", "web-1: receive: connection reset by peer"},
		"broken off":       {plain.Addr().String(), false, "", "web-1: receive: unexpected EOF"},
		"no TLS":           {plain.Addr().String(), true, "", "web-1: TLS handshake: EOF"},
		"HTTP/2":           {refusing(t), false, "", "web-1: connection refused"},
		"id is an address": {refusing(t), false, "its address", "a target of web: connection refused"},
	} {
		for _, reasons := range []config.Reasons{"", config.ReasonIDs, config.ReasonAddresses} {
			cfg := settings()
			target := config.Target{ID: "web-1", Address: tc.address}
			if tc.id != "" {
				target.ID = tc.address
			}
			cfg.Groups[0].Targets, cfg.Groups[0].HTTP2 = []config.Target{target}, name == "HTTP/2"
			if tc.tls {
				cfg.Groups[0].TLS = &config.TargetTLS{Insecure: true}
			}
			cfg.Listeners[0].Options.Reasons = reasons
			var mu sync.Mutex
			var log bytes.Buffer
			r := startWith(t, cfg, Options{Access: &Log{To: slog.New(slog.NewJSONHandler(locked{&mu, &log}, nil)), Share: 1}})
			c, rd := r.dial(t)
			fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			res, err := http.ReadResponse(rd, nil)
			if err != nil {
				t.Fatal(err)
			}
			page, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			reason, host := res.Header.Get("Shakedown-Reason"), strings.Split(tc.address, ":")[0]
			shown := strings.Contains(reason+string(page), host)
			switch {
			case !strings.HasSuffix(string(page), ": "+reason+"\n"):
				t.Errorf("%s, %s: the page says %q, the header %q", name, reasons, page, reason)
			case reasons == config.ReasonAddresses:
				if strings.HasPrefix(tc.want, "web-1: connection") && !shown {
					t.Errorf("%s: %q has no address", name, reason)
				}
			case shown || reason != tc.want:
				t.Errorf("%s: %q, want %q", name, reason, tc.want)
			}
			if strings.Contains(tc.want, "refused") {
				await(t, "the log", func() bool {
					mu.Lock()
					defer mu.Unlock()
					return strings.Contains(log.String(), "dial tcp "+tc.address+": connect: connection refused")
				})
			}
			r.stop()
		}
	}
}
