package group

import (
	"slices"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/pick"
)

// Choose picks a ready target for an attempt and counts it as in flight; nil when none is ready that the
// request has not tried, or all of them are full; waits then is what Waits says of the same targets. Every chosen target must be given
// back with Release. discard marks a request of a phase that is left out of the totals: it is counted apart.
func (g *Group) Choose(now time.Duration, r *pick.Request, discard bool) (t *Target, waits bool) {
	r.Limit = g.limit()
	for {
		rd := g.ready.Load() // each time: a target that has gone is not among them any more
		i := g.pick(now, r, rd)
		switch {
		case i >= 0:
			t = rd.targets[i]
		case rd != g.ready.Load(): // there may be others by now
			continue
		default:
			return nil, (r.Limit > 0 && rd.untried(r)) || g.awaitsFirst(rd, r)
		}
		if t.enter(r.Limit) {
			break
		}
	}
	if retry := g.Config().Retry; retry != nil && r.Attempt == 0 {
		g.budget.Earn(retry.Budget)
	}
	if discard {
		t.discarded.Add(1)
	} else {
		t.requests.Add(1)
	}
	t.lastRouted.Store(int64(now))
	return t, false
}

// pick is the index of a ready target: the one that the request sticks to, or else one by the strategy.
func (g *Group) pick(now time.Duration, r *pick.Request, rd *ready) int {
	if r.Sticky != (pick.Tag{}) {
		if i, ok := rd.tags[r.Sticky]; ok && !r.Left(&rd.set.Members[i]) {
			return i
		}
	}
	if rd.near == nil {
		return rd.chooser.Pick(now, r, &rd.set)
	}
	return rd.near.pick(now, r, g, rd.chooser)
}

// Waits reports whether a request waits for a target when it can't be sent to one now: there is a ready one that it has not tried, or
// the group has no target yet and requests wait for its first one. A request that has failed at a target does not wait for a first one.
func (g *Group) Waits(r *pick.Request) bool {
	rd := g.ready.Load()
	return rd.untried(r) || g.awaitsFirst(rd, r)
}

func (g *Group) awaitsFirst(rd *ready, r *pick.Request) bool {
	l := g.Config().Limits
	return rd.none && l != nil && l.First && r.Attempt == 0
}

// untried reports whether there is a ready target that the request has not tried.
func (rd *ready) untried(r *pick.Request) bool { return rd.other(r, nil) }

// other reports the same of the targets besides one.
func (rd *ready) other(r *pick.Request, but *Target) bool {
	for _, t := range rd.targets {
		if t != but && !slices.Contains(r.Tried, t.ID) {
			return true
		}
	}
	return false
}

// Key is what the strategy wants requests' keys to be taken from; ok is false when it wants none.
func (g *Group) Key() (k pick.Key, ok bool) {
	if keyed, is := g.settings.Load().strategy.(pick.Keyed); is {
		return keyed.Key(), true
	}
	return k, false
}

// AnyKey is the key of a request that does not have what keys are taken from: a draw.
func (g *Group) AnyKey(seq uint64) uint64 { return g.keys.Uint64(seq, 0) }

// Responded tells that the head of an answer has come which is no failure, and how long the target took to it.
func (g *Group) Responded(now time.Duration, t *Target, took time.Duration) {
	if o := g.settings.Load().times; o != nil {
		o.Answered(now, &t.load, took)
	}
}

// Release takes the attempt off the target's count; took is the time that the target took to the head of its answer, or to its failure
// when none came. It reports whether the owner has to be told
// with Answered: rarely, so that the data plane seldom meets the owner's lock. The last attempt at a target that is gone
// is always to be told: only then is nothing under way there any more.
func (g *Group) Release(now time.Duration, t *Target, o Outcome, took time.Duration) (tell bool) {
	last := t.leave()
	x := g.settings.Load()
	if c := x.cfg.Outliers; c != nil && c.SuccessRate > 0 {
		t.outlier.Count(!o.failed(), o == Abandoned)
	}
	if x.observer != nil && o != Abandoned {
		x.observer.Done(now, &t.load, took, o.failed())
	}
	return o.failed() || last || t.attentive.Load()
}

// MayRetry reports whether a failed attempt at a target may be followed by another on a different one, and counts it against the budget.
// The target is among those that the request has tried, or given besides. repeatable says that the request may be sent twice: it is
// idempotent, its body is at hand, and nothing of an answer has gone to the client. Without another target that takes traffic there is no
// retry: an answer that is a failure is better than none.
func (g *Group) MayRetry(now time.Duration, r *pick.Request, t *Target, o Outcome, repeatable bool) bool {
	c := g.Config().Retry
	return c != nil && r.Attempt < c.Attempts && c.allows(o, repeatable) && g.ready.Load().other(r, t) && g.budget.Spend(now, c.Floor)
}

// Candidate is a ready target as a strategy sees it.
type Candidate struct {
	ID       string `json:"id"`
	Zone     string `json:"zone,omitempty"`
	InFlight int64  `json:"in_flight"`
	Weight   int    `json:"weight"`
	Warming  bool   `json:"warming,omitempty"`
}

// Candidates are the ready targets.
func (g *Group) Candidates(now time.Duration) []Candidate {
	rd := g.ready.Load()
	out := make([]Candidate, len(rd.set.Members))
	for i := range rd.set.Members {
		m := &rd.set.Members[i]
		out[i] = Candidate{m.ID, m.Zone, rd.targets[i].inFlight(), max(m.Weight, 1), m.Warming && now-m.Since < g.Config().SlowStart}
	}
	return out
}

// Ready is how many targets take traffic.
func (g *Group) Ready() int { return len(g.ready.Load().targets) }
