package balancer

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/config"
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
		b.opts.Note(fmt.Sprintf("no connection to a target could be made, and the targets are not to blame: %v; %d connections of clients and to targets are open, of %d that the descriptors allow", err, b.descriptors.Open(), b.descriptors.Most()))
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

// closeIdle closes some of the connections to targets that are kept for requests to come, and reports whether there was one.
func (b *Balancer) closeIdle() bool {
	closed := false
	for _, o := range b.owners() {
		closed = o.pool.CloseIdle() || closed
	}
	return closed
}

// connectionBudget is how many connections there may be at once, of clients and to targets together: an eighth of the descriptors is for
// all else, such as listeners, files, probes and clients that are told why they are turned away.
func connectionBudget(descriptors int) int { return descriptors - descriptors/8 }

// connectionLimits is how many connections each listener may have open, of so many that there may be in all. Those without a limit of
// their own share half: the other half is for connections to targets, so that clients who only hold theirs keep nobody from
// being answered. A client of HTTP/2 may need many of them, so that these are counted in all.
func connectionLimits(listeners []config.Listener, budget int) []int {
	out := make([]int, len(listeners))
	unlimited := 0
	for i := range listeners {
		if out[i] = listeners[i].Limits.Connections; out[i] == 0 {
			unlimited++
		}
	}
	for i := range out {
		if out[i] == 0 {
			out[i] = max(budget/2/unlimited, 1)
		}
	}
	return out
}
