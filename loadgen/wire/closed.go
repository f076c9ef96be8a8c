package wire

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/profile"
)

// playClosed plays a stretch of closed-loop load: each user has a connection of its own.
func (p *play) playClosed(s profile.Closed) {
	if p.clock.Sleep(p.ctx, s.From) != nil {
		return
	}
	var seq atomic.Uint64
	seq.Store(s.FirstSeq)
	var users sync.WaitGroup
	for range s.Users {
		c := p.connection()
		p.mu.Lock()
		p.users = append(p.users, c)
		p.mu.Unlock()
		users.Go(func() { c.use(&seq, s.To, s.Think) })
	}
	users.Wait()
}

// use is one user: a request is due when the user sends it.
func (c *conn) use(seq *atomic.Uint64, until, think time.Duration) {
	defer c.close()
	for {
		now := c.p.clock.Now()
		if now >= until || c.p.cancelled.Load() {
			return
		}
		c.p.e.inFlight.Add(1)
		c.exchange(job{seq: seq.Add(1) - 1, due: now, offered: now})
		if think > 0 && c.p.clock.Sleep(c.p.ctx, c.p.clock.Now()+think) != nil {
			return
		}
	}
}
