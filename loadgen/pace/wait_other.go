//go:build !linux

package pace

import (
	"context"
	"time"
)

// NewWaiter returns a waiter on Go's own timers, which may wake up to a millisecond late.
func NewWaiter(c Clock) *Waiter { return &Waiter{clock: c} }

// Wait returns when the clock shows t, or when the context has ended, with its error.
func (w *Waiter) Wait(ctx context.Context, t time.Duration) error { return w.clock.Sleep(ctx, t) }

// Close does nothing.
func (w *Waiter) Close() {}
