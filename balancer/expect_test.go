package balancer

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/route"
	"github.com/seed-8025779b/shakedown/chaos"
)

// An answer of the balancer's own to a client that holds its body back says that the connection ends, and it does: nobody knows whether
// what the client sends next is that body.
func TestOwnAnswersToHeldBodies(t *testing.T) {
	for name, tc := range map[string]struct {
		status string
		change func(*testing.T, *config.Config)
		touch  func(*chaos.Exchange) chaos.Effect
	}{
		"refused":    {"502", func(t *testing.T, cfg *config.Config) { cfg.Groups[0].Targets[0].Address = refusing(t) }, nil},
		"no target":  {"503", func(_ *testing.T, cfg *config.Config) { cfg.Groups[0].Targets = nil }, nil},
		"no rule":    {"503", func(_ *testing.T, cfg *config.Config) { cfg.Listeners[0].Rules[0].Path = "/other" }, nil},
		"queue full": {"503", func(_ *testing.T, cfg *config.Config) { cfg.Groups[0].Limits = &group.Limits{Requests: 1} }, nil},
		"injected":   {"503", func(*testing.T, *config.Config) {}, func(*chaos.Exchange) chaos.Effect { return chaos.Effect{Status: 503, Fault: "f"} }},
		"rule answers": {"418", func(_ *testing.T, cfg *config.Config) {
			cfg.Listeners[0].Rules = route.Table{{Path: "/one", Respond: &route.Respond{Status: 418}}, {Forward: "web"}}
		}, nil},
		"rule directs": {"302", func(_ *testing.T, cfg *config.Config) {
			cfg.Listeners[0].Rules = route.Table{{Path: "/one", Redirect: &route.Redirect{To: "/", Status: 302}}, {Forward: "web"}}
		}, nil},
	} {
		for _, two := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, HTTP/2 %v", name, two), func(t *testing.T) {
				t.Parallel()
				silent := mute
				if two {
					silent = func(c net.Conn, r *bufio.Reader) { serveFrames(c, r, nil, func(*http2.Framer, http2.Frame) {}) }
				}
				cfg := raws(rawTarget(t, silent))
				cfg.Groups[0].HTTP2 = two
				tc.change(t, &cfg)
				r := start(t, cfg, tc.touch)
				if name == "queue full" {
					c, _ := r.dial(t)
					_, _ = io.WriteString(c, plainGet)
					underWay(t, r)
					defer c.Close()
				}
				c, rd := r.dial(t)
				_, _ = io.WriteString(c, "POST /one HTTP/1.1\r\nHost: a\r\nContent-Length: 32\r\nExpect: 100-continue\r\n\r\n")
				res, err := http.ReadResponse(rd, nil)
				if err != nil {
					t.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, res.Body) // its end is found below
				if !strings.HasPrefix(res.Status, tc.status) || !res.Close {
					t.Errorf("%s, closes %v", res.Status, res.Close)
				}
				var slow net.Error
				if rest, err := io.ReadAll(rd); len(rest) > 0 || (errors.As(err, &slow) && slow.Timeout()) {
					t.Errorf("behind the answer: %q, %v", rest, err)
				}
			})
		}
	}
}

// A client that holds its body back is told to go on once, also when the target never says so, and its connection is used on.
func TestTargetsThatDoNotSayContinue(t *testing.T) {
	for name, change := range map[string]func(*testing.T, *config.Config){
		"HTTP/1.1": func(t *testing.T, cfg *config.Config) {
			cfg.Groups[0].Targets = []config.Target{{ID: "raw-1", Address: rawTarget(t, answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")).Addr().String()}}
		},
		"HTTP/1.1, late": func(t *testing.T, cfg *config.Config) { // it says so once it has the body
			late := "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
			cfg.Groups[0].Targets = []config.Target{{ID: "raw-1", Address: rawTarget(t, answering(late)).Addr().String()}}
		},
		"HTTP/2": func(t *testing.T, cfg *config.Config) {
			handlerTargets(func(_ http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Expect") != "" {
					panic(http.ErrAbortHandler)
				}
				_, _ = io.Copy(io.Discard, r.Body)
			}, nil)(t, cfg)
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := settings()
			change(t, &cfg)
			r := start(t, cfg, nil)
			c, rd := r.dial(t)
			for range 2 {
				_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
				if lines := head(t, rd); lines[0] != "HTTP/1.1 100 Continue" {
					t.Fatalf("before the body: %q", lines)
				}
				_, _ = io.WriteString(c, "hello")
				if lines := head(t, rd); lines[0] != "HTTP/1.1 200 OK" || slices.Contains(lines, "Connection: close") {
					t.Fatalf("behind the body: %q", lines)
				}
			}
		})
	}
}
