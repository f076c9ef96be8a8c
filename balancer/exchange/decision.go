package exchange

import (
	"time"

	"github.com/seed-8025779b/shakedown/balancer/group"
)

// Decision is how a target was chosen for an attempt.
type Decision struct {
	Seq        uint64
	Retry      int // of its client's
	Attempt    int
	Group      string
	Candidates []group.Candidate // that were ready, with their loads, just before
	Tried      []string          // of them, by this request
	Choice     string            // "" when there was none
	Reason     string
	Waited     bool // in the queue: the loads may have changed since
}

// view notes what a decision is made on.
func (x *Exchange) view(now time.Duration) *Decision {
	g := x.pool.Members()
	return &Decision{Seq: x.r.Seq, Retry: x.r.Retry, Attempt: x.pick.Attempt, Group: g.Name(), Candidates: g.Candidates(now), Tried: append([]string{}, x.pick.Tried...)}
}

// decided tells of a decision, when it is to be told: for a target, nil for none.
func (x *Exchange) decided(t *group.Target, waited bool) {
	d := x.decision
	if d == nil {
		return
	}
	x.decision = nil
	d.Waited = waited
	switch {
	case t == nil && waited:
		d.Reason = "none had room"
	case t == nil:
		d.Reason = "none is ready"
	case x.sticky != nil && x.isOwn(t):
		d.Choice, d.Reason = t.ID, "the client's cookie"
	case len(d.Candidates) == 1+len(d.Tried):
		d.Choice, d.Reason = t.ID, "the only one left"
	default:
		d.Choice, d.Reason = t.ID, x.pool.Members().Config().StrategyName
	}
	x.s.Decision(d)
}
