package loadgen

import (
	"cmp"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/attempt"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/pace"
	"github.com/seed-8025779b/shakedown/loadgen/profile"
)

// A server that never answers, two connections and a burst: two requests are sent and time out, and all others
// are dropped when they could be of no use any more, without a connection of their own. Nothing is lost from the
// count.
func TestDropsWhatFindsNoConnectionInTime(t *testing.T) { each(t, dropsWhatFindsNoConnectionInTime) }

func dropsWhatFindsNoConnectionInTime(t *testing.T, engine string) {
	var conns atomic.Int64
	release := make(chan struct{})
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			conns.Add(1)
		}
	}
	srv.Start()
	defer srv.Close()
	defer close(release)
	c := attempt.Config{Target: srv.URL, Timeout: time.Second, MinAttempt: 100 * time.Millisecond, Connections: 2}
	outcomes := map[measure.Outcome]int{}
	for _, s := range play(t, t.Context(), engine, c, 100_000, .01) {
		outcomes[s.Outcome]++
		switch s.Outcome {
		case measure.Dropped:
			if s.Done != max(s.Due+900*time.Millisecond, s.Offered) || s.Wait != s.Done-s.Offered || s.Class != measure.NoConnection || s.Sent != 0 || s.Connect != 0 {
				t.Fatalf("%+v", s)
			}
			if !strings.HasPrefix(s.Detail, "waited ") || !strings.HasSuffix(s.Detail, "ms for one of 2 connections to become free") {
				t.Fatal(s.Detail)
			}
		case measure.Failed:
			if s.Class != measure.FirstByteTimeout || s.Detail != "no answer within 1s of when it was due" || s.Wait != 0 {
				t.Fatalf("%+v", s)
			}
		}
	}
	if outcomes[measure.Dropped] != 998 || outcomes[measure.Failed] != 2 || conns.Load() != 2 {
		t.Fatalf("%v, %d connections", outcomes, conns.Load())
	}
}

// What is too little time is the configuration's choice, from none to the whole timeout.
func TestLeastTimeForAnAttempt(t *testing.T) { each(t, leastTimeForAnAttempt) }

func leastTimeForAnAttempt(t *testing.T, engine string) {
	for _, tc := range []struct {
		min     time.Duration
		dropped int
	}{
		{0, 0},
		{20 * time.Second, 9}, // the whole timeout: whatever has to wait
		{20*time.Second - 50*time.Millisecond, 9}, // while the first is answered no time is left
		{10 * time.Second, 0},
	} {
		var served atomic.Int64
		srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			if served.Add(1) == 1 {
				time.Sleep(300 * time.Millisecond)
			}
		}))
		c := attempt.Config{Target: srv.URL, Timeout: 20 * time.Second, MinAttempt: tc.min, Connections: 1}
		samples := play(t, t.Context(), engine, c, 1000, .01)
		srv.Close()
		dropped, late := 0, 0
		for _, s := range samples {
			if s.Outcome == measure.Dropped {
				dropped++
				if strings.HasPrefix(s.Detail, "offered ") { // the machine is busy
					late++
				}
			} else if s.Outcome != measure.Succeeded {
				t.Errorf("%v: %+v", tc.min, s)
			}
		}
		if len(samples) != 10 || (dropped != tc.dropped && late == 0) || served.Load() != int64(10-dropped) {
			t.Errorf("%v: %d of %d were dropped, %d served", tc.min, dropped, len(samples), served.Load())
		}
	}
}

// Wait lasts from when a request was offered until it had a connection; making one is not waiting.
func TestWaitForAConnection(t *testing.T) { each(t, waitForAConnection) }

func waitForAConnection(t *testing.T, engine string) {
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(5 * time.Millisecond) }))
	defer srv.Close()
	samples := play(t, t.Context(), engine, attempt.Config{Target: srv.URL, Timeout: 20 * time.Second, Connections: 1}, 100_000, .0002)
	slices.SortFunc(samples, func(a, b *measure.Sample) int { // as they had the connection: vegeta's workers may overtake each other
		return cmp.Compare(a.Offered+a.Wait, b.Offered+b.Wait)
	})
	for i, s := range samples {
		if s.Outcome != measure.Succeeded || s.Offered+s.Wait > s.Sent {
			t.Fatalf("%+v", s)
		}
		if i == 0 && (s.Wait != 0 || s.Connect == 0) {
			t.Errorf("the first made its connection: %+v", s)
		}
		if before := samples[max(i-1, 0)]; i > 0 && s.Offered+s.Wait < before.Done {
			t.Errorf("request %d had the connection at %v, while its holder ended at %v", i, s.Offered+s.Wait, before.Done)
		}
	}
	if len(samples) != 20 {
		t.Errorf("%d samples", len(samples))
	}
}

// After the generator has stood still for longer than the timeout, the requests that were due meanwhile are not sent,
// though connections are free: none could be answered in time. Those that can are sent, however late.
func TestDropsWhatIsOfferedTooLate(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		var served atomic.Int64
		srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served.Add(1) }))
		defer srv.Close()
		for _, tc := range []struct {
			timeout, min time.Duration
			sent         bool
		}{
			{time.Minute, 0, false},
			{time.Minute, 3 * time.Second, false},
			{3 * time.Hour, 2*time.Hour + time.Minute, false}, // two hours are left
			{3 * time.Hour, time.Hour, true},
		} {
			served.Store(0)
			c := attempt.Config{Target: srv.URL, Timeout: tc.timeout, MinAttempt: tc.min, Connections: 4}
			s := profile.Schedule{Profile: profile.New(profile.Hold{PerSecond: 1000, Seconds: .1}), Arrivals: profile.Even}
			samples := playSchedule(t, t.Context(), engine, c, s, pace.NewClock(pace.Monotonic()-time.Hour))
			for _, s := range samples {
				switch {
				case tc.sent:
					if s.Outcome != measure.Succeeded {
						t.Errorf("%+v", s)
					}
				case s.Outcome != measure.Dropped || s.Class != measure.NoConnection || s.Done != s.Offered || s.Wait != 0 || s.Sent != 0 || !strings.HasPrefix(s.Detail, "offered ") || !strings.Contains(s.Detail, " after it was due, too late "):
					t.Errorf("%+v", s)
				}
			}
			want := int64(0)
			if tc.sent {
				want = 100
			}
			if len(samples) != 100 || served.Load() != want {
				t.Errorf("%+v: %d samples, %d served", tc, len(samples), served.Load())
			}
		}
	})
}
