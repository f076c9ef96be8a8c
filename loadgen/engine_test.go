package loadgen

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/attempt"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/mix"
	"github.com/seed-8025779b/shakedown/loadgen/pace"
	"github.com/seed-8025779b/shakedown/loadgen/profile"
	"github.com/seed-8025779b/shakedown/loadgen/socket"
)

// play offers an even load to the configuration's target, and returns the samples in the order of their ends.
func play(t *testing.T, ctx context.Context, engine string, c attempt.Config, rate, seconds float64) []*measure.Sample {
	t.Helper()
	s := profile.Schedule{Profile: profile.New(profile.Hold{PerSecond: rate, Seconds: seconds}), Arrivals: profile.Even}
	return playSchedule(t, ctx, engine, c, s, pace.NewClock(pace.Monotonic()))
}

// playSchedule plays a schedule, of GET requests when the configuration has no mix, and returns the samples in the
// order of their ends. Nothing may be in flight after it.
func playSchedule(t *testing.T, ctx context.Context, engine string, c attempt.Config, s profile.Schedule, clock pace.Clock) []*measure.Sample {
	t.Helper()
	if c.Mix == nil {
		c.Mix = requests(t, mix.Set{Requests: []mix.Request{{Name: "get", Method: "GET", Path: "/x?y=1", Weight: 1, Headers: []mix.Header{{Name: "a", Value: "b"}}}}})
	}
	e, _, err := New(engine, c)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var out []*measure.Sample
	err = e.Play(ctx, s, clock, func(s *measure.Sample) {
		mu.Lock()
		defer mu.Unlock()
		kept := *s // the engine may use its own again
		kept.Retried = slices.Clone(s.Retried)
		out = append(out, &kept)
	})
	if err != nil || e.InFlight() != 0 {
		t.Fatalf("%d in flight, %v", e.InFlight(), err)
	}
	return out
}

func requests(t *testing.T, set mix.Set) *mix.Mix {
	t.Helper()
	m, err := mix.New(1, set)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// each runs a test for every engine: they keep one contract.
func each(t *testing.T, test func(t *testing.T, engine string)) {
	for _, engine := range Names() {
		t.Run(engine, func(t *testing.T) { test(t, engine) })
	}
}

func TestSamplesCarryIdentityAndStages(t *testing.T) { each(t, samplesCarryIdentityAndStages) }

func samplesCarryIdentityAndStages(t *testing.T, engine string) {
	var mu sync.Mutex
	seen := map[string]int{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen[r.Header.Get(mix.SeqHeader)]++
		if r.URL.String() != "/base/x?y=1" || r.Header.Get("a") != "b" {
			http.Error(w, "wrong request "+r.URL.String(), 400)
		}
		io.WriteString(w, "hello")
	}))
	defer srv.Close()
	got := play(t, t.Context(), engine, attempt.Config{Target: srv.URL + "/base/", Timeout: 5 * time.Second, Connections: 4, Identify: true}, 200, .5)
	if len(got) != 100 || len(seen) != 100 {
		t.Fatalf("%d samples, %d identities", len(got), len(seen))
	}
	for _, s := range got {
		want := time.Duration((float64(s.Seq) + .5) / 200 * 1e9)
		if s.Due != want || s.Offered < s.Due || s.Sent < s.Offered || s.First < s.Sent || s.Done < s.First {
			t.Fatalf("stamps out of order, or due at %v: %+v", want, s)
		}
		if s.Outcome != measure.Succeeded || s.Status != 200 || s.BytesIn != 5 {
			t.Fatalf("%+v", s)
		}
	}
}

func TestCancelledIsNeitherSuccessNorFailure(t *testing.T) { each(t, cancelledIsNeither) }

func cancelledIsNeither(t *testing.T, engine string) {
	release := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-release }))
	defer srv.Close()
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	got := play(t, ctx, engine, attempt.Config{Target: srv.URL, Timeout: time.Minute, Connections: 100}, 50, 60)
	if len(got) == 0 || len(got) > 50 {
		t.Fatalf("%d samples", len(got))
	}
	for _, s := range got {
		if s.Outcome != measure.Cancelled || s.Class != "" {
			t.Fatalf("%+v", s)
		}
	}
}

// A response that says 200 and not what was expected has failed, in a class of its own.
func TestExpectationsFail(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Kind", "good")
			if r.URL.Path == "/error" {
				w.WriteHeader(http.StatusNotFound)
			}
			io.WriteString(w, "all is well")
		}))
		defer srv.Close()
		for _, tc := range []struct {
			path   string
			expect mix.Expect
			want   measure.Class
		}{
			{"/", mix.Expect{Status: 200, Body: "is well", Headers: []mix.Header{{Name: "x-kind", Value: "good"}}}, ""},
			{"/", mix.Expect{Body: "out of stock"}, measure.Expectation},
			{"/", mix.Expect{Headers: []mix.Header{{Name: "x-kind", Value: "bad"}}}, measure.Expectation},
			{"/error", mix.Expect{Status: 404}, ""},
			{"/error", mix.Expect{Body: "is well"}, measure.Status4xx},
		} {
			m := requests(t, mix.Set{Requests: []mix.Request{{Name: "x", Method: "GET", Path: tc.path, Weight: 1, Expect: &tc.expect}}})
			e, _, err := New(engine, attempt.Config{Target: srv.URL, Mix: m, Timeout: 5 * time.Second, Connections: 2})
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			s := profile.Schedule{Profile: profile.New(profile.Hold{PerSecond: 100, Seconds: .05}), Arrivals: profile.Even}
			var mu sync.Mutex
			if err := e.Play(t.Context(), s, pace.NewClock(pace.Monotonic()), func(s *measure.Sample) {
				mu.Lock()
				defer mu.Unlock()
				n++
				if s.Class != tc.want || (s.Outcome == measure.Failed) != (tc.want != "") {
					t.Errorf("%s %+v: %s (%s)", tc.path, tc.expect, s.Class, s.Detail)
				}
			}); err != nil || n != 5 {
				t.Fatalf("%d samples, %v", n, err)
			}
		}
	})
}

func TestBadConfigurations(t *testing.T) {
	m := requests(t, mix.Set{Requests: []mix.Request{{Name: "get", Method: "GET", Path: "/", Weight: 1}}})
	each(t, func(t *testing.T, engine string) {
		for _, target := range []string{"", "ftp://x", "127.0.0.1:80", "http://", "http://a b"} {
			if _, _, err := New(engine, attempt.Config{Target: target, Mix: m}); err == nil {
				t.Errorf("%q was accepted", target)
			}
		}
	})
	if _, _, err := New("warp", attempt.Config{Target: "http://x", Mix: m}); err == nil {
		t.Error("an unknown engine was accepted")
	}
}

// each option is had by an engine, or refused by it.
func TestUnsupported(t *testing.T) {
	m := requests(t, mix.Set{Requests: []mix.Request{{Name: "get", Method: "GET", Path: "/", Weight: 1}}})
	for engine, configs := range map[string][]attempt.Config{
		"wire":   {{HTTP2: true}, {Redirects: 1}},
		"vegeta": {{Cookies: true}, {PerConn: 1}},
	} {
		for _, c := range configs {
			c.Target, c.Mix = "http://x", m
			if _, _, err := New(engine, c); err == nil || !strings.Contains(err.Error(), "engine "+engine+" has no ") {
				t.Errorf("%s: %v", engine, err)
			}
			if other := Choose(c); other == engine || Unsupported(other, c) != "" {
				t.Errorf("%+v chooses %s", c, other)
			}
		}
	}
}

// Templates are filled in the same by both engines, wherever they stand.
func TestTemplatesAreSent(t *testing.T) {
	seen := map[string]map[string]bool{}
	each(t, func(t *testing.T, engine string) {
		var mu sync.Mutex
		seen[engine] = map[string]bool{}
		srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			body, _ := io.ReadAll(r.Body)
			seen[engine][r.URL.String()+" "+r.Header.Get("X-Id")+" "+string(body)] = true
		}))
		defer srv.Close()
		m := requests(t, mix.Set{Requests: []mix.Request{{
			Name: "x", Method: "POST", Path: "/{{seq}}?id={{uuid}}", Weight: 1, Headers: []mix.Header{{Name: "x-id", Value: "{{uuid}}"}}, Body: "{{pick a b}}{{int 1 9}}",
		}}})
		for _, s := range play(t, t.Context(), engine, attempt.Config{Target: srv.URL, Mix: m, Timeout: 5 * time.Second, Connections: 4}, 200, .2) {
			if s.Outcome != measure.Succeeded || s.BytesOut != 2 {
				t.Fatalf("%+v", s)
			}
		}
	})
	if len(seen["wire"]) != 40 || !maps.Equal(seen["wire"], seen["vegeta"]) {
		t.Errorf("wire sent %v\nvegeta sent %v", seen["wire"], seen["vegeta"])
	}
}

// A body counts as sent when its request was: not when no connection came about.
func TestBodiesThatWereNotSent(t *testing.T) { each(t, bodiesNotSent) }

func bodiesNotSent(t *testing.T, engine string) {
	refusing, release, err := socket.Refuse()
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	cut := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }))
	defer cut.Close()
	for target, want := range map[string]int64{"http://" + refusing: 0, strings.Replace(cut.URL, "http:", "https:", 1): 0, cut.URL: 4} {
		m := requests(t, mix.Set{Requests: []mix.Request{{Name: "x", Method: "POST", Path: "/", Weight: 1, Body: "body"}}})
		list := play(t, t.Context(), engine, attempt.Config{Target: target, Mix: m, Timeout: 5 * time.Second, Connections: 2}, 50, .1)
		for _, s := range list {
			if s.Outcome != measure.Failed || s.BytesOut != want {
				t.Errorf("%s: %d bytes, want %d: %+v", target, s.BytesOut, want, s)
			}
		}
		if len(list) != 5 {
			t.Errorf("%s: %d requests", target, len(list))
		}
	}
}

// A user keeps the cookies it was given, over reconnects, and sends them where they belong; a connection is
// replaced after its share of requests.
func TestCookiesAndTheLimitOfRequests(t *testing.T) {
	var mu sync.Mutex
	visits, conns, wrong := map[string]int{}, map[string]int{}, ""
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		conns[r.RemoteAddr]++
		id, err := r.Cookie("id")
		if err != nil {
			id = &http.Cookie{Name: "id", Value: fmt.Sprint("user", len(visits))}
			http.SetCookie(w, id)
			http.SetCookie(w, &http.Cookie{Name: "other", Value: "x", Path: "/other"})
		}
		if _, err := r.Cookie("other"); err == nil {
			wrong = r.Header.Get("Cookie")
		}
		visits[id.Value]++
	}))
	defer srv.Close()
	m := requests(t, mix.Set{Requests: []mix.Request{{Name: "x", Method: "GET", Path: "/a", Weight: 1}}})
	e, _, err := New("wire", attempt.Config{Target: srv.URL, Mix: m, Timeout: 5 * time.Second, Connections: 3, PerConn: 4, Cookies: true})
	if err != nil {
		t.Fatal(err)
	}
	s := profile.Schedule{Profile: profile.New(profile.Pause{Seconds: .3}), Closed: []profile.Closed{{To: 300 * time.Millisecond, Users: 3, Think: 5 * time.Millisecond}}}
	var failed atomic.Int64
	if err := e.Play(t.Context(), s, pace.NewClock(pace.Monotonic()), func(s *measure.Sample) {
		if s.Outcome != measure.Succeeded {
			failed.Add(1)
		}
	}); err != nil || failed.Load() > 0 || e.InFlight() != 0 {
		t.Fatalf("%d failed, %d in flight, %v", failed.Load(), e.InFlight(), err)
	}
	if len(visits) != 3 || wrong != "" {
		t.Errorf("visits by user %v; a cookie that went astray: %q", visits, wrong)
	}
	for c, n := range conns {
		if n > 4 {
			t.Errorf("%d requests on connection %s", n, c)
		}
	}
	if len(conns) < 6 {
		t.Errorf("%d connections", len(conns))
	}
}

// The ceiling is a rate that the engine really carries: some thousands a second even on a slow machine.
func TestCalibrate(t *testing.T) {
	m := requests(t, mix.Set{Requests: []mix.Request{{Name: "x", Method: "POST", Path: "/{{seq}}", Body: "{{uuid}}", Weight: 1}}})
	for engine, c := range map[string]attempt.Config{"wire": {}, "vegeta": {HTTP2: true}} {
		c.Mix, c.Connections = m, 100
		ceiling, err := Calibrate(t.Context(), engine, c)
		if err != nil || !(ceiling > 100) || ceiling > 1e7 {
			t.Errorf("%s: %v, %v", engine, ceiling, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if ceiling, err := Calibrate(ctx, "wire", attempt.Config{Mix: m, Connections: 1}); ceiling != 0 {
		t.Errorf("after it was interrupted: %v, %v", ceiling, err)
	}
}
