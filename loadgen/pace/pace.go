// Package pace tells the time that the processes of a run share, and sleeps until an instant of it.
//
// Times are durations on CLOCK_MONOTONIC, or since an epoch on it. Sleeping is always until an absolute
// instant: relative sleeps add up their errors.
package pace

import (
	"context"
	"time"

	"golang.org/x/sys/unix"
)

// Monotonic is CLOCK_MONOTONIC, the same in every process of a machine.
func Monotonic() time.Duration {
	var ts unix.Timespec
	// The call fails only for a clock that does not exist.
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return time.Duration(ts.Nano())
}

// Clock tells the time since an epoch. Reading it takes one of Go's own cheap clock reads.
type Clock struct {
	base  time.Time
	since time.Duration // the epoch's distance to base
}

// NewClock returns a clock whose zero is the given instant of CLOCK_MONOTONIC.
func NewClock(epoch time.Duration) Clock {
	base := time.Now()
	return Clock{base, distance(func() time.Duration { return time.Since(base) }, Monotonic) - epoch}
}

// StartClock returns a clock whose zero is now.
func StartClock() Clock { return Clock{base: time.Now()} }

// Now is the time since the epoch.
func (c Clock) Now() time.Duration { return time.Since(c.base) + c.since }

// Sleep waits until the clock shows t. It returns the context's error when that ends first.
func (c Clock) Sleep(ctx context.Context, t time.Duration) error {
	d := t - c.Now()
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
