package wire

import (
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/client"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
)

// user is a user of a closed loop: it has a connection of its own.
type user struct{ c *conn }

func (p *play) user() client.User {
	c := p.connection()
	c.own = true
	p.mu.Lock()
	defer p.mu.Unlock()
	p.users = append(p.users, c)
	return user{c}
}

// Request implements client.User.
func (u user) Request(seq uint64, due time.Duration) (failed bool) {
	u.c.p.e.inFlight.Add(1)
	u.c.carryOut(job{seq: seq, due: due, offered: due})
	return u.c.call.Outcome != measure.Succeeded
}

// Leave implements client.User.
func (u user) Leave() { u.c.close() }
