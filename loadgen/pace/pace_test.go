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
