package vegeta

import (
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/attempt"
	"github.com/seed-8025779b/shakedown/loadgen/client"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
)

// user is a user of a closed loop: with HTTP/1.1 it has a connection of its own.
type user struct {
	t *transport
	c *connection
}

func (t *transport) user() client.User { return user{t, t.connection()} }

// Request implements client.User.
func (u user) Request(seq uint64, due time.Duration) (failed bool) {
	u.t.e.inFlight.Add(1)
	call := &attempt.Call{}
	u.t.carryOut(call, u.c, u.t.begin(call, seq, due, due))
	return call.Outcome != measure.Succeeded
}

// Leave implements client.User.
func (u user) Leave() {
	if !u.t.e.cfg.HTTP2 { // otherwise others use it too
		u.c.transport.CloseIdleConnections()
	}
}
