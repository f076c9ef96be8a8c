package loadgen

import (
	"context"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/seed-8025779b/shakedown/loadgen/attempt"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/mix"
	"github.com/seed-8025779b/shakedown/loadgen/pace"
	"github.com/seed-8025779b/shakedown/loadgen/profile"
	"github.com/seed-8025779b/shakedown/loadgen/socket"
)

// Whenever a play is cancelled, each request that was offered has one sample: the numbers of an open loop are
// those from 0 on without a gap, and so are those of each closed stretch.
func TestCancelledPlaysLoseNoSample(t *testing.T) { each(t, cancelledPlaysLoseNoSample) }

func cancelledPlaysLoseNoSample(t *testing.T, engine string) {
	refusing, release, err := socket.Refuse()
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	answer := func(c net.Conn, _ int) bool {
		_, err := io.WriteString(c, answer200)
		return err == nil
	}
	hang := make(chan struct{})
	defer close(hang)
	targets := map[string]string{
		"answers":                    newCounting(t, plain, answer).url,
		"answers slowly":             newCounting(t, plain, func(c net.Conn, n int) bool { time.Sleep(3 * time.Millisecond); return answer(c, n) }).url,
		"closes":                     newCounting(t, plain, func(c net.Conn, n int) bool { return n < 3 && answer(c, n) }).url,
		"is silent":                  newCounting(t, plain, func(net.Conn, int) bool { <-hang; return false }).url,
		"is silent at the handshake": "https" + newCounting(t, plain, func(net.Conn, int) bool { return false }).url[len("http"):],
		"refuses":                    "http://" + refusing,
	}
	var names []string
	for name := range targets {
		names = append(names, name)
	}
	slices.Sort(names)
	m := requests(t, mix.Set{Requests: []mix.Request{{Name: "x", Method: "GET", Path: "/", Weight: 1}}})
	const closedFrom = 1 << 20
	rapid.Check(t, func(t *rapid.T) {
		c := attempt.Config{
			Target: targets[rapid.SampledFrom(names).Draw(t, "a server that")], Mix: m, Timeout: time.Duration(rapid.SampledFrom([]int{5, 10_000}).Draw(t, "timeout")) * time.Millisecond,
			Connections: rapid.IntRange(1, 4).Draw(t, "connections"), FailPause: time.Duration(rapid.SampledFrom([]int{1, 1000}).Draw(t, "pause")) * time.Millisecond,
		}
		c.MinAttempt = c.Timeout / 2
		if rapid.Bool().Draw(t, "a limit for the first byte") {
			c.Stages.FirstByte = c.Timeout / 2
		}
		if rapid.Bool().Draw(t, "retries") {
			c.Retry = &attempt.Retry{Attempts: 2, On: attempt.On5xx, Backoff: time.Duration(rapid.IntRange(0, 5).Draw(t, "backoff")) * time.Millisecond, Max: time.Second, Budget: -1}
		}
		s := profile.Schedule{Profile: profile.New(profile.Hold{PerSecond: 3000, Seconds: .02}), Arrivals: profile.Poisson}
		if rapid.Bool().Draw(t, "closed") {
			s.Closed = []profile.Closed{{From: time.Millisecond, To: 20 * time.Millisecond, Users: 3, Think: time.Duration(rapid.IntRange(0, 1000).Draw(t, "think")) * time.Microsecond, FirstSeq: closedFrom}}
		}
		e, _, err := New(engine, c)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rapid.IntRange(0, 25_000).Draw(t, "cancelled after µs"))*time.Microsecond)
		defer cancel()
		var mu sync.Mutex
		var open, closed []uint64
		err = e.Play(ctx, s, pace.NewClock(pace.Monotonic()), func(s *measure.Sample) {
			mu.Lock()
			defer mu.Unlock()
			if s.Seq >= closedFrom {
				closed = append(closed, s.Seq-closedFrom)
			} else {
				open = append(open, s.Seq)
			}
			if s.Done < s.Offered || s.Offered < s.Due || (s.Outcome == measure.Cancelled) != (s.Class == "" && s.Outcome != measure.Succeeded) {
				t.Errorf("%+v", s)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		for what, numbers := range map[string][]uint64{"open": open, "closed": closed} {
			slices.Sort(numbers)
			for i, seq := range numbers {
				if seq != uint64(i) {
					t.Fatalf("%s loop: sample %d of %d has the number %d", what, i, len(numbers), seq)
				}
			}
		}
		if e.InFlight() != 0 {
			t.Fatalf("%d requests have no sample", e.InFlight())
		}
	})
}
