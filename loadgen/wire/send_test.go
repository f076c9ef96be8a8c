package wire

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/attempt"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/mix"
	"github.com/seed-8025779b/shakedown/loadgen/pace"
	"github.com/seed-8025779b/shakedown/loadgen/profile"
)

// A request that does not fit into the socket's buffer arrives whole, on a reused connection too, with and without
// TLS and a limit for the first byte.
func TestLargeRequestsOnAReusedConnection(t *testing.T) {
	body := strings.Repeat("0123456789abcdef", 1<<19) // 8 MiB
	m, err := mix.New(1, mix.Set{Requests: []mix.Request{{Name: "x", Method: "POST", Path: "/", Body: body, Weight: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got, err := io.ReadAll(r.Body); err != nil || string(got) != body {
			http.Error(w, "not what was sent", http.StatusBadRequest)
		}
	})
	for name, start := range map[string]func(http.Handler) *httptest.Server{"http": httptest.NewServer, "https": httptest.NewTLSServer} {
		for _, first := range []time.Duration{0, 20 * time.Second} {
			srv := start(handler)
			e, err := New(attempt.Config{
				Target: srv.URL, Mix: m, Timeout: 30 * time.Second, Stages: attempt.Timeouts{FirstByte: first}, Connections: 1,
				Connect: attempt.Connect{Insecure: true},
			})
			if err != nil {
				t.Fatal(err)
			}
			connected, n := 0, 0
			s := profile.Schedule{Profile: profile.New(profile.Hold{PerSecond: 1000, Seconds: .004}), Arrivals: profile.Even}
			err = e.Play(t.Context(), s, pace.NewClock(pace.Monotonic()), func(s *measure.Sample) {
				if n++; s.Connect > 0 {
					connected++
				}
				if s.Outcome != measure.Succeeded || s.First < s.Sent || s.Sent < s.Offered+s.Wait {
					t.Errorf("%s, first byte within %v: %+v", name, first, s)
				}
			})
			srv.Close()
			if err != nil || n != 4 || connected != 1 {
				t.Errorf("%s, first byte within %v: %d samples over %d connections, %v", name, first, n, connected, err)
			}
		}
	}
}

// A play that is cancelled while a request on a reused connection waits for its answer, ends.
func TestReusedConnectionIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	release := make(chan struct{})
	n := 0
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if n++; n == 2 {
			cancel()
			<-release
		}
	}))
	defer srv.Close()
	defer close(release)
	var outcomes []measure.Outcome
	s := profile.Schedule{Profile: profile.New(profile.Hold{PerSecond: 1000, Seconds: .002}), Arrivals: profile.Even}
	err := engine(t, srv.URL, 1).Play(ctx, s, pace.NewClock(pace.Monotonic()), func(s *measure.Sample) {
		outcomes = append(outcomes, s.Outcome)
	})
	if err != nil || len(outcomes) != 2 || outcomes[0] != measure.Succeeded || outcomes[1] != measure.Cancelled {
		t.Errorf("%v, %v", outcomes, err)
	}
}
