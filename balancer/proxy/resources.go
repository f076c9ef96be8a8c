package proxy

import (
	"fmt"
	"slices"
	"syscall"
)

// errNoDescriptor is of connections for which none is left beside those that clients and other exchanges have.
var errNoDescriptor = fmt.Errorf("the balancer has as many connections as its descriptors allow: %w", syscall.EMFILE)

// CloseIdle closes, of the idle connections to each target, those that have been so for the longest, and reports whether there was one:
// their descriptors are needed.
func (p *Pool) CloseIdle() bool {
	closed := 0
	p.upstreams.Range(func(_, u any) bool {
		closed += u.(*upstream).closeIdle()
		return true
	})
	return closed > 0
}

// idlePart is which part of the idle connections is closed at once when a descriptor is needed; nginx' is the same.
const idlePart = 8

// closeIdle closes the idle connections that have been so for the longest, and returns how many.
func (u *upstream) closeIdle() int {
	if u.h2 != nil {
		return u.h2.CloseIdle(idlePart)
	}
	oldest := u.takeOldest()
	for _, c := range oldest {
		c.nc.Close()
	}
	return len(oldest)
}

// takeOldest takes the idle connections that have been so for the longest.
func (u *upstream) takeOldest() []*conn {
	u.mu.Lock()
	defer u.mu.Unlock()
	n := (len(u.idle) + idlePart - 1) / idlePart
	oldest := slices.Clone(u.idle[:n])
	u.idle = slices.Delete(u.idle, 0, n)
	return oldest
}
