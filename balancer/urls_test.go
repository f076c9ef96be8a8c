package balancer

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/balancer/ratelimit"
	"github.com/seed-8025779b/shakedown/balancer/route"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// exchangeOnce sends one request on a connection of its own and returns the status and the whole answer.
func (r *running) exchangeOnce(t *testing.T, request string) (status, answer string) {
	t.Helper()
	c, rd := r.dial(t)
	defer c.Close()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(rd)
	if err != nil || len(b) < len("HTTP/1.1 200") {
		t.Fatalf("%.80q: %q, %v", request, b, err)
	}
	return string(b[len("HTTP/1.1 "):][:3]), string(b)
}

const fine = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

// Which URLs pass, what rules make of them, and what a target gets.
func TestURLs(t *testing.T) {
	deny := func(r route.Rule) func(*config.Config) {
		r.Respond = &route.Respond{Status: 403}
		return func(c *config.Config) { c.Listeners[0].Rules = append(route.Table{r}, c.Listeners[0].Rules...) }
	}
	admin := deny(route.Rule{Path: "/admin/*"})
	raw := func(c *config.Config) { c.Listeners[0].Options.RawPath = true }
	strict := func(c *config.Config) { c.Listeners[0].Options.Strict = true }
	noSlashes := func(c *config.Config) { c.Listeners[0].Options.NoEscapedSlashes = true }
	rewrite := func(c *config.Config) {
		c.Listeners[0].Rules[0].Rewrite = &route.Rewrite{Prefix: "/api/", To: "/v1/"}
	}
	both := func(a, b func(*config.Config)) func(*config.Config) { return func(c *config.Config) { a(c); b(c) } }
	const host = "Host: a\r\n"
	for _, tc := range []struct {
		change        func(*config.Config)
		target, lines string
		want          string // the status when the target got nothing, otherwise what it got
	}{
		{nil, "/", host, "/"}, {nil, "/a?b=c//d/../e", host, "/a?b=c//d/../e"}, {nil, "/{id}", host, "/{id}"}, {nil, "/a|b^c`d\"e<f>g\\h", host, "/a|b^c`d\"e<f>g\\h"},
		{nil, "/?q={\"a\":[1|2]}", host, "/?q={\"a\":[1|2]}"}, {nil, "/café/日本", host, "/café/日本"}, {nil, "/\xff\x80", host, "/\xff\x80"}, {nil, "/caf%C3%A9?%zz", host, "/caf%C3%A9?%zz"},
		{nil, "/a%20b", host, "/a%20b"}, {nil, "/group%2Fname", host, "/group%2Fname"}, {nil, "/a//b/./c/../%7ed%2f", host, "/a/b/~d%2F"}, {nil, "http://b//c?d", "Host: x\r\n", "/c?d"},
		{nil, "/a#b", host, "400"}, {nil, "/a\x01", host, "400"}, {nil, "/a\tb", host, "400"}, {nil, "/../a", host, "400"}, {nil, "/%2e%2e%2fa", host, "400"}, {nil, "/a/..%5cb", host, "400"}, {nil, "/%", host, "400"},
		{raw, "/a//b/./c/../%7ed%2f", host, "/a//b/./c/../%7ed%2f"}, {raw, "/../a", host, "400"}, {both(rewrite, raw), "/api//%61", host, "/v1/a"}, {both(rewrite, raw), "//api/a", host, "/v1/a"},
		{strict, "/a", host, "/a"}, {strict, "/{a}", host, "400"}, {strict, "/é", host, "400"}, {strict, "/a?b|c", host, "400"}, {strict, "/a%7B//b", host, "/a%7B/b"},
		{noSlashes, "/a%2fb", host, "400"}, {noSlashes, "/a/%5C", host, "400"}, {noSlashes, `/\admin`, host, "400"}, {noSlashes, `/a?b=\c`, host, `/a?b=\c`}, {noSlashes, "/a%25b?c%2Fd", host, "/a%25b?c%2Fd"},
		{rewrite, "/x/../api/%61?b", host, "/v1/a?b"},
		{admin, "/admin/x", host, "403"}, {admin, "//admin/x", host, "403"}, {admin, "/%61dmin/x", host, "403"}, {admin, "/./admin/x", host, "403"}, {admin, "/x/../admin/x", host, "403"},
		{admin, "/x/%2e%2E/admin//x", host, "403"}, {admin, "http://b//admin/x", host, "403"}, {admin, "/x/..;/admin/x", host, "400"}, {admin, "/x%2f..%2fadmin/x", host, "400"}, {admin, "/admin", host, "/admin"},
		{both(raw, admin), "//admin/x", host, "403"}, {both(raw, admin), "/%61dmin/x", host, "403"},
		{deny(route.Rule{Host: "in.example.org"}), "/", "Host: IN.example.org.:80\r\n", "403"}, {deny(route.Rule{Host: "in.example.org"}), "http://in.example.org./", host, "403"},
		{deny(route.Rule{Host: "in.example.org"}), "/", "Host: example.org\r\n", "/"},
		{deny(route.Rule{Headers: []route.Pair{{Name: "x-role", Value: "guest"}}}), "/", host + "X-Role: user\r\nx-role: guest\r\n", "403"},
		{deny(route.Rule{Headers: []route.Pair{{Name: "x-role", Value: "guest"}}}), "/", host + "X-Role: user\r\n", "/"},
		{deny(route.Rule{Query: []route.Pair{{Name: "debug", Value: "1"}}}), "/?debug=0&d%65bug=%31", host, "403"},
	} {
		x := rawTarget(t, answering(fine))
		cfg := raws(x)
		if tc.change != nil {
			tc.change(&cfg)
		}
		r := start(t, cfg, nil)
		status, _ := r.exchangeOnce(t, "GET "+tc.target+" HTTP/1.1\r\n"+tc.lines+"Connection: close\r\n\r\n")
		got := status
		if seen := x.text(); seen != "" {
			line, _, _ := strings.Cut(seen, "\r\n")
			if got = strings.TrimSuffix(strings.TrimPrefix(line, "GET "), " HTTP/1.1"); status != "200" {
				t.Errorf("%q: the target saw %q, and the client %s", tc.target, line, status)
			}
		}
		if got != tc.want {
			t.Errorf("%q with %q: %q, want %q", tc.target, tc.lines, got, tc.want)
		}
		r.stop()
	}
}

// The same URLs come through when either side speaks HTTP/2.
func TestURLsOverHTTP2(t *testing.T) {
	const sent, want = "/é{a}|b//c\"?d=^é", "/é{a}|b/c\"?d=^é"
	for to, target := range targetsOf(t) {
		cfg := settings()
		target(&cfg, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.RequestURI) }))
		r := start(t, cfg, nil)
		transport := ways(t)["HTTP/2.0 by prior knowledge"].transport
		res, err := transport.RoundTrip(&http.Request{Method: "GET", URL: &url.URL{Scheme: "http", Host: r.Addresses()[0], Opaque: "//" + r.Addresses()[0] + sent}, Header: http.Header{}})
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || string(text) != want {
			t.Errorf("to %s: %d %q, %v", to, res.StatusCode, text, err)
		}
	}
}

func TestRedirectsNameTheNormalPath(t *testing.T) {
	cfg := raws(rawTarget(t, answering(fine)))
	cfg.Listeners[0].Rules = route.Table{{Redirect: &route.Redirect{To: "{path}?{query}", Status: 302}}}
	r := start(t, cfg, nil)
	if _, got := r.exchangeOnce(t, "GET //evil.example/%61/../b?c//d HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"); !strings.Contains(got, "\r\nLocation: /evil.example/b?c//d\r\n") {
		t.Errorf("%q", got)
	}
}

// Headers that a target may take for framing, or for the balancer's word.
func TestAmbiguousHeaderNames(t *testing.T) {
	sent := "POST / HTTP/1.1\r\nHost: a\r\nContent_Length: 1\r\nTransfer_Encoding: chunked\r\nTransfer--Encoding: x\r\nX_Forwarded_For: 1.2.3.4\r\nX-Forwarded_Proto: https\r\n" +
		"X_Internal: 1\r\nMy_Header: 1\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"
	for _, tc := range []struct {
		name           string
		options        config.Options
		status         string
		gone, received []string
	}{
		{"removed", config.Options{}, "200", []string{"_Length", "_Encoding", "--Encoding", "X_Forwarded_For", "Forwarded_Proto", "X_Internal"}, []string{"My_Header: 1\r\n", "X-Forwarded-Proto: http\r\n"}},
		{"refused", config.Options{Ambiguous: config.RefuseNames}, "400", []string{"POST"}, nil},
		{"passed", config.Options{Ambiguous: config.PassNames}, "200", nil, []string{"Content_Length: 1\r\n", "Transfer_Encoding: chunked\r\n", "X_Forwarded_For: 1.2.3.4\r\n", "X_Internal: 1\r\n"}},
		{"as nginx", config.Options{Underscores: config.RemoveNames}, "200", []string{"My_Header", "_Length", "--Encoding"}, []string{"X-Forwarded-For: 127.0.0.1\r\n"}},
		{"underscores refused", config.Options{Underscores: config.RefuseNames}, "400", []string{"POST"}, nil},
	} {
		x := rawTarget(t, answering(fine))
		cfg := raws(x)
		cfg.Listeners[0].Options = tc.options
		cfg.Listeners[0].Rules[0].Remove = []string{"X-Internal"}
		r := start(t, cfg, nil)
		status, answer := r.exchangeOnce(t, sent)
		if status != tc.status {
			t.Errorf("%s: %q", tc.name, answer)
		}
		got := x.text()
		for _, s := range tc.gone {
			if strings.Contains(got, s) {
				t.Errorf("%s: %s is in %q", tc.name, s, got)
			}
		}
		for _, s := range tc.received {
			if !strings.Contains(got, s) {
				t.Errorf("%s: %s is not in %q", tc.name, s, got)
			}
		}
		r.stop()
	}
}

// A head of many names in Connection, or of many headers, is refused before it costs anything.
func TestLargeHeadsAreRefused(t *testing.T) {
	x := rawTarget(t, answering(fine))
	cfg := raws(x)
	cfg.Listeners[0].Limits.Headers = 20
	r := start(t, cfg, nil)
	names := func(n int) (s string) {
		for i := range n {
			s += fmt.Sprintf("n%d,", i)
		}
		return s
	}
	const begin, end = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n", "\r\n"
	for what, request := range map[string]string{
		"65 KB of names":  begin + strings.Repeat("Connection: "+names(2000)+"\r\n", 5) + end,
		"33 names":        begin + "Connection: " + names(33) + "\r\n" + end,
		"one header more": begin + strings.Repeat("A: b\r\n", 19) + end,
	} {
		if status, answer := r.exchangeOnce(t, request); status != "431" {
			t.Errorf("%s: %q", what, answer)
		}
	}
	if got := x.text(); got != "" {
		t.Errorf("the target saw %q", got)
	}
	for what, request := range map[string]string{
		"32 names": begin + "Connection: " + names(32) + "\r\nN5: x\r\n" + end, "as many headers as may be": begin + strings.Repeat("A: b\r\n", 18) + end,
	} {
		if status, answer := r.exchangeOnce(t, request); status != "200" {
			t.Errorf("%s: %q", what, answer)
		}
	}
	if got := x.text(); strings.Contains(got, "N5: x") || strings.Count(got, "A: b") != 18 {
		t.Errorf("the target saw %q", got)
	}
}

// Old clients end a body with an empty line that its length does not count. It neither hurts the next request nor begins one.
func TestEmptyLinesBeforeARequest(t *testing.T) {
	x := rawTarget(t, answering(fine))
	cfg := raws(x)
	const header = 20 * time.Millisecond
	cfg.Listeners[0].Timeouts.Header = header
	r := start(t, cfg, nil)
	c, rd := r.dial(t)
	for _, text := range []string{"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi\r\n", "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n\r\n\r\n", "GET /3 HTTP/1.1\r\nHost: a\r\n\r\n"} {
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
		if lines := head(t, rd); lines[0] != "HTTP/1.1 200 OK" {
			t.Fatalf("%q: %q", text, lines)
		}
		time.Sleep(3 * header) // in which no head that had begun would be waited for
	}
	if got := x.text(); strings.Count(got, " HTTP/1.1\r\n") != 3 || strings.Contains(got, "hi\r\n") {
		t.Errorf("the target saw %q", got)
	}
}

// A reload that leaves a limit as it is gives nobody a second burst.
func TestLimitsOutliveAReload(t *testing.T) {
	cfg := raws(rawTarget(t, answering(fine)))
	limited := func(burst int) config.Config {
		v := spec.Defaults(ratelimit.Params())
		v["rate"], v["burst"] = .001, burst
		c, err := ratelimit.New(v)
		if err != nil {
			t.Fatal(err)
		}
		out := cfg
		out.Listeners = []config.Listener{cfg.Listeners[0]}
		out.Listeners[0].Rules = route.Table{{Path: "/login", Forward: "web", Limit: c}, {Forward: "web"}}
		return out
	}
	r := start(t, limited(1), nil)
	ask := func(when, want string) {
		t.Helper()
		if status, _ := r.exchangeOnce(t, "GET /login HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"); status != want {
			t.Errorf("%s: %s, want %s", when, status, want)
		}
	}
	ask("at first", "200")
	ask("again", "429")
	for _, tc := range []struct {
		when string
		cfg  config.Config
		want string
	}{{"after a reload", limited(1), "429"}, {"with another limit", limited(2), "200"}} {
		if err := r.Reload(tc.cfg); err != nil {
			t.Fatal(err)
		}
		ask(tc.when, tc.want)
	}
}
