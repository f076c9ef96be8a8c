package loadgen

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/mix"
	"github.com/seed-8025779b/shakedown/loadgen/pace"
	"github.com/seed-8025779b/shakedown/loadgen/profile"
)

func play(t *testing.T, ctx context.Context, c Config, rate, seconds float64) []*measure.Sample {
	t.Helper()
	m, err := mix.New(1, []mix.Request{{Name: "get", Method: "GET", Path: "/x?y=1", Weight: 1, Headers: map[string]string{"a": "b"}}})
	if err != nil {
		t.Fatal(err)
	}
	c.Mix = m
	e, _, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var out []*measure.Sample
	s := profile.Schedule{Profile: profile.New(profile.Hold{PerSecond: rate, Seconds: seconds}), Arrivals: profile.Even}
	err = e.Play(ctx, s, pace.NewClock(pace.Monotonic()), func(s *measure.Sample) {
		mu.Lock()
		defer mu.Unlock()
		kept := *s // the engine may use its own again
		out = append(out, &kept)
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
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
	got := play(t, t.Context(), Config{Engine: engine, Target: srv.URL + "/base/", Timeout: 5 * time.Second, Connections: 4, Identify: true}, 200, .5)
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

// One connection, held by a server that never answers, and a burst: what finds no connection in time is
// dropped, as slow as the timeout; nothing is lost from the count.
func TestDropsWhenNoConnectionIsFree(t *testing.T) { each(t, dropsWhenNoConnectionIsFree) }

func dropsWhenNoConnectionIsFree(t *testing.T, engine string) {
	release := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer srv.Close()
	defer close(release)
	got := play(t, t.Context(), Config{Engine: engine, Target: srv.URL, Timeout: 200 * time.Millisecond, Connections: 1}, 100_000, .001)
	dropped := 0
	for _, s := range got {
		if s.Outcome == measure.Succeeded {
			t.Fatalf("%+v", s)
		}
		if s.Outcome == measure.Dropped {
			dropped++
			if s.Response() < 200*time.Millisecond || s.Class != measure.NoConnection || s.Sent != 0 {
				t.Fatalf("%+v", s)
			}
		}
	}
	if len(got) != 100 || dropped == 0 {
		t.Fatalf("%d samples, %d dropped", len(got), dropped)
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
	got := play(t, ctx, Config{Engine: engine, Target: srv.URL, Timeout: time.Minute, Connections: 100}, 50, 60)
	if len(got) == 0 || len(got) > 50 {
		t.Fatalf("%d samples", len(got))
	}
	for _, s := range got {
		if s.Outcome != measure.Cancelled || s.Class != "" {
			t.Fatalf("%+v", s)
		}
	}
}

// Every class comes from a real misbehaving server.
func TestClasses(t *testing.T) { each(t, classes) }

func classes(t *testing.T, engine string) {
	raw := func(answer func(net.Conn)) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer c.Close()
					_, _ = c.Read(make([]byte, 4096))
					answer(c)
				}()
			}
		}()
		return "http://" + l.Addr().String()
	}
	status := func(code int) string {
		return raw(func(c net.Conn) { fmt.Fprintf(c, "HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n", code) })
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	plain := raw(func(c net.Conn) { fmt.Fprint(c, "this is not TLS") })
	hold := func(c net.Conn) { _, _ = c.Read(make([]byte, 1)) } // until the client gives up
	for _, tc := range []struct {
		name, target string
		want         measure.Class
	}{
		{"refused", "http://" + closed.Addr().String(), measure.Refused},
		{"dns", "http://name.invalid", measure.DNS},
		{"tls", strings.Replace(plain, "http://", "https://", 1), measure.TLS},
		{"4xx", status(404), measure.Status4xx},
		{"5xx", status(503), measure.Status5xx},
		{"garbage", raw(func(c net.Conn) { fmt.Fprint(c, "garbage\r\n\r\n") }), measure.Malformed},
		{"closed", raw(func(net.Conn) {}), measure.ClosedEarly},
		{"short body", raw(func(c net.Conn) { fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc") }), measure.ClosedEarly},
		{"reset", raw(func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) }), measure.Reset},
		{"silent", raw(hold), measure.FirstByteTimeout},
		{"endless", raw(func(c net.Conn) { fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\na"); hold(c) }), measure.Timeout},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := play(t, t.Context(), Config{Engine: engine, Target: tc.target, Timeout: 300 * time.Millisecond, Connections: 2}, 10, .15)
			if len(got) != 2 { // due at 50 and 150 ms, the second on the edge
				if len(got) != 1 {
					t.Fatalf("%d samples", len(got))
				}
			}
			if s := got[0]; s.Outcome != measure.Failed || s.Class != tc.want || s.Detail == "" {
				t.Fatalf("%s (%s), want %s", s.Class, s.Detail, tc.want)
			}
		})
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
			m, err := mix.New(1, []mix.Request{{Name: "x", Method: "GET", Path: tc.path, Weight: 1, Expect: &tc.expect}})
			if err != nil {
				t.Fatal(err)
			}
			e, _, err := New(Config{Engine: engine, Target: srv.URL, Mix: m, Timeout: 5 * time.Second, Connections: 2})
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

// TLS is verified by the certificates given, or not at all; names may be sent elsewhere.
func TestTLSAndResolve(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		srv := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		defer srv.Close()
		srv.Config.ErrorLog = log.New(io.Discard, "", 0) // refused handshakes are the point
		ca := filepath.Join(t.TempDir(), "ca.pem")
		pemBytes := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
		if err := os.WriteFile(ca, pemBytes, 0o600); err != nil {
			t.Fatal(err)
		}
		resolve := []string{"example.com:443=" + srv.Listener.Addr().String()} // a name in the certificate
		for _, tc := range []struct {
			name, target string
			connect      Connect
			want         measure.Class
		}{
			{"unknown authority", srv.URL, Connect{}, measure.TLS},
			{"insecure", srv.URL, Connect{Insecure: true}, ""},
			{"trusted", srv.URL, Connect{CA: ca}, ""},
			{"another name", "https://example.com", Connect{CA: ca, Resolve: resolve}, ""},
			{"a wrong name", "https://wrong.test", Connect{CA: ca, Resolve: []string{"wrong.test:443=" + srv.Listener.Addr().String()}}, measure.TLS},
		} {
			got := play(t, t.Context(), Config{Engine: engine, Target: tc.target, Timeout: 5 * time.Second, Connections: 2, Connect: tc.connect}, 100, .03)
			if len(got) != 3 {
				t.Fatalf("%s: %d samples", tc.name, len(got))
			}
			for _, s := range got {
				if s.Class != tc.want {
					t.Errorf("%s: %s (%s), want %q", tc.name, s.Class, s.Detail, tc.want)
				}
			}
		}
	})
	for _, c := range []Connect{{CA: "/nowhere"}, {CA: "engine_test.go"}, {Resolve: []string{"nonsense"}}, {Resolve: []string{"a:1=b"}}} {
		if err := Check(t.Context(), "http://127.0.0.1:1", c); err == nil || strings.Contains(err.Error(), "nothing answers") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestBadConfigurations(t *testing.T) {
	m, err := mix.New(1, []mix.Request{{Name: "get", Method: "GET", Path: "/", Weight: 1}})
	if err != nil {
		t.Fatal(err)
	}
	each(t, func(t *testing.T, engine string) {
		for _, target := range []string{"", "ftp://x", "127.0.0.1:80", "http://", "http://a b"} {
			if _, _, err := New(Config{Engine: engine, Target: target, Mix: m}); err == nil {
				t.Errorf("%q was accepted", target)
			}
		}
	})
	if _, _, err := New(Config{Engine: "warp", Target: "http://x", Mix: m}); err == nil {
		t.Error("an unknown engine was accepted")
	}
}
