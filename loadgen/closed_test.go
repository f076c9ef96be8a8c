package loadgen

import (
	"cmp"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/attempt"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/pace"
	"github.com/seed-8025779b/shakedown/loadgen/profile"
	"github.com/seed-8025779b/shakedown/loadgen/socket"
)

// playUsers plays one stretch of a closed loop, and returns its samples in order of their numbers.
func playUsers(t *testing.T, engine string, c attempt.Config, s profile.Closed) []*measure.Sample {
	t.Helper()
	pause := profile.New(profile.Pause{Seconds: s.To.Seconds()})
	samples := playSchedule(t, t.Context(), engine, c, profile.Schedule{Profile: pause, Closed: []profile.Closed{s}}, pace.NewClock(pace.Monotonic()))
	slices.SortFunc(samples, func(a, b *measure.Sample) int { return cmp.Compare(a.Seq, b.Seq) })
	for i, x := range samples {
		if x.Seq != s.FirstSeq+uint64(i) {
			t.Fatalf("sample %d has the number %d", i, x.Seq)
		}
	}
	return samples
}

// Users who are refused pause: without it they would send tens of thousands of requests a second.
func TestRefusedUsersPause(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		refusing, release, err := socket.Refuse()
		if err != nil {
			t.Fatal(err)
		}
		defer release()
		c := attempt.Config{Target: "http://" + refusing, Timeout: 20 * time.Second, Connections: 5, FailPause: 100 * time.Millisecond}
		samples := playUsers(t, engine, c, profile.Closed{To: 450 * time.Millisecond, Users: 5, FirstSeq: 7})
		if n := len(samples); n < 5 || n > 5*5 { // at 0, 100, 200, 300 and 400 ms at the earliest
			t.Errorf("5 users who pause for 100ms sent %d requests in 450ms", n)
		}
		for _, s := range samples {
			if s.Class != measure.Refused {
				t.Errorf("%+v", s)
			}
		}
	})
}

// A user thinks after each request, and pauses in addition after each failure.
func TestUsersThinkAndPause(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		var n atomic.Int64
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if n.Add(1)%2 == 0 {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}))
		defer srv.Close()
		const think, pause = 10 * time.Millisecond, 30 * time.Millisecond
		c := attempt.Config{Target: srv.URL, Timeout: 20 * time.Second, Connections: 1, FailPause: pause}
		samples := playUsers(t, engine, c, profile.Closed{To: 400 * time.Millisecond, Users: 1, Think: think})
		if len(samples) < 2 {
			t.Fatalf("%d samples", len(samples))
		}
		for i, s := range samples[1:] {
			before, least := samples[i], think
			if before.Outcome == measure.Failed {
				least += pause
			}
			if s.Due-before.Done < least || s.Wait != 0 {
				t.Errorf("%v after a request that ended as %d: %+v", s.Due-before.Done, before.Outcome, s)
			}
		}
	})
}

// A user who would still think when its stretch ends has left.
func TestUsersDoNotThinkPastTheEnd(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		defer srv.Close()
		samples := playUsers(t, engine, attempt.Config{Target: srv.URL, Timeout: 20 * time.Second, Connections: 3}, profile.Closed{To: time.Second, Users: 3, Think: time.Hour})
		if len(samples) != 3 {
			t.Errorf("%d samples", len(samples))
		}
	})
}
