package loadgen

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/attempt"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/mix"
	"github.com/seed-8025779b/shakedown/loadgen/pace"
	"github.com/seed-8025779b/shakedown/loadgen/profile"
)

// A request that fails is tried again, and says so to the server.
func TestRetries(t *testing.T) { each(t, retries) }

func retries(t *testing.T, engine string) {
	var mu sync.Mutex
	seen := map[string]int{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seq := r.Header.Get(mix.SeqHeader)
		mu.Lock()
		seen[seq]++
		mu.Unlock()
		w.Header().Set("Connection", "close") // a connection that is new does not meet the closing of an idle one
		switch {
		case strings.HasSuffix(seq, ".2"), seq == "3": // the fourth succeeds at once
		case strings.HasSuffix(seq, ".1"):
			panic(http.ErrAbortHandler) // the connection breaks off
		default:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer s.Close()
	retry := &attempt.Retry{Attempts: 2, On: attempt.On5xx, Backoff: time.Millisecond, Max: time.Second, Budget: -1}
	c := attempt.Config{Target: s.URL, Timeout: time.Minute, Connections: 2, Identify: true, Retry: retry}
	for name, sched := range map[string]profile.Schedule{
		"open":   {Profile: profile.New(profile.Hold{PerSecond: 200, Seconds: .02}), Arrivals: profile.Even},
		"closed": {Profile: profile.New(profile.Hold{Seconds: .1}), Closed: []profile.Closed{{To: time.Minute, Users: 1, Think: time.Hour}}},
	} {
		clear(seen)
		samples := playSchedule(t, t.Context(), engine, c, sched, pace.NewClock(pace.Monotonic()))
		want := map[string]int{"0": 1, "0.1": 1, "0.2": 1}
		if name == "open" {
			maps.Copy(want, map[string]int{"1": 1, "1.1": 1, "1.2": 1, "2": 1, "2.1": 1, "2.2": 1, "3": 1})
		}
		if !maps.Equal(seen, want) {
			t.Errorf("%s loop: the server saw %v, want %v", name, seen, want)
		}
		for _, x := range samples {
			attempts := 3
			if x.Seq == 3 {
				attempts = 1
			}
			if x.Outcome != measure.Succeeded || x.ClientAttempts != attempts || len(x.Retried) != attempts-1 || x.Sent == 0 || x.First < x.Sent || x.Done < x.First {
				t.Errorf("%s loop: %+v", name, x)
			}
			if attempts > 1 && (x.Retried[0] != measure.Status5xx || (x.Retried[1] != measure.ClosedEarly && x.Retried[1] != measure.Reset)) {
				t.Errorf("%s loop: retried after %v", name, x.Retried)
			}
		}
	}
}

// A request that pauses before a retry has no connection: others use it. One that pauses when the load is stopped is
// cancelled.
func TestPausesFreeConnections(t *testing.T) { each(t, pausesFreeConnections) }

func pausesFreeConnections(t *testing.T, engine string) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(mix.SeqHeader) == "0" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer s.Close()
	retry := &attempt.Retry{Attempts: 1, On: attempt.On5xx, Jitter: attempt.NoJitter, Backoff: time.Hour, Max: time.Hour, Budget: -1}
	c := attempt.Config{Target: s.URL, Timeout: 2 * time.Hour, Connections: 1, Identify: true, Retry: retry}
	c.Mix = requests(t, mix.Set{Requests: []mix.Request{{Name: "x", Method: "GET", Path: "/", Weight: 1}}})
	e, _, err := New(engine, c)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	outcomes := map[uint64]measure.Outcome{}
	sched := profile.Schedule{Profile: profile.New(profile.Hold{PerSecond: 200, Seconds: .02}), Arrivals: profile.Even}
	err = e.Play(ctx, sched, pace.NewClock(pace.Monotonic()), func(s *measure.Sample) {
		mu.Lock()
		defer mu.Unlock()
		outcomes[s.Seq] = s.Outcome
		if len(outcomes) == 3 {
			cancel()
		}
	})
	want := map[uint64]measure.Outcome{0: measure.Cancelled, 1: measure.Succeeded, 2: measure.Succeeded, 3: measure.Succeeded}
	if err != nil || e.InFlight() != 0 || !maps.Equal(outcomes, want) {
		t.Errorf("%v, %d in flight, %v", outcomes, e.InFlight(), err)
	}
}

// Bodies, templates and cookies of a retry are those of the first attempt.
func TestRetriesSendTheSame(t *testing.T) { each(t, retriesSendTheSame) }

func retriesSendTheSame(t *testing.T, engine string) {
	var mu sync.Mutex
	var seen []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := make([]byte, r.ContentLength)
		_, _ = r.Body.Read(body)
		mu.Lock()
		defer mu.Unlock()
		if seen = append(seen, r.URL.Path+" "+string(body)); len(seen) == 1 {
			w.WriteHeader(http.StatusBadGateway)
		}
	}))
	defer s.Close()
	c := attempt.Config{
		Target: s.URL, Timeout: time.Minute, Connections: 1, Retry: &attempt.Retry{Attempts: 1, On: attempt.On5xx, Repeat: true, Budget: -1},
		Mix: requests(t, mix.Set{Requests: []mix.Request{{Name: "x", Method: "POST", Path: "/{{uuid}}", Body: "{{uuid}}", Weight: 1}}}),
	}
	samples := playSchedule(t, t.Context(), engine, c, profile.Schedule{Profile: profile.New(profile.Hold{PerSecond: 100, Seconds: .01}), Arrivals: profile.Even}, pace.NewClock(pace.Monotonic()))
	if len(samples) != 1 || len(seen) != 2 || seen[0] != seen[1] || len(seen[0]) < 70 {
		t.Errorf("%d samples; the server saw %q", len(samples), seen)
	}
	if x := samples[0]; x.BytesOut != 36 || !slices.Equal(x.Retried, []measure.Class{measure.Status5xx}) {
		t.Errorf("%+v", x)
	}
}
