// Package budget bounds retries, so that a system that fails does not meet a multiple of its load: each request earns a
// share of a retry, each retry spends a whole one, and a few a second are free.
//
// A balancer has one for each of its groups, a load generator has one for each run. Nothing here reads a clock.
package budget

import (
	"sync/atomic"
	"time"
)

// Budget counts what requests have earned and what retries have spent. Its zero value is empty, and may be used from any
// goroutine.
type Budget struct {
	earned atomic.Int64  // in thousandths of a retry
	second atomic.Uint64 // the present second, and how many of its free retries are used
}

const (
	unit      = 1000
	maxEarned = 100 * unit // no more is saved up in good times: an outage must not meet a store of retries
)

// Earn pays in for one request: share, from 0 to 1, of a retry.
func (b *Budget) Earn(share float64) {
	if b.earned.Load() < maxEarned {
		b.earned.Add(int64(share * unit))
	}
}

// Spend reports whether a retry may be made now, since the run began, and counts it. A second has floor retries that need not
// be earned.
func (b *Budget) Spend(now time.Duration, floor float64) bool {
	for {
		old := b.earned.Load()
		if old < unit {
			break
		}
		if b.earned.CompareAndSwap(old, old-unit) {
			return true
		}
	}
	for {
		old := b.second.Load()
		second, used := uint32(old>>32), uint32(old)
		if present := uint32(now / time.Second); second != present {
			second, used = present, 0
		}
		if float64(used) >= floor {
			return false
		}
		if b.second.CompareAndSwap(old, uint64(second)<<32|uint64(used+1)) {
			return true
		}
	}
}
