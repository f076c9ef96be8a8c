package sim

import (
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/profile"
)

// user is one user of a closed loop.
type user struct {
	seq    *uint64 // shared by the users of a stretch
	until  time.Duration
	think  time.Duration
	number int               // of the users of all stretches, from 0: of its connection
	jar    map[string]string // the cookies by which it sticks to targets; nil while it has none
}

// leastTurn is the least time from one request of a user to the next: where an answer takes no virtual time
// at all, as a refusal may, a loop would otherwise never let time pass.
const leastTurn = 100 * time.Microsecond

func (w *World) beginClosed(c profile.Closed) {
	seq := c.FirstSeq
	for range c.Users {
		w.use(&user{seq: &seq, until: c.To, think: c.Think, number: w.begun})
		w.begun++
	}
}

// pause lets the user of a request that has ended think, and after a failure pause besides, before the next one. A user
// does not think past the end of its stretch.
func (w *World) pause(r *request) {
	u := r.user
	next, ok := w.s.Client.NextRequest(w.now, u.think, u.until, r.Outcome != measure.Succeeded)
	next = max(next, r.Due+leastTurn)
	if !ok || next >= u.until {
		w.users--
		return
	}
	w.At(next, func() { w.use(u) })
}

// use sends a user's next request.
func (w *World) use(u *user) {
	r := newRequest(*u.seq, w.now)
	r.user = u
	*u.seq++
	w.arrive(r)
}
