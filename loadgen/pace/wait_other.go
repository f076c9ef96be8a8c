//go:build !linux

package pace

import (
	"context"
	"time"
)

// Waiter waits until instants of a clock on Go's own timers, which may wake up to a millisecond late. It
// belongs to one goroutine, which must Close it.
type Waiter struct{ clock Clock }

// NewWaiter returns a waiter on the clock.
func NewWaiter(c Clock) (*Waiter, error) { return &Waiter{clock: c}, nil }

// Wait returns when the clock shows t, or when the context has ended, with its error.
func (w *Waiter) Wait(ctx context.Context, t time.Duration) error { return w.clock.Sleep(ctx, t) }

// Interrupt does nothing: Wait ends with its context.
func (w *Waiter) Interrupt() {}

// Close does nothing.
func (w *Waiter) Close() error { return nil }
