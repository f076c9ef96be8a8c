package pace

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"
)

func TestClocksOfOneEpochAgree(t *testing.T) {
	epoch := Monotonic()
	a := NewClock(epoch)
	before := a.Now()
	b := NewClock(epoch).Now()
	after := a.Now()
	// The two readings of the system's clock that make a Clock are microseconds apart.
	if b < before-10*time.Millisecond || b > after+10*time.Millisecond {
		t.Fatalf("one clock shows %v to %v, the other %v", before, after, b)
	}
}

func TestSleepIsNeverEarlyAndEndsWithItsContext(t *testing.T) {
	c := NewClock(Monotonic())
	at := c.Now() + 5*time.Millisecond
	if err := c.Sleep(t.Context(), at); err != nil || c.Now() < at {
		t.Fatalf("woke at %v for %v: %v", c.Now(), at, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Sleep(ctx, c.Now()+time.Hour); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
}

func TestWaiterIsNeverEarlyAndEndsWithItsContext(t *testing.T) {
	c := NewClock(Monotonic())
	w, err := NewWaiter(c)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for range 20 {
		at := c.Now() + 500*time.Microsecond
		if err := w.Wait(t.Context(), at); err != nil || c.Now() < at {
			t.Fatalf("woke at %v for %v: %v", c.Now(), at, err)
		}
	}
	if err := w.Wait(t.Context(), 0); err != nil {
		t.Fatalf("an instant that has passed: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	defer context.AfterFunc(ctx, w.Interrupt)()
	if err := w.Wait(ctx, c.Now()+time.Hour); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("error %v", err)
	}
}

// How late each way of waiting wakes: go test ./loadgen/pace -bench Late -benchtime 500x
func BenchmarkLate(b *testing.B) {
	for name, wait := range map[string]func(Clock) (func(time.Duration), func()){
		"waiter": func(c Clock) (func(time.Duration), func()) {
			w, err := NewWaiter(c)
			if err != nil {
				b.Fatal(err)
			}
			return func(t time.Duration) { _ = w.Wait(b.Context(), t) }, func() { w.Close() }
		},
		"timer": func(c Clock) (func(time.Duration), func()) {
			return func(t time.Duration) { _ = c.Sleep(b.Context(), t) }, func() {}
		},
	} {
		b.Run(name, func(b *testing.B) {
			c := NewClock(Monotonic())
			until, done := wait(c)
			defer done()
			var late []time.Duration
			for b.Loop() {
				at := c.Now() + 1700*time.Microsecond
				until(at)
				late = append(late, c.Now()-at)
			}
			slices.Sort(late)
			b.ReportMetric(float64(late[len(late)/2].Microseconds()), "µs-late-p50")
			b.ReportMetric(float64(late[len(late)*99/100].Microseconds()), "µs-late-p99")
		})
	}
}

// The distance of two clocks is right, however often this process stands still between two readings of them; when it
// always does the reading with the shortest pause counts.
func TestTheDistanceOfTwoClocks(t *testing.T) {
	const apart = time.Hour
	for name, tc := range map[string]struct {
		pauses []time.Duration // after each reading of a clock; none after the last one that is listed
		off    time.Duration   // at the most
	}{
		"without a pause":                {nil, 0},
		"a pause after the first":        {[]time.Duration{time.Second}, 0},
		"a pause after the second":       {[]time.Duration{0, time.Second}, 0},
		"pauses at the first two times":  {[]time.Duration{time.Second, 0, 0, time.Minute}, 0},
		"a short pause each time":        {slices.Repeat([]time.Duration{30 * time.Microsecond}, 1000), 30 * time.Microsecond},
		"long ones, and a short one":     {append([]time.Duration{time.Second, 0, 0, 0, time.Millisecond}, slices.Repeat([]time.Duration{time.Second}, 1000)...), time.Millisecond},
		"a pause between two attempts":   {[]time.Duration{time.Second, 0, time.Hour}, 0},
		"none that a clock could notice": {slices.Repeat([]time.Duration{time.Nanosecond}, 1000), time.Nanosecond},
	} {
		now, readings := time.Duration(0), 0
		read := func(ahead time.Duration) func() time.Duration {
			return func() time.Duration {
				at := now + ahead
				if readings < len(tc.pauses) {
					now += tc.pauses[readings]
				}
				readings++
				return at
			}
		}
		if got := distance(read(0), read(apart)); (got-apart).Abs() > tc.off || readings > 100 {
			t.Errorf("%s: %v after %d readings, want %v", name, got, readings, apart)
		}
	}
}
