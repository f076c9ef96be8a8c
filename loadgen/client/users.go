package client

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/attempt"
	"github.com/seed-8025779b/shakedown/loadgen/pace"
	"github.com/seed-8025779b/shakedown/loadgen/profile"
)

// User carries out the requests of one user of a closed loop.
type User interface {
	// Request carries out one request, which is due when it is offered: now. It reports whether the request
	// failed.
	Request(seq uint64, due time.Duration) (failed bool)
	// Leave is called once, after the last request.
	Leave()
}

// PlayUsers plays a stretch of closed-loop load, and returns when its users have left: each sends its next
// request when the last one has ended, it has thought about it, and, after a failure, has paused. Without
// that pause a system that refuses would get a storm: the faster it refuses, the more requests.
//
// Sequence numbers are taken when a request is offered, one after the other: the samples of a stretch have
// those from its first on, without a gap, also when the context ends it.
func PlayUsers(ctx context.Context, clock pace.Clock, s profile.Closed, c *attempt.Config, newUser func() User) {
	if clock.Sleep(ctx, s.From) != nil {
		return
	}
	var offered atomic.Uint64
	var users sync.WaitGroup
	for range s.Users {
		u := newUser()
		users.Go(func() {
			defer u.Leave()
			for now := clock.Now(); now < s.To && ctx.Err() == nil; now = clock.Now() {
				failed := u.Request(s.FirstSeq+offered.Add(1)-1, now)
				ended := clock.Now()
				next, ok := c.NextRequest(ended, s.Think, s.To, failed)
				if !ok || (next > ended && clock.Sleep(ctx, next) != nil) {
					return
				}
			}
		})
	}
	users.Wait()
}
