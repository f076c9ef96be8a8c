package balancer

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"weak"

	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/health"
	"github.com/seed-8025779b/shakedown/balancer/pick"
	"github.com/seed-8025779b/shakedown/balancer/ratelimit"
	"github.com/seed-8025779b/shakedown/balancer/route"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// quick is a check that is over at once.
func quick() *health.Config {
	return &health.Config{Path: "/health", Interval: 20 * time.Millisecond, Timeout: time.Second, Healthy: 1, Unhealthy: 2}
}

// only is a configuration with one group of the given targets, by their ids.
func only(check *health.Config, targets ...config.Target) config.Config {
	cfg := settings()
	cfg.Groups[0].Health, cfg.Groups[0].Targets = check, targets
	return cfg
}

// load sends requests until stop is called, which fails the test when one of them was not answered 200.
func load(t *testing.T, url string) (more, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var sent, failed atomic.Int64
	var example atomic.Value
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				sent.Add(1)
				res, err := client.Get(url)
				if err != nil {
					failed.Add(1)
					example.Store(err.Error())
					continue
				}
				text, _ := io.ReadAll(res.Body)
				res.Body.Close()
				if res.StatusCode != http.StatusOK {
					failed.Add(1)
					example.Store(res.Status + " " + string(text))
				}
			}
		})
	}
	more = func() {
		t.Helper()
		before := sent.Load()
		await(t, "traffic", func() bool { return sent.Load() > before+200 })
	}
	stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
		client.CloseIdleConnections()
		if failed.Load() > 0 {
			t.Errorf("%d of %d requests failed, the last: %v", failed.Load(), sent.Load(), example.Load())
		}
	})
	t.Cleanup(stop)
	return more, stop
}

// states are the states of a group's targets, as "id state".
func (r *running) statesOf(group string) string {
	var out []string
	for _, x := range r.Stats().Groups[group] {
		if x.State != "gone" {
			out = append(out, x.ID+" "+string(x.State))
		}
	}
	return strings.Join(out, ", ")
}

// A target that still drains when it is wanted again stays.
func TestReloadBackToATargetThatDrains(t *testing.T) {
	for name, check := range map[string]*health.Config{"checked": quick(), "unchecked": nil} {
		t.Run(name, func(t *testing.T) {
			held, released := make(chan struct{}), make(chan struct{})
			release := sync.OnceFunc(func() { close(released) })
			a := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/hold" {
					close(held)
					<-released
				}
			}))
			defer a.Close()
			defer release()
			b := server(t, "b")
			ta, tb := config.Target{ID: "a", Address: address(a)}, config.Target{ID: "b", Address: address(b)}
			with := func(targets ...config.Target) config.Config {
				cfg := only(check, targets...)
				cfg.Groups[0].Drain = time.Minute
				return cfg
			}
			r := start(t, with(ta), nil)
			await(t, "a", r.Ready)
			done := make(chan int, 1)
			go func() {
				code, _ := get(t, r.url+"/hold")
				done <- code
			}()
			<-held
			if err := r.Reload(with(tb)); err != nil {
				t.Fatal(err)
			}
			if got := r.statesOf("web"); got != "a draining, b healthy" {
				t.Fatalf("after the first reload: %s", got)
			}
			ta.Weight = 7
			if err := r.Reload(with(ta)); err != nil {
				t.Fatal(err)
			}
			if got := r.statesOf("web"); got != "a healthy" {
				t.Errorf("after the second reload: %s", got)
			}
			release()
			if code := <-done; code != 200 {
				t.Errorf("the request that ran: %d", code)
			}
			if code, _ := get(t, r.url); code != 200 {
				t.Errorf("in the end: %d", code)
			}
			if got := r.Stats().Groups["web"][0]; got.State != group.Healthy || got.Weight != 7 {
				t.Errorf("in the end: %+v", got)
			}
		})
	}
}

// New targets of a group are known to be healthy before the old ones leave: no request meets a group without a target.
func TestReloadSwapsTargets(t *testing.T) {
	a, b := server(t, "a"), httptest.NewUnstartedServer(nil)
	var up atomic.Bool
	b.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !up.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	b.Start()
	defer b.Close()
	ta, tb := config.Target{ID: "a", Address: address(a)}, config.Target{ID: "b", Address: address(b)}
	slower := quick()
	slower.Path, slower.Unhealthy = "/other", 3
	for name, next := range map[string]*health.Config{"same check": quick(), "another check": slower, "no check": nil} {
		t.Run(name, func(t *testing.T) {
			up.Store(next == nil)
			r := start(t, only(quick(), ta), nil)
			await(t, "a", r.Ready)
			more, stop := load(t, r.url)
			more()
			reloaded := make(chan error, 1)
			go func() { reloaded <- r.Reload(only(next, tb)) }()
			if next != nil {
				await(t, "b to be there", func() bool { return r.statesOf("web") == "a healthy, b initial" })
				more()
				if got := r.statesOf("web"); got != "a healthy, b initial" {
					t.Errorf("before b is healthy: %s", got)
				}
				up.Store(true)
			}
			if err := <-reloaded; err != nil {
				t.Fatal(err)
			}
			more()
			stop()
			await(t, "a to be gone", func() bool { return r.statesOf("web") == "b healthy" })
		})
	}
}

// A swap to targets that are dead is refused in time, and nothing of the reload is in force: neither rules, nor other
// groups, nor settings.
func TestReloadToDeadTargets(t *testing.T) {
	a, dead := server(t, "a"), refusing(t)
	ta := config.Target{ID: "a", Address: address(a)}
	for name, check := range map[string]*health.Config{"checked before": quick(), "not checked before": nil} {
		t.Run(name, func(t *testing.T) {
			r := startWith(t, only(check, ta), Options{ReadyWithin: 300 * time.Millisecond})
			await(t, "a", r.Ready)
			more, stop := load(t, r.url)
			bad := only(quick(), config.Target{ID: "b", Address: dead}, config.Target{ID: "c", Address: dead})
			bad.Groups[0].Strategy = spec.Written{Kind: "random"}
			bad.Groups = append(bad.Groups, config.Group{Name: "api", Strategy: spec.Written{Kind: "random"}, Targets: []config.Target{ta}})
			bad.Listeners[0].Rules = route.Table{{Path: "/no", Respond: &route.Respond{Status: 403}}, {Forward: "web"}}
			err := r.Reload(bad)
			if err == nil || !strings.Contains(err.Error(), "group web: none of the targets in the new configuration became healthy within 300ms: the old ones stay") {
				t.Fatal(err)
			}
			more()
			stop()
			await(t, "the new targets to be gone", func() bool { return r.statesOf("web") == "a healthy" })
			if code, _ := get(t, r.url+"/no"); code != 200 {
				t.Errorf("the refused rule answers %d", code)
			}
			if g := r.Groups(); len(g) != 1 || g[0].Strategy != "round_robin" {
				t.Errorf("%+v", g)
			}
		})
	}
}

// When only some of the new targets come, the swap goes on and a person is told. Where no target that leaves takes traffic
// there is nothing to wait for.
func TestReloadWithDeadTargetsAmongOthers(t *testing.T) {
	a, b, dead := server(t, "a"), server(t, "b"), refusing(t)
	ta, tb, td := config.Target{ID: "a", Address: address(a)}, config.Target{ID: "b", Address: address(b)}, config.Target{ID: "dead", Address: dead}
	var notes []string
	r := startWith(t, only(quick(), ta), Options{ReadyWithin: 300 * time.Millisecond, Note: func(s string) { notes = append(notes, s) }})
	await(t, "a", r.Ready)
	if err := r.Reload(only(quick(), tb, td)); err != nil {
		t.Fatal(err)
	}
	if len(notes) != 1 || !strings.Contains(notes[0], "group web: not healthy within 300ms: dead; the old targets leave all the same") {
		t.Errorf("%q", notes)
	}
	await(t, "a to be gone", func() bool { return !strings.Contains(r.statesOf("web"), "a ") })
	if code, _ := get(t, r.url); code != 200 {
		t.Errorf("%d", code)
	}
	r = startWith(t, only(quick(), td), Options{ReadyWithin: time.Hour})
	if err := r.Reload(only(quick(), ta)); err != nil {
		t.Fatal(err)
	}
	await(t, "a", func() bool { return r.statesOf("web") == "a healthy" })
}

// What a reload takes out is released: after many of them there is no more than at the beginning, also of connections of
// HTTP/2 and of targets that drain while a reload comes.
func TestReloadsLeaveNothing(t *testing.T) {
	one, two := h2Server(t), h2Server(t)
	cfg := func(i int) config.Config {
		c := settings()
		g := &c.Groups[0]
		g.Name, g.HTTP2, g.Health = fmt.Sprint("web-", i%3), true, quick()
		g.Targets = []config.Target{{ID: fmt.Sprint("t-", i), Address: address(one)}, {ID: "other", Address: address(two)}}
		same := c.Groups[0] // a group that stays, whose targets change
		same.Name = "same"
		c.Groups = append(c.Groups, same)
		c.Listeners[0].Rules = route.Table{{Path: "/same", Forward: "same"}, {Forward: g.Name}}
		return c
	}
	r := start(t, cfg(0), nil)
	await(t, "targets", r.Ready)
	more, stop := load(t, r.url)
	moreSame, stopSame := load(t, r.url+"/same")
	settled := func() bool {
		r.Balancer.mu.Lock()
		retired := len(r.retired)
		r.Balancer.mu.Unlock()
		n := 0
		for _, targets := range r.Stats().Groups {
			for _, x := range targets {
				if x.State != "gone" {
					n++
				}
			}
		}
		return retired == 0 && n == 4
	}
	var goroutines, files int
	const reloads = 200
	for i := 1; i <= reloads; i++ {
		if err := r.Reload(cfg(i)); err != nil {
			t.Fatal(err)
		}
		if i == 5 { // with everything that the first ones make once
			await(t, "the first to be gone", settled)
			more()
			moreSame()
			goroutines, files = runtime.NumGoroutine(), descriptors(t)
		}
	}
	await(t, "the retired groups to be gone", settled)
	more()
	moreSame()
	const slack = 12 // probes and connections come and go
	await(t, "goroutines and descriptors to be as few as before", func() bool {
		return runtime.NumGoroutine() <= goroutines+slack && descriptors(t) <= files+slack
	})
	stop()
	stopSame()
}

// h2Server is a target that speaks HTTP/2 by prior knowledge.
func h2Server(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.Config.Protocols = &http.Protocols{}
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// A group that is taken out while a request, which was routed to it, has not chosen its target yet still answers it.
func TestReloadWhileARequestIsOnItsWay(t *testing.T) {
	one, two := server(t, "one"), server(t, "two")
	cfg := settings(one)
	cfg.Groups[0].Retry = &group.Retry{Attempts: 1, On: group.OnError, Floor: 10, Spool: 1 << 16}
	cfg.Groups[0].Drain = time.Minute
	r := start(t, cfg, nil)
	c, rd := r.dial(t)
	fmt.Fprint(c, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab") // its body is kept for a retry, and awaited first
	await(t, "the request to be routed", func() bool { return r.owners()[0].pool.Requests() == 1 })
	next := settings(two)
	next.Groups[0].Name = "api"
	next.Listeners[0].Rules = route.Table{{Forward: "api"}}
	if err := r.Reload(next); err != nil {
		t.Fatal(err)
	}
	if code, body := get(t, r.url); code != 200 || !strings.HasPrefix(body, "two") {
		t.Errorf("another request meanwhile: %d %s", code, body)
	}
	fmt.Fprint(c, "cd")
	res, err := http.ReadResponse(rd, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 200 || !strings.HasPrefix(string(body), "one") {
		t.Errorf("%d %s, %v", res.StatusCode, body, err)
	}
	await(t, "the group to be released", func() bool {
		r.Balancer.mu.Lock()
		defer r.Balancer.mu.Unlock()
		return len(r.retired) == 0
	})
}

// A reload that mends a check and takes a target away at once goes by the new check: a target that only the old one took
// for sick comes into service before the other leaves.
func TestReloadMendsACheck(t *testing.T) {
	var sick atomic.Bool
	sick.Store(true)
	a := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/old" && sick.Load() {
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer a.Close()
	ta, tb := config.Target{ID: "a", Address: address(a)}, config.Target{ID: "b", Address: address(server(t, "b"))}
	old := quick()
	old.Path = "/old"
	r := start(t, only(old, ta, tb), nil)
	await(t, "b", func() bool { return r.statesOf("web") == "a initial, b healthy" })
	more, stop := load(t, r.url)
	more()
	if err := r.Reload(only(quick(), ta)); err != nil {
		t.Fatal(err)
	}
	more()
	stop()
	await(t, "b to be gone", func() bool { return r.statesOf("web") == "a healthy" })
}

// A connection that is idle does not hold the configuration that its latest request has met: a limit's table has a megabyte.
func TestIdleConnectionsHoldNoOldConfiguration(t *testing.T) {
	x := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(x.Close)
	limited := func(rate float64) config.Config {
		cfg := only(nil, config.Target{ID: "a", Address: x.Listener.Addr().String()})
		cfg.Listeners[0].Rules = route.Table{{Forward: "web", Limit: &ratelimit.Config{Rate: rate, Burst: 1, By: pick.Key{From: ratelimit.Everybody}}}}
		return cfg
	}
	r := start(t, limited(1e-6), nil)
	c, answers := r.dial(t)
	for n, statuses := range [][]int{{200}, {200, 429}} { // the last is of a request that the limit refuses
		for _, status := range statuses {
			if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			res, err := http.ReadResponse(answers, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != status {
				t.Fatal(res.StatusCode, err)
			}
		}
		old := weak.Make(&r.routing[0].Load().Rules[0])
		if err := r.Reload(limited(1e-6 * float64(n+2))); err != nil {
			t.Fatal(err)
		}
		await(t, "the old rules to be let go of", func() bool {
			runtime.GC()
			return old.Value() == nil
		})
	}
}
