package pace

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Waiter waits until instants of a clock, to microseconds. It belongs to one goroutine, which must Close
// it.
//
// It is a timerfd read through Go's poller. Go's own timers, when the process is idle, wake on the poller's
// whole milliseconds; a timerfd makes the poller wake at the instant. A thread of our own in
// clock_nanosleep wakes as exactly, but while it sleeps it keeps a processor from the other goroutines until
// the runtime takes it away, up to 10 ms later, which on one core stalls everything else.
type Waiter struct {
	clock Clock
	zero  time.Duration // the clock's zero on CLOCK_MONOTONIC
	fd    int           // of file, whose own Fd would make it blocking
	file  *os.File
	spec  unix.ItimerSpec // here, not on the stack: the call would make it escape each time
	buf   [8]byte
}

// NewWaiter returns a waiter on the clock.
func NewWaiter(c Clock) (*Waiter, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("timer: %w", err)
	}
	return &Waiter{clock: c, zero: distance(c.Now, Monotonic), fd: fd, file: os.NewFile(uintptr(fd), "timerfd")}, nil
}

// Wait returns when the clock shows t, or when the context has ended, with its error.
func (w *Waiter) Wait(ctx context.Context, t time.Duration) error {
	for {
		if w.clock.Now() >= t {
			return ctx.Err()
		}
		w.spec.Value = unix.NsecToTimespec(int64(w.zero + t))
		if err := unix.TimerfdSettime(w.fd, unix.TFD_TIMER_ABSTIME, &w.spec, nil); err != nil {
			return fmt.Errorf("timer: %w", err)
		}
		if _, err := w.file.Read(w.buf[:]); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("timer: %w", err)
		}
	}
}

// Interrupt ends a Wait in progress and all later ones. It may be called by any goroutine.
func (w *Waiter) Interrupt() { _ = w.file.SetReadDeadline(time.Unix(1, 0)) }

// Close frees the timer.
func (w *Waiter) Close() error { return w.file.Close() }
