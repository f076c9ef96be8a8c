package balancer

import (
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// shortage tells now and then that this machine had nothing left for a connection to a target.
type shortage struct {
	told atomic.Int64 // when, on the balancer's clock; 0 for not yet
}

// tellEvery is how long nothing is said of a shortage after it was told.
const tellEvery = time.Minute

// due reports whether it is to be told now.
func (s *shortage) due(now time.Duration) bool {
	last := s.told.Load()
	return (last == 0 || now-time.Duration(last) >= tellEvery) && s.told.CompareAndSwap(last, max(int64(now), 1))
}

// short hears that this machine had nothing left for a connection to a target. Nothing follows from it for the target.
func (b *Balancer) short(err error) {
	if b.shortage.due(b.clock.Now()) {
		b.opts.Note(fmt.Sprintf("no connection to a target could be made, and the targets are not to blame: %v", err))
	}
}

// maxDescriptors is how many files and connections this process may have open at once.
func maxDescriptors() int {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil || limit.Cur > mostDescriptors {
		return mostDescriptors
	}
	return int(limit.Cur)
}

// mostDescriptors stands for no limit.
const mostDescriptors = 1 << 30

// connectionLimits is how many connections each listener may have open. Those without a limit of their own share half of the
// descriptors: the other half is for connections to targets, so that clients who only hold theirs keep nobody from being answered.
func connectionLimits(listeners []Listener, descriptors int) []int {
	out := make([]int, len(listeners))
	unlimited := 0
	for i := range listeners {
		if out[i] = listeners[i].Limits.Connections; out[i] == 0 {
			unlimited++
		}
	}
	for i := range out {
		if out[i] == 0 {
			out[i] = max(descriptors/2/unlimited, 1)
		}
	}
	return out
}
