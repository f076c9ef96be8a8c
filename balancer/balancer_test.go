package balancer

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/health"
	"github.com/seed-8025779b/shakedown/balancer/route"
	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/loadgen/socket"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is a target that says who it is.
func server(t *testing.T, name string) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s xff=%s %s", name, r.Method, r.URL.Path, r.Header.Get("X-Forwarded-For"), body)
	}))
	t.Cleanup(s.Close)
	return s
}

// refusing is an address that refuses connections as long as the test runs.
func refusing(t *testing.T) string {
	t.Helper()
	address, release, err := socket.Refuse()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return address
}

func address(s *httptest.Server) string { return s.Listener.Addr().String() }

// running is a balancer under test, with the states its targets went through.
type running struct {
	*Balancer
	url    string
	mu     sync.Mutex
	states []string
	stop   func()
}

func (r *running) has(state string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.states {
		if s == state {
			return true
		}
	}
	return false
}

func start(t *testing.T, cfg config.Config, touch func(*chaos.Exchange) chaos.Effect) *running {
	t.Helper()
	return startWith(t, cfg, Options{Touch: touch})
}

func startWith(t *testing.T, cfg config.Config, opts Options) *running {
	t.Helper()
	r := &running{}
	opts.Events = func(_ string, e group.Effect) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if e.Kind == group.Changed {
			r.states = append(r.states, e.Target+" "+string(e.To))
		} else {
			r.states = append(r.states, e.Target+" trouble")
		}
	}
	b, err := New(cfg, opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Listen(); err != nil {
		t.Fatal(err)
	}
	r.Balancer, r.url = b, "http://"+b.Addresses()[0]
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Serve(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	t.Cleanup(func() {
		r.stop()
		await(t, "all connections to be given back", func() bool { return b.descriptors.Open() == 0 })
	})
	return r
}

func settings(targets ...*httptest.Server) config.Config {
	g := config.Group{Name: "web", Strategy: spec.Written{Kind: "round_robin"}, Drain: time.Second}
	for i, s := range targets {
		g.Targets = append(g.Targets, config.Target{ID: fmt.Sprint("web-", i+1), Address: address(s)})
	}
	return config.Config{Groups: []config.Group{g}, Listeners: []config.Listener{{Address: "127.0.0.1:0", Rules: route.Table{{Forward: "web"}}}}}
}

// get asks without keeping the connection, so that no idle one outlives the test.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(b)
}

func await(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !cond(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func TestProxies(t *testing.T) {
	r := start(t, settings(server(t, "one"), server(t, "two")), nil)
	for i, want := range []string{"one", "two", "one"} {
		if code, body := get(t, r.url+"/some/path"); code != 200 || body != want+" GET /some/path xff=127.0.0.1 " {
			t.Fatalf("answer %d: %d %q", i, code, body)
		}
	}
	res, err := http.Post(r.url+"/p", "text/plain", strings.NewReader(strings.Repeat("x", 100_000)))
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(res.Body)
	res.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if len(b) < 100_000 {
		t.Fatalf("%d bytes came back", len(b))
	}
	s := r.Stats()
	if n := s.Groups["web"][0].Requests + s.Groups["web"][1].Requests; n != 4 || s.Requests != 4 {
		t.Fatalf("%+v", s)
	}
}

func TestRulesAndNoTarget(t *testing.T) {
	cfg := settings(server(t, "web"))
	cfg.Groups = append(cfg.Groups, config.Group{Name: "empty", Strategy: spec.Written{Kind: "p2c"}})
	cfg.Listeners[0].Rules = route.Table{{Path: "/empty/*", Forward: "empty"}, {Path: "/web", Forward: "web"}}
	r := start(t, cfg, nil)
	for path, want := range map[string]int{"/web": 200, "/empty/x": 503, "/other": 503} {
		if code, _ := get(t, r.url+path); code != want {
			t.Errorf("%s: %d, want %d", path, code, want)
		}
	}
	if s := r.Stats(); s.Unrouted != 2 {
		t.Errorf("%d unrouted", s.Unrouted)
	}
}

// Each kind of rule, as clients and targets see it.
func TestRules(t *testing.T) {
	x := rawTarget(t, answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	cfg := settings(server(t, "web"))
	cfg.Groups = append(cfg.Groups, config.Group{Name: "raw", Strategy: spec.Written{Kind: "round_robin"}, Targets: []config.Target{{ID: "raw-1", Address: x.Addr().String()}}})
	cfg.Listeners[0].Rules = route.Table{
		{Path: "/old/*", Redirect: &route.Redirect{To: "https://{host}{path}?{query}", Status: 301}},
		{Path: "/teapot", Respond: &route.Respond{Status: 418, Body: "short and stout"}},
		{Path: "/api/*", Methods: []string{"GET"}, Headers: []route.Pair{{Name: "X-Beta", Value: "1"}}, Forward: "raw", Rewrite: &route.Rewrite{Prefix: "/api", To: "/v2"},
			Set: []route.Pair{{Name: "X-Set", Value: "yes"}, {Name: "User-Agent", Value: "balancer"}}, Remove: []string{"x-beta"}},
		{Sources: []string{"10.0.0.0/8"}, Respond: &route.Respond{Status: 403}},
		{Split: []route.Share{{Group: "web", Weight: 1}, {Group: "raw", Weight: 0}}},
	}
	r := start(t, cfg, nil)
	c, rd := r.dial(t)
	fmt.Fprint(c, "GET /old/x?y=1 HTTP/1.1\r\nHost: example.org:80\r\n\r\n")
	if got := strings.Join(head(t, rd), "|"); !strings.HasPrefix(got, "HTTP/1.1 301 Moved Permanently|") || !strings.Contains(got, "|Location: https://example.org/old/x?y=1") {
		t.Errorf("%s", got)
	}
	if code, body := get(t, r.url+"/teapot"); code != 418 || body != "short and stout" {
		t.Errorf("%d %s", code, body)
	}
	c, rd = r.dial(t)
	fmt.Fprint(c, "GET /api/x?y=1 HTTP/1.1\r\nHost: a\r\nX-Beta: 1\r\nUser-Agent: client\r\nX-Set: no\r\nConnection: close\r\n\r\n")
	if got := head(t, rd)[0]; got != "HTTP/1.1 200 OK" {
		t.Errorf("%s", got)
	}
	if got := x.text(); !strings.HasPrefix(got, "GET /v2/x?y=1 HTTP/1.1\r\nHost: a\r\nX-Set: yes\r\nUser-Agent: balancer\r\nX-Forwarded-For: ") {
		t.Errorf("the target got %q", got)
	}
	if code, body := get(t, r.url+"/api/x"); code != 200 || !strings.HasPrefix(body, "web GET /api/x") { // without the header
		t.Errorf("%d %s", code, body)
	}
}

func TestRetriesElsewhereWhenNoConnectionCouldBeMade(t *testing.T) {
	dead, alive := refusing(t), server(t, "alive")
	cfg := settings(alive, alive)
	cfg.Groups[0].Targets[0].Address = dead
	cfg.Groups[0].Retry = &group.Retry{Attempts: 1, On: group.OnConnect, Floor: 1000}
	cfg.Groups[0].Outliers = &health.OutlierConfig{Consecutive: 2, EjectFor: time.Hour, MaxEjectFor: time.Hour, MaxEjected: .5}
	r := start(t, cfg, nil)
	for range 6 {
		if code, body := get(t, r.url); code != 200 || !strings.HasPrefix(body, "alive") {
			t.Fatalf("%d %s", code, body)
		}
	}
	if !r.has("web-1 trouble") || !r.has("web-1 ejected") {
		t.Errorf("states %v", r.states)
	}
	if s := r.Stats(); s.Retries != 2 || s.Groups["web"][0].Requests != 2 {
		t.Errorf("%+v", s)
	}
}

// A request whose bytes were sent is not repeated: it may have been carried out.
func TestDoesNotRetryWhatWasSent(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var seen atomic.Int64
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 4096))
			seen.Add(1)
			c.Close()
		}
	}()
	cfg := settings(server(t, "other"))
	cfg.Groups[0].Targets = append([]config.Target{{ID: "rude", Address: l.Addr().String()}}, cfg.Groups[0].Targets...)
	cfg.Groups[0].Retry = &group.Retry{Attempts: 3, On: group.OnConnect, Floor: 1000}
	r := start(t, cfg, nil)
	if code, _ := get(t, r.url); code != 502 || seen.Load() != 1 {
		t.Fatalf("status %d after %d attempts", code, seen.Load())
	}
}

// With `on: error` and `on: 5xx` idempotent requests whose body is at hand are repeated; others are not, and a
// client gets the last answer when no further target is left.
func TestRetriesOfWhatMayBeRepeated(t *testing.T) {
	var bad atomic.Int64
	breaking := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		bad.Add(1)
		_, _ = io.ReadAll(r.Body)
		if r.URL.Path == "/status" {
			http.Error(w, "no", http.StatusBadGateway)
			return
		}
		panic(http.ErrAbortHandler)
	}))
	defer breaking.Close()
	good := server(t, "good")
	for _, tc := range []struct {
		on           group.RetryOn
		method, path string
		body         string
		want         int
	}{
		{group.OnConnect, "GET", "/break", "", 502}, {group.OnError, "GET", "/break", "", 200}, {group.OnError, "PUT", "/break", "small", 200},
		{group.OnError, "PUT", "/break", strings.Repeat("x", 1<<20), 502}, {group.OnError, "POST", "/break", "", 502},
		{group.OnError, "GET", "/status", "", 502}, {group.On5xx, "GET", "/status", "", 200}, {group.On5xx, "POST", "/status", "x", 502},
	} {
		cfg := settings(breaking, good)
		cfg.Groups[0].Retry = &group.Retry{Attempts: 2, On: tc.on, Floor: 1000}
		r := start(t, cfg, nil)
		bad.Store(0)
		req, err := http.NewRequest(tc.method, r.url+tc.path, strings.NewReader(tc.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Close = true
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatalf("%+v: %v", tc.path, err)
		}
		b, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != tc.want || bad.Load() != 1 || (tc.want == 200 && !strings.HasSuffix(string(b), tc.body)) {
			t.Errorf("%s %s %s with %d bytes: %d %.40q after %d bad attempts", tc.on, tc.method, tc.path, len(tc.body), res.StatusCode, b, bad.Load())
		}
		r.stop()
	}
	cfg := settings(breaking)
	cfg.Groups[0].Retry = &group.Retry{Attempts: 2, On: group.On5xx, Floor: 1000}
	if code, _ := get(t, start(t, cfg, nil).url+"/status"); code != 502 {
		t.Errorf("with nobody left: %d", code)
	}
}

// A group that fails open answers although no check passes.
func TestFailsOpen(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/health" {
			http.Error(w, "sick", http.StatusServiceUnavailable)
		}
	}))
	defer s.Close()
	cfg := settings(s)
	cfg.Groups[0].Health = &health.Config{Path: "/health", Interval: 10 * time.Millisecond, Timeout: 5 * time.Second, Healthy: 2, Unhealthy: 2}
	cfg.Groups[0].FailOpen = &group.FailOpen{Healthy: 1}
	r := start(t, cfg, nil)
	await(t, "an answer", func() bool { code, _ := get(t, r.url); return code == 200 })
}

func TestActiveChecks(t *testing.T) {
	var sick atomic.Bool
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/health" && sick.Load() {
			http.Error(w, "sick", http.StatusServiceUnavailable)
		}
	}))
	defer s.Close()
	cfg := settings(s)
	cfg.Groups[0].Health = &health.Config{Path: "/health", Interval: 10 * time.Millisecond, Timeout: 5 * time.Second, Healthy: 2, Unhealthy: 2}
	r := start(t, cfg, nil)
	await(t, "healthy", func() bool { return r.has("web-1 healthy") })
	sick.Store(true)
	await(t, "unhealthy", func() bool { return r.has("web-1 unhealthy") })
	if code, _ := get(t, r.url); code != 503 {
		t.Fatalf("status %d from an unhealthy group", code)
	}
	sick.Store(false)
	await(t, "service", func() bool { code, _ := get(t, r.url); return code == 200 })
}

// A target that answers a check with another protocol is unhealthy, and is checked again.
func TestCheckAnsweredByAnotherProtocol(t *testing.T) {
	var sick atomic.Bool
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !sick.Load() {
			return
		}
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
		_, _ = c.Read(make([]byte, 1)) // until the client closes
	}))
	defer s.Close()
	cfg := settings(s)
	cfg.Groups[0].Health = &health.Config{Path: "/health", Interval: 10 * time.Millisecond, Timeout: 5 * time.Second, Healthy: 1, Unhealthy: 2}
	r := start(t, cfg, nil)
	await(t, "healthy", func() bool { return r.has("web-1 healthy") })
	sick.Store(true)
	await(t, "unhealthy", func() bool { return r.has("web-1 unhealthy") })
	sick.Store(false)
	await(t, "service", func() bool { code, _ := get(t, r.url); return code == 200 })
}

// Checks of each kind, and what an answer must be.
func TestKindsOfChecks(t *testing.T) {
	var asked atomic.Pointer[string]
	checked := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		asked.Store(&host)
		w.WriteHeader(http.StatusAccepted)
		io.WriteString(w, "status: fine")
	}))
	defer checked.Close()
	_, text, _ := net.SplitHostPort(address(checked))
	port, _ := strconv.Atoi(text)
	silent, err := net.Listen("tcp", "127.0.0.1:0") // it takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	base := health.Config{Path: "/check", Interval: 10 * time.Millisecond, Timeout: 5 * time.Second, Healthy: 1, Unhealthy: 1}
	for _, tc := range []struct {
		name   string
		change func(*health.Config)
		want   string
	}{
		{"another status", func(*health.Config) {}, "trouble"},
		{"matcher", func(c *health.Config) { c.Matcher = health.Matcher{{200, 299}} }, "healthy"},
		{"body", func(c *health.Config) { c.Matcher, c.Body = health.Matcher{{202, 202}}, "fine" }, "healthy"},
		{"another body", func(c *health.Config) { c.Matcher, c.Body = health.Matcher{{202, 202}}, "ill" }, "trouble"},
		{"host", func(c *health.Config) { c.Matcher, c.Host = health.Matcher{{202, 202}}, "check.example.org" }, "healthy"},
	} {
		cfg := settings()
		c := base
		tc.change(&c)
		c.Port = port // the check is asked elsewhere than the requests
		cfg.Groups[0].Health = &c
		cfg.Groups[0].Targets = []config.Target{{ID: "web-1", Address: silent.Addr().String()}}
		r := start(t, cfg, nil)
		await(t, tc.name+": "+tc.want, func() bool { return r.has("web-1 " + tc.want) })
		r.stop()
		if c.Host != "" && *asked.Load() != c.Host {
			t.Errorf("%s: asked for %s", tc.name, *asked.Load())
		}
	}
	cfg := settings()
	cfg.Groups[0].Health = &health.Config{Kind: health.TCP, Interval: 10 * time.Millisecond, Timeout: 5 * time.Second, Healthy: 1, Unhealthy: 1}
	cfg.Groups[0].Targets = []config.Target{{ID: "web-1", Address: silent.Addr().String()}}
	r := start(t, cfg, nil)
	await(t, "a connection to be enough", func() bool { return r.has("web-1 healthy") })
	silent.Close()
	await(t, "a refused connection to count", func() bool { return r.has("web-1 unhealthy") })
}

func TestFaultsActOnExchangesAndProbes(t *testing.T) {
	var on atomic.Bool
	cfg := settings(server(t, "web"))
	cfg.Groups[0].Health = &health.Config{Path: "/health", Interval: 10 * time.Millisecond, Timeout: 5 * time.Second, Healthy: 1, Unhealthy: 2}
	r := start(t, cfg, func(x *chaos.Exchange) (e chaos.Effect) {
		if on.Load() && x.Target == "web-1" {
			e.Status = 500
			e.Delay = time.Millisecond
		}
		return e
	})
	await(t, "healthy", func() bool { return r.has("web-1 healthy") })
	on.Store(true)
	if code, _ := get(t, r.url); code != 500 && code != 503 { // 503 when the probes were faster
		t.Fatalf("status %d", code)
	}
	await(t, "probes to fail", func() bool { return r.has("web-1 unhealthy") })
}

// At full load a target is drained and another added: no request fails.
func TestChangesLoseNothing(t *testing.T) {
	one, two, three := server(t, "one"), server(t, "two"), server(t, "three")
	r := start(t, settings(one, two), nil)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var sent, failed atomic.Int64
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	for range 8 {
		wg.Go(func() {
			for ctx.Err() == nil {
				res, err := client.Get(r.url)
				sent.Add(1)
				if err != nil {
					failed.Add(1)
					continue
				}
				_, _ = io.Copy(io.Discard, res.Body)
				res.Body.Close()
				if res.StatusCode != 200 {
					failed.Add(1)
				}
			}
		})
	}
	await(t, "traffic", func() bool { return sent.Load() > 200 })
	if err := r.Drain("web", "web-1"); err != nil {
		t.Fatal(err)
	}
	await(t, "web-1 to be gone", func() bool { return r.has("web-1 gone") })
	one.Close()
	if err := r.Add("web", config.Target{ID: "web-3", Address: address(three)}); err != nil {
		t.Fatal(err)
	}
	before := sent.Load()
	await(t, "more traffic", func() bool { return sent.Load() > before+200 })
	cancel()
	wg.Wait()
	client.CloseIdleConnections()
	if failed.Load() != 0 {
		t.Fatalf("%d of %d requests failed", failed.Load(), sent.Load())
	}
	s := r.Stats().Groups["web"]
	if len(s) != 3 || s[2].Requests == 0 {
		t.Fatalf("%+v", s)
	}
	if err := r.Add("web", config.Target{ID: "web-2"}); err == nil {
		t.Error("an id was given twice")
	}
	if r.Drain("web", "nobody") == nil || r.Drain("nowhere", "web-1") == nil {
		t.Error("what is not there was drained")
	}
}

// A reload changes policies, brings a group in and takes one out, while requests come: none fails.
func TestReloadOfGroups(t *testing.T) {
	one, two := server(t, "one"), server(t, "two")
	r := start(t, settings(one), nil)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var sent, failed atomic.Int64
	client := &http.Client{Transport: &http.Transport{}}
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				sent.Add(1)
				if res, err := client.Get(r.url); err != nil || res.StatusCode != 200 {
					failed.Add(1)
				} else {
					_, _ = io.Copy(io.Discard, res.Body)
					res.Body.Close()
				}
			}
		})
	}
	more := func() {
		before := sent.Load()
		await(t, "traffic", func() bool { return sent.Load() > before+200 })
	}
	more()
	check := &health.Config{Path: "/", Interval: 20 * time.Millisecond, Timeout: time.Second, Healthy: 1, Unhealthy: 3}
	cfg := settings(one)
	cfg.Groups[0].Strategy = spec.Written{Kind: "maglev"}
	cfg.Groups[0].Health = check
	cfg.Groups[0].Limits = &group.Limits{Requests: 10, Queue: 10, Wait: time.Second}
	cfg.Groups[0].SlowStart = time.Second
	if err := r.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	more()
	next := settings(two)
	next.Groups[0].Name, next.Groups[0].Targets[0].ID, next.Groups[0].Health = "api", "api-1", check
	next.Listeners[0].Rules = route.Table{{Forward: "api"}}
	if err := r.Reload(next); err != nil {
		t.Fatal(err)
	}
	more()
	await(t, "the old group to be gone", func() bool { return r.has("web-1 gone") })
	if s := r.Stats(); len(s.Groups) != 1 || s.Groups["api"][0].Requests == 0 {
		t.Errorf("%+v", s.Groups)
	}
	if err := r.Reload(cfg); err != nil { // and back
		t.Fatal(err)
	}
	more()
	if r.Groups()[0].Strategy != "maglev" {
		t.Errorf("%+v", r.Groups())
	}
	cancel()
	wg.Wait()
	client.CloseIdleConnections()
	if failed.Load() > 0 {
		t.Errorf("%d of %d failed", failed.Load(), sent.Load())
	}
}

// What a reload changes, and what it refuses before it changes anything.
func TestReload(t *testing.T) {
	one, two := server(t, "one"), server(t, "two")
	r := start(t, settings(one), nil)
	cfg := settings(one, two)
	cfg.Groups[0].Targets[0].Weight = 5
	cfg.Listeners[0].Rules = route.Table{{Path: "/no", Respond: &route.Respond{Status: 403}}, {Forward: "web"}}
	if err := r.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	if s := r.Stats().Groups["web"]; len(s) != 2 || s[0].Weight != 5 || s[0].State != group.Healthy || s[1].State != group.Healthy {
		t.Errorf("%+v", s)
	}
	if code, _ := get(t, r.url+"/no"); code != 403 {
		t.Errorf("the new rule answers %d", code)
	}
	for want, change := range map[string]func(*config.Config){
		"only its rules can change": func(c *config.Config) { c.Listeners[0].Address = "127.0.0.1:1" },
		"number of listeners":       func(c *config.Config) { c.Listeners = append(c.Listeners, c.Listeners[0]) },
		"unknown kind":              func(c *config.Config) { c.Groups = append(c.Groups, config.Group{Name: "x"}) },
		"two groups web":            func(c *config.Config) { c.Groups = append(c.Groups, c.Groups[0]) },
		"spoken to can't change":    func(c *config.Config) { c.Groups[0].HTTP2 = true },
		"has another address now":   func(c *config.Config) { c.Groups[0].Targets[0].Address = "127.0.0.1:1" },
		"two targets web-1":         func(c *config.Config) { c.Groups[0].Targets[1].ID = "web-1" },
		"unknown group":             func(c *config.Config) { c.Listeners[0].Rules = route.Table{{Forward: "nowhere"}} },
		"exactly one of":            func(c *config.Config) { c.Listeners[0].Rules = route.Table{{}} },
	} {
		bad := settings(one, two)
		change(&bad)
		if err := r.Reload(bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if code, _ := get(t, r.url+"/no"); code != 403 || len(r.Stats().Groups["web"]) != 2 {
		t.Error("a reload that was refused has changed something")
	}
	if err := r.Reload(settings(two)); err == nil { // the id web-1 with two's address
		t.Error("another address under the same id was accepted")
	}
	only := settings(two)
	only.Groups[0].Targets[0].ID = "web-2"
	if err := r.Reload(only); err != nil {
		t.Fatal(err)
	}
	await(t, "web-1 to be gone", func() bool { return r.has("web-1 gone") })
	if code, body := get(t, r.url+"/no"); code != 200 || !strings.HasPrefix(body, "two") {
		t.Errorf("%d %s", code, body)
	}
}

func TestDiscardedRequestsAreCountedApart(t *testing.T) {
	cfg := settings(server(t, "web"))
	cfg.Discard, cfg.TrustSeq = []config.Span{{From: 0, To: 10}}, true
	r := start(t, cfg, nil)
	for _, seq := range []string{"3", "9", "10"} {
		req, _ := http.NewRequest("GET", r.url, nil)
		req.Header.Set("Shakedown-Seq", seq)
		req.Close = true
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
	}
	if s := r.Stats().Groups["web"][0]; s.Discarded != 2 || s.Requests != 1 {
		t.Fatalf("%+v", s)
	}
}

func TestBadConfigurations(t *testing.T) {
	good := func() config.Config { return settings() }
	for name, change := range map[string]func(*config.Config){
		"strategy":  func(c *config.Config) { c.Groups[0].Strategy.Kind = "magic" },
		"parameter": func(c *config.Config) { c.Groups[0].Strategy.Values = map[string]string{"x": "1"} },
		"rule":      func(c *config.Config) { c.Listeners[0].Rules[0].Forward = "nowhere" },
		"no action": func(c *config.Config) { c.Listeners[0].Rules[0].Forward = "" },
		"two ids":   func(c *config.Config) { c.Groups[0].Targets = []config.Target{{ID: "a"}, {ID: "a"}} },
	} {
		c := good()
		change(&c)
		if _, err := New(c, Options{}); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	c := good()
	c.Listeners[0].Address = taken.Addr().String()
	b, err := New(c, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Listen(); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("error %v", err)
	}
}
