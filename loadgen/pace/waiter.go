package pace

import "time"

// Waiter waits until instants of a clock, to microseconds where the system allows. It belongs to the
// goroutine that made it, which must Close it.
type Waiter struct {
	clock Clock
	zero  time.Duration // the clock's zero on CLOCK_MONOTONIC
}
