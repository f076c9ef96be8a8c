package pace

import (
	"context"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// slackNanos is the timer slack asked of the kernel: the least it takes. The default of 50 µs is for saving
// power.
const slackNanos = 1

// slice bounds one sleep of the kernel's, so that the end of a context is noticed.
const slice = 20 * time.Millisecond

// defaultSlack makes the kernel return to the thread's default.
const defaultSlack = 0

// NewWaiter locks the calling goroutine to its thread until Close: the precision of a sleep belongs to the
// thread. Go's own timers, when the process is idle, wake on the poller's whole milliseconds; a thread that
// sleeps until an absolute instant with the least slack wakes some microseconds late, and burns nothing.
func NewWaiter(c Clock) *Waiter {
	runtime.LockOSThread()
	// Without it the sleeps are some 50 µs less exact, which is no reason to refuse to run.
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, slackNanos, 0, 0, 0)
	return &Waiter{clock: c, zero: Monotonic() - c.Now()}
}

// Wait returns when the clock shows t, or soon after the context has ended, with its error.
func (w *Waiter) Wait(ctx context.Context, t time.Duration) error {
	for {
		now := w.clock.Now()
		if now >= t {
			return ctx.Err()
		}
		until := unix.NsecToTimespec(int64(w.zero + min(t, now+slice)))
		// A signal ends the sleep early; the loop looks at the clock again whatever the call returns.
		_ = unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &until, nil)
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// Close gives the thread back.
func (w *Waiter) Close() {
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, defaultSlack, 0, 0, 0)
	runtime.UnlockOSThread()
}
