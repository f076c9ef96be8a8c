package pace

import (
	"context"
	"errors"
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
