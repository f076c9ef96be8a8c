package proxy

import (
	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/pick"
)

// Decision is how a target was chosen for an attempt.
type Decision struct {
	Seq        uint64
	Attempt    int
	Group      string
	Candidates []group.Candidate // that were ready, with their loads, just before
	Tried      []string          // of them, by this request
	Choice     string            // "" when there was none
	Reason     string
	Waited     bool // in the queue: the loads may have changed since
}

// decision notes what a decision is made on.
func (x *driver) decision(pool *Pool) *Decision {
	return &Decision{
		Seq: x.pick.Seq, Attempt: x.pick.Attempt, Group: pool.Group.Name(), Candidates: pool.Group.Candidates(x.f.hooks.Now()), Tried: x.pick.Tried,
	}
}

// decided tells of a decision.
func (x *driver) decided(pool *Pool, d *Decision, t *group.Target) {
	switch {
	case t == nil:
		d.Reason = "none is ready"
		if d.Waited {
			d.Reason = "none had room"
		}
	case x.pick.Sticky != (pick.Tag{}) && x.pick.Sticky == x.sticky.Tag(pool.Group, t.ID):
		d.Choice, d.Reason = t.ID, "the client's cookie"
	case len(d.Candidates) == 1+len(d.Tried):
		d.Choice, d.Reason = t.ID, "the only one left"
	default:
		d.Choice, d.Reason = t.ID, x.pool.Strategy
	}
	x.f.hooks.Decision(d)
}
