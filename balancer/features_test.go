package balancer

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/balancer/exchange"
	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/health"
	"github.com/seed-8025779b/shakedown/balancer/pick"
	"github.com/seed-8025779b/shakedown/balancer/ratelimit"
	"github.com/seed-8025779b/shakedown/loadgen/socket"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// A client sticks to its target, over a restart of the balancer too; a forged cookie is ignored.
func TestStickySessions(t *testing.T) {
	back := []*httptest.Server{server(t, "a"), server(t, "b"), server(t, "c")}
	cfg := settings(back...)
	cfg.Groups[0].Sticky = &group.Sticky{Cookie: "LB", For: time.Hour, Secret: "s"}
	first, second := start(t, cfg, nil), start(t, cfg, nil)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar, Transport: &http.Transport{DisableKeepAlives: true}}
	ask := func(r *running) (target string, set bool) {
		t.Helper()
		res, err := client.Get(r.url)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		name, _, _ := strings.Cut(string(b), " ")
		return name, len(res.Header["Set-Cookie"]) > 0
	}
	get(t, first.url) // so that the client's is not the first of the turn
	want, set := ask(first)
	if !set {
		t.Fatal("no cookie was set")
	}
	at, _ := url.Parse(first.url) // it has been parsed before
	cookie := jar.Cookies(at)[0]
	for range 5 {
		for _, r := range []*running{first, second} { // they share the host: ports don't count for cookies
			if got, set := ask(r); got != want || set {
				t.Errorf("the client of %s came to %s, set %v", want, got, set)
			}
		}
	}
	for i, name := range []string{"a", "b", "c"} { // its target rests: it sticks to another
		if name == want {
			if err := first.SetMaintenance("web", fmt.Sprint("web-", i+1), true); err != nil {
				t.Fatal(err)
			}
		}
	}
	other, set := ask(first)
	if other == want || !set {
		t.Errorf("with its target at rest the client came to %s, set %v", other, set)
	}
	for range 5 {
		if got, set := ask(first); got != other || set {
			t.Errorf("then to %s, set %v", got, set)
		}
	}
	forged := []byte(cookie.Value)
	forged[5] ^= 3
	jar.SetCookies(at, []*http.Cookie{{Name: "LB", Value: string(forged)}})
	seen := map[string]bool{}
	for range 9 {
		req, err := http.NewRequest("GET", first.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Cookie", "LB="+string(forged))
		res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		res.Body.Close()
		seen[string(b[:1])] = true
		if len(res.Header["Set-Cookie"]) != 1 {
			t.Error("a client with a forged cookie got no good one")
		}
	}
	if len(seen) != 2 { // the third rests
		t.Errorf("a forged cookie led to %v", seen)
	}
}

// With an application's cookie, a client sticks from the answer on that sets it.
func TestStickyByApplication(t *testing.T) {
	back := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/login" {
			http.SetCookie(w, &http.Cookie{Name: "SESSION", Value: "1"})
		}
	}))
	defer back.Close()
	cfg := settings(back)
	cfg.Groups[0].Sticky = &group.Sticky{Cookie: "LB", For: time.Hour, Application: "SESSION"}
	r := start(t, cfg, nil)
	for path, want := range map[string]int{"/": 0, "/login": 2} {
		res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get(r.url + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if got := len(res.Header["Set-Cookie"]); got != want {
			t.Errorf("%s: %d cookies", path, got)
		}
	}
}

func TestRateLimit(t *testing.T) {
	cfg := settings(server(t, "x"))
	cfg.Listeners[0].Rules[0].Limit = &ratelimit.Config{Rate: .01, Burst: 3, By: pick.Key{From: pick.Header, Name: "X-User"}}
	r := start(t, cfg, nil)
	for i, want := range []int{200, 200, 200, 429, 429} {
		for _, user := range []string{"a", "b"} {
			req, err := http.NewRequest("GET", r.url, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("X-User", user)
			req.Close = true
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if after := res.Header.Get("Retry-After"); res.StatusCode != want || (want == 429) != (after == "100") {
				t.Errorf("request %d of %s: %d, come again after %q", i, user, res.StatusCode, after)
			}
		}
	}
	if n := r.Counts(); n.Limited != 4 || n.Errors["rate_limit"] != 4 {
		t.Errorf("%+v", n)
	}
}

// Beyond what a target may have requests wait in a bounded queue, each for a bounded time.
func TestLimitsAndQueue(t *testing.T) {
	release := make(chan struct{})
	var inside, most atomic.Int64
	back := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if n := inside.Add(1); n > most.Load() {
			most.Store(n)
		}
		<-release
		inside.Add(-1)
	}))
	defer back.Close()
	cfg := settings(back)
	cfg.Groups[0].Limits = &group.Limits{Requests: 2, Queue: 2, Wait: 20 * time.Second}
	r := start(t, cfg, nil)
	codes := make(chan int, 10)
	var wg sync.WaitGroup
	ask := func() { wg.Go(func() { code, _ := get(t, r.url); codes <- code }) }
	for range 2 {
		ask()
	}
	await(t, "two in flight", func() bool { return inside.Load() == 2 })
	for range 2 {
		ask()
	}
	await(t, "two in the queue", func() bool { return r.Stats().Waiting["web"] == 2 })
	if code, body := get(t, r.url); code != 503 || !strings.Contains(body, "neither has the queue") {
		t.Errorf("one too many: %d %s", code, body)
	}
	close(release)
	wg.Wait()
	for range 4 {
		if code := <-codes; code != 200 {
			t.Errorf("status %d", code)
		}
	}
	if n := r.Counts(); most.Load() != 2 || n.Waited != 2 || n.Overflow != 1 {
		t.Errorf("%d at once, %+v", most.Load(), n)
	}
	await(t, "nothing left behind", func() bool { // an answer is written before it is counted as over
		s := r.Stats()
		return s.Waiting["web"] == 0 && s.Groups["web"][0].InFlight == 0
	})
}

func TestQueueGivesUp(t *testing.T) {
	release := make(chan struct{})
	back := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer back.Close()
	defer close(release)
	cfg := settings(back)
	cfg.Groups[0].Limits = &group.Limits{Requests: 1, Queue: -1, Wait: 50 * time.Millisecond}
	r := start(t, cfg, nil)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() {
		req, _ := http.NewRequestWithContext(ctx, "GET", r.url, nil)
		if res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req); err == nil {
			res.Body.Close()
		}
	})
	await(t, "one in flight", func() bool { return r.Stats().Groups["web"][0].InFlight == 1 })
	if code, body := get(t, r.url); code != 503 || !strings.Contains(body, "had room in time") {
		t.Errorf("%d %s", code, body)
	}
	await(t, "an empty queue", func() bool { return r.Stats().Waiting["web"] == 0 })
}

func TestConnectionLimit(t *testing.T) {
	cfg := settings(server(t, "x"))
	cfg.Listeners[0].Limits.Connections = 2
	r := start(t, cfg, nil)
	one, _ := r.dial(t)
	two, _ := r.dial(t)
	ask := func(c net.Conn, rd *bufio.Reader) string {
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n") // one that was turned away tells by its answer
		lines := head(t, rd)
		if len(lines) == 0 {
			return "nothing"
		}
		return lines[0]
	}
	if got := ask(one, bufio.NewReader(one)); got != "HTTP/1.1 200 OK" {
		t.Error(got)
	}
	await(t, "both", func() bool {
		three, rd := r.dial(t)
		defer three.Close()
		return strings.HasPrefix(ask(three, rd), "HTTP/1.1 503")
	})
	two.Close()
	await(t, "room again", func() bool {
		four, rd := r.dial(t)
		defer four.Close()
		return ask(four, rd) == "HTTP/1.1 200 OK"
	})
}

// What targets are told of a client is the listener's choice.
func TestWhatTargetsAreTold(t *testing.T) {
	var seen http.Header
	var host string
	back := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen, host = r.Header, r.Host }))
	defer back.Close()
	ask := func(o config.Options, hostRule string) *http.Response {
		t.Helper()
		cfg := settings(back)
		cfg.Listeners[0].Options, cfg.Groups[0].Host = o, hostRule
		r := start(t, cfg, nil)
		defer r.stop()
		req, err := http.NewRequest("GET", r.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host, req.Close = "shop.example", true
		for k, v := range map[string]string{"X-Forwarded-For": "192.0.2.9", "Via": "1.1 other", "Forwarded": "for=192.0.2.9", "X-Id": "given", "X-Forwarded-Client-Cert": "Subject=\"liar\""} {
			req.Header.Set(k, v)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res
	}
	ask(config.Options{}, "")
	if seen.Get("X-Forwarded-For") != "192.0.2.9, 127.0.0.1" || seen.Get("Via") != "1.1 other" || seen.Get("Forwarded") != "for=192.0.2.9" || host != "shop.example" || seen.Get("X-Forwarded-Client-Cert") != "" {
		t.Errorf("by default: %v, %s", seen, host)
	}
	ask(config.Options{ForwardedFor: config.Preserve}, config.HostOfTarget)
	if seen.Get("X-Forwarded-For") != "192.0.2.9" || host != address(back) {
		t.Errorf("preserve: %v, %s", seen, host)
	}
	ask(config.Options{ForwardedFor: config.Remove}, "inner.example")
	if seen.Get("X-Forwarded-For") != "" || host != "inner.example" {
		t.Errorf("remove: %v, %s", seen, host)
	}
	res := ask(config.Options{Forwarded: true, Via: "edge", RequestID: "X-Id"}, "")
	if seen.Get("Forwarded") != `for=192.0.2.9, for=127.0.0.1;host="shop.example";proto=http` || seen.Get("Via") != "1.1 other, 1.1 edge" || seen.Get("X-Id") != "given" || res.Header.Get("Via") != "1.1 edge" {
		t.Errorf("all: %v, %v", seen, res.Header)
	}
	ask(config.Options{RequestID: "X-Other"}, "")
	first := seen.Get("X-Other")
	ask(config.Options{RequestID: "X-Other"}, "")
	if len(first) != 32 || first == seen.Get("X-Other") {
		t.Errorf("ids %q and %q", first, seen.Get("X-Other"))
	}
}

// The statuses of failures are the listener's choice too.
func TestStatusesOfFailures(t *testing.T) {
	refused, release, err := socket.Refuse()
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	cfg := settings()
	cfg.Listeners[0].Options.Status = exchange.Statuses{Connect: 503, NoTarget: 502, HeadTooLarge: 400}
	cfg.Listeners[0].Limits = config.ListenerLimits{Line: 1024, Head: 2048}
	none := start(t, cfg, nil)
	if code, _ := get(t, none.url); code != 502 {
		t.Errorf("no target: %d", code)
	}
	cfg.Groups[0].Targets = []config.Target{{ID: "x", Address: refused}}
	r := start(t, cfg, nil)
	if code, _ := get(t, r.url); code != 503 {
		t.Errorf("no connection: %d", code)
	}
	c, rd := r.dial(t)
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: a\r\nX: %s\r\n\r\n", strings.Repeat("x", 1100))
	if lines := head(t, rd); len(lines) == 0 || !strings.HasPrefix(lines[0], "HTTP/1.1 400") {
		t.Errorf("a large head: %q", lines)
	}
}

// A body larger than what comes with the head is kept for a second target, up to the spool's bound.
func TestRetriesWithABody(t *testing.T) {
	for _, tc := range []struct {
		method  string
		size    int
		chunked bool
		want    int
	}{{"PUT", 50_000, false, 200}, {"PUT", 50_000, true, 200}, {"PUT", 80_000, false, 502}, {"POST", 50_000, false, 502}} {
		breaking := rawTarget(t, func(c net.Conn, r *bufio.Reader) {
			req, err := http.ReadRequest(r)
			if err == nil {
				_, _ = io.Copy(io.Discard, req.Body) // whatever comes
			}
		})
		var got []byte
		good := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got, _ = io.ReadAll(r.Body) }))
		defer good.Close()
		cfg := raws(breaking)
		cfg.Groups[0].Targets = append(cfg.Groups[0].Targets, config.Target{ID: "good", Address: address(good)})
		cfg.Groups[0].Retry = &group.Retry{Attempts: 1, On: group.OnError, Floor: 10, Spool: 64 << 10}
		r := start(t, cfg, nil)
		want := bytes.Repeat([]byte("x"), tc.size)
		req, err := http.NewRequest(tc.method, r.url, bytes.NewReader(want))
		if err != nil {
			t.Fatal(err)
		}
		req.Close = true
		if tc.chunked {
			req.ContentLength = -1
		}
		res, err := (&http.Transport{}).RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != tc.want || (tc.want == 200 && !bytes.Equal(got, want)) {
			t.Errorf("%+v: %d, %d bytes arrived", tc, res.StatusCode, len(got))
		}
	}
}

func TestDecisionLog(t *testing.T) {
	var text bytes.Buffer
	var mu sync.Mutex
	refused, release, err := socket.Refuse()
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	cfg := settings(server(t, "x"))
	cfg.Groups[0].Targets = append([]config.Target{{ID: "dead", Address: refused}}, cfg.Groups[0].Targets...)
	cfg.Groups[0].Retry = &group.Retry{Attempts: 1, On: group.OnConnect, Floor: 10}
	r := startWith(t, cfg, Options{Decisions: &Log{To: slog.New(slog.NewJSONHandler(locked{&mu, &text}, nil)), Share: 1}})
	get(t, r.url)
	r.stop()
	type decision struct {
		Choice, Reason string
		Attempt        int
		Tried          []string
		Candidates     []struct{ ID string }
	}
	var got []decision
	for lines := json.NewDecoder(&text); lines.More(); {
		var d decision
		if err := lines.Decode(&d); err != nil {
			t.Fatal(err)
		}
		got = append(got, d)
	}
	if len(got) != 2 || got[0].Choice != "dead" || got[0].Reason != "round_robin" || len(got[0].Candidates) != 2 ||
		got[1].Choice != "web-1" || got[1].Reason != "the only one left" || got[1].Attempt != 1 || len(got[1].Tried) != 1 {
		t.Errorf("%+v", got)
	}
}

// The decision log names the strategy that is in force, after a reload too.
func TestDecisionLogAfterReload(t *testing.T) {
	var text bytes.Buffer
	var mu sync.Mutex
	cfg := settings(server(t, "x"), server(t, "y"))
	r := startWith(t, cfg, Options{Decisions: &Log{To: slog.New(slog.NewJSONHandler(locked{&mu, &text}, nil)), Share: 1}})
	get(t, r.url)
	next := cfg
	next.Groups = slices.Clone(cfg.Groups)
	next.Groups[0].Strategy = spec.Written{Kind: "least_requests"}
	if err := r.Reload(next); err != nil {
		t.Fatal(err)
	}
	get(t, r.url)
	r.stop()
	var reasons []string
	for lines := json.NewDecoder(&text); lines.More(); {
		var d struct{ Reason string }
		if err := lines.Decode(&d); err != nil {
			t.Fatal(err)
		}
		reasons = append(reasons, d.Reason)
	}
	if want := []string{"round_robin", "least_requests"}; !slices.Equal(reasons, want) {
		t.Errorf("%q, want %q", reasons, want)
	}
}

// An expired certificate is refused when it takes the place of a good one, which stays in use; and it is said so.
func TestCertificateReload(t *testing.T) {
	dir := t.TempDir()
	good, expired, next := dir+"/good.pem", dir+"/expired.pem", dir+"/next.pem"
	selfSigned(t, good, "good", time.Now().Add(time.Hour))
	selfSigned(t, expired, "expired", time.Now().Add(-time.Hour))
	selfSigned(t, next, "next", time.Now().Add(time.Hour))
	used := dir + "/used.pem"
	put := func(from string) {
		t.Helper()
		b, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(used, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(good)
	cfg := settings(server(t, "x"))
	cfg.Listeners[0].TLS = &config.TLS{Files: []config.Pair{{Cert: used, Key: used}}}
	var mu sync.Mutex
	var notes []string
	r := startWith(t, cfg, Options{Note: func(s string) { mu.Lock(); defer mu.Unlock(); notes = append(notes, s) }})
	shown := func() string {
		t.Helper()
		c, err := tls.Dial("tcp", r.Addresses()[0], &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	for _, step := range []struct{ put, note, shown string }{
		{expired, "expired on", "good"}, {next, "new certificates are in use", "next"},
	} {
		put(step.put)
		if err := r.Reload(cfg); err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		if len(notes) == 0 || !strings.Contains(notes[len(notes)-1], step.note) {
			t.Errorf("%s: it said %q", step.put, notes)
		}
		mu.Unlock()
		if got := shown(); got != step.shown {
			t.Errorf("%s: %s is shown", step.put, got)
		}
	}
	r.stop()
}

// One of five targets that fails every fifth request is ejected for its success rate, though never for failures in a row.
func TestSuccessRateEjection(t *testing.T) {
	var back []*httptest.Server
	for i := range 5 {
		var n atomic.Int64
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if i == 2 && n.Add(1)%5 == 0 {
				w.WriteHeader(500)
			}
		}))
		t.Cleanup(s.Close)
		back = append(back, s)
	}
	cfg := settings(back...)
	cfg.Groups[0].Outliers = &health.OutlierConfig{
		Consecutive: 5, EjectFor: time.Minute, MaxEjectFor: time.Minute, MaxEjected: .5, SuccessRate: 1.9, Interval: 100 * time.Millisecond, Requests: 5, Hosts: 5,
	}
	r := start(t, cfg, nil)
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	await(t, "the ejection", func() bool {
		for range 50 {
			res, err := client.Get(r.url)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
		}
		return r.has("web-3 ejected")
	})
}

// A body that is larger than the listener allows is answered 413, as soon as that is known; nothing whole goes on.
func TestBodyLimit(t *testing.T) {
	var whole atomic.Int64
	back := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if b, err := io.ReadAll(r.Body); err == nil && len(b) > 100_000 {
			whole.Add(1)
		}
	}))
	defer back.Close()
	cfg := settings(back)
	cfg.Listeners[0].Limits.Body = 100_000
	r := start(t, cfg, nil)
	for _, tc := range []struct {
		size    int
		chunked bool
		want    string
	}{{100_000, false, "200"}, {100_000, true, "200"}, {100_001, false, "413"}, {300_000, true, "413"}} {
		c, rd := r.dial(t)
		framing := fmt.Sprintf("Content-Length: %d\r\n\r\n%s", tc.size, strings.Repeat("x", tc.size))
		if tc.chunked {
			framing = fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", tc.size, strings.Repeat("x", tc.size))
		}
		if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\n"+framing); err != nil && tc.want == "200" {
			t.Fatal(err)
		}
		if lines := head(t, rd); len(lines) == 0 || !strings.HasPrefix(lines[0], "HTTP/1.1 "+tc.want) {
			t.Errorf("%+v: %q", tc, lines)
		}
		c.Close()
	}
	if whole.Load() > 0 {
		t.Errorf("%d bodies that were too large arrived whole", whole.Load())
	}
}

// Targets' certificates are verified: by the authority, and by name.
func TestTargetsAreVerified(t *testing.T) {
	back := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer back.Close()
	ca := t.TempDir() + "/ca.pem"
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: back.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		tls  config.TargetTLS
		want int
		why  string
	}{
		{config.TargetTLS{CA: ca}, 200, ""}, {config.TargetTLS{CA: ca, Name: "example.com"}, 200, ""}, {config.TargetTLS{CA: ca, Name: "other.test"}, 502, "its certificate is for another name"},
		{config.TargetTLS{}, 502, "its certificate comes from an unknown authority"}, {config.TargetTLS{Insecure: true}, 200, ""},
	} {
		cfg := settings(back)
		cfg.Groups[0].TLS = &tc.tls
		r := start(t, cfg, nil)
		if code, body := get(t, r.url); code != tc.want || !strings.Contains(body, tc.why) {
			t.Errorf("%+v: %d %s", tc.tls, code, body)
		}
	}
}
