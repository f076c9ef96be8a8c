package balancer

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/balancer/route"
	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// The numbers of requests, and our own headers, are believed and passed on only by a balancer that was told so: anybody else
// could choose a target by them, or claim what only a balancer may say.
func TestOwnHeadersOfClients(t *testing.T) {
	for name, tc := range map[string]struct {
		change   func(*config.Config)
		believed bool
	}{
		"alone":      {func(*config.Config) {}, false},
		"told so":    {func(c *config.Config) { c.TrustSeq = true }, true},
		"of a run":   {func(c *config.Config) { c.Trace = true }, true},
		"with cause": {func(c *config.Config) { c.Trace, c.TrustSeq = true, true }, true},
	} {
		t.Run(name, func(t *testing.T) {
			x := rawTarget(t, answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
			cfg := raws(x)
			tc.change(&cfg)
			seen := make(chan uint64, 10)
			r := start(t, cfg, func(x *chaos.Exchange) chaos.Effect { seen <- x.Seq; return chaos.Effect{} })
			c, rd := r.dial(t)
			fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: a\r\nShakedown-Seq: 77\r\nsHAKEDOWN-aTTEMPT: 1;a;\r\nShakedown-Reason: none\r\nShakedown-Other: kept\r\n\r\n")
			head(t, rd)
			if seq := <-seen; (seq == 77) != tc.believed || (!tc.believed && seq < 1<<63) {
				t.Errorf("its number is %d", seq)
			}
			got := strings.ToLower(x.text())
			for _, header := range []string{"shakedown-seq: 77", "shakedown-attempt: 1;a;", "shakedown-reason: none"} {
				if strings.Contains(got, header) != tc.believed {
					t.Errorf("%s: the target got %q", header, got)
				}
			}
			if !strings.Contains(got, "shakedown-other: kept") {
				t.Errorf("the target got %q", got)
			}
			fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nShakedown-Seq: 78\r\nX-Sum: 1\r\n\r\n")
			head(t, rd)
			<-seen
			if got := strings.ToLower(x.text()); strings.Contains(got, "shakedown-seq: 78") || !strings.Contains(got, "x-sum: 1") {
				t.Errorf("of a trailer the target got %q", got)
			}
			for _, bad := range []string{"", "x", "-1", "+1", " 1 2", "18446744073709551616", "0x10"} {
				fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: a\r\nShakedown-Seq: %s\r\n\r\n", bad)
				head(t, rd)
				if seq := <-seen; seq < 1<<63 {
					t.Errorf("%q is taken for %d", bad, seq)
				}
			}
		})
	}
}

// The same seed makes the same choices, another one makes others; the numbers that clients send change neither.
func TestChoicesFollowTheSeed(t *testing.T) {
	one, two := server(t, "one"), server(t, "two")
	choices := func(seed draw.Seed) (out string) {
		cfg := settings(one, two)
		cfg.Seed, cfg.Groups[0].Strategy = seed, spec.Written{Kind: "random"}
		r := start(t, cfg, nil)
		c, rd := r.dial(t)
		for range 64 {
			fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: a\r\nShakedown-Seq: 1\r\n\r\n")
			res, err := http.ReadResponse(rd, nil)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			out += string(body[:3])
		}
		r.stop()
		return out
	}
	a, again, b := choices(1), choices(1), choices(2)
	if a != again || a == b || strings.Count(a, "one") < 10 || strings.Count(a, "two") < 10 {
		t.Errorf("%s\n%s\n%s", a, again, b)
	}
}

// Behind trusted proxies the client is who they say it is: for rules, keys, limits and the log. Nobody else is believed.
func TestTrustedProxies(t *testing.T) {
	for name, tc := range map[string]struct {
		trusted []string
		client  string
		status  int // of a rule for 198.51.100.0/24 only
	}{
		"none":    {nil, "127.0.0.1", 404},
		"others":  {[]string{"10.0.0.0/8"}, "127.0.0.1", 404},
		"trusted": {[]string{"127.0.0.0/8", "10.0.0.0/8"}, "198.51.100.7", 302},
	} {
		cfg := settings()
		cfg.Listeners[0].Rules = route.Table{
			{Sources: []string{"198.51.100.0/24"}, Redirect: &route.Redirect{To: "/", Status: 302}},
			{Respond: &route.Respond{Status: 404}},
		}
		var err error
		if cfg.Listeners[0].Options.TrustedProxies, err = route.ParseNetworks(tc.trusted); err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var log bytes.Buffer
		r := startWith(t, cfg, Options{Access: &Log{To: slog.New(slog.NewJSONHandler(locked{&mu, &log}, nil)), Share: 1}})
		c, rd := r.dial(t)
		fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.9\r\nX-Forwarded-For: 198.51.100.7, 10.1.1.1\r\n\r\n")
		res, err := http.ReadResponse(rd, nil)
		if err != nil {
			t.Fatal(err)
		}
		text := func() string {
			mu.Lock()
			defer mu.Unlock()
			return log.String()
		}
		await(t, "the access log", func() bool { return text() != "" })
		if res.StatusCode != tc.status || !strings.Contains(text(), fmt.Sprintf(`"client":%q`, tc.client)) {
			t.Errorf("%s: status %d, %s", name, res.StatusCode, text())
		}
	}
}
