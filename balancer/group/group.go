// Package group is a target group as a state machine: membership, health, outliers, draining, retries.
//
// Events and the time go in, effects come out; nothing here waits, probes or opens a socket, so that the
// live balancer and the simulator share every decision. There are two sides to it:
//
//   - The owner's side (Add, Drain, Probed, Answered, Tick, Status) changes state. Its calls must not
//     overlap; the live balancer holds a lock around them, the simulator has one thread.
//   - The data plane's side (Choose, Release, MayRetry) reads an immutable set through an atomic pointer
//     and touches only atomics. It may be called from any goroutine.
package group

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/health"
	"github.com/seed-8025779b/shakedown/balancer/pick"
	"github.com/seed-8025779b/shakedown/scenarios/budget"
	"github.com/seed-8025779b/shakedown/scenarios/draw"
)

// State is what the group thinks of a target.
type State string

// The states of a target. Only healthy ones take traffic.
const (
	Initial     State = "initial"     // added, not yet seen to be healthy
	Healthy     State = "healthy"     // takes traffic
	Unhealthy   State = "unhealthy"   // active checks fail
	Ejected     State = "ejected"     // failed real traffic
	Maintenance State = "maintenance" // asked to take no new traffic for a while
	Draining    State = "draining"    // takes no new traffic; what runs may end
	Gone        State = "gone"
)

// Member is what a target is known by. It does not change.
type Member struct {
	ID, Address, Zone string
	Weight            int // of strategies that weigh; 0 counts as 1
}

// Target is one member.
type Target struct {
	Member

	load       pick.Load
	requests   atomic.Uint64
	discarded  atomic.Uint64
	lastRouted atomic.Int64 // nanoseconds since the run began
	attentive  atomic.Bool  // the owner wants to hear of every answer

	// The owner's.
	state       State
	weight      int
	maintenance bool
	founder     bool          // the group has never served without it
	since       time.Duration // when it came into service
	warming     bool
	check       health.Check
	outlier     health.Outlier
	fresh       bool // never seen healthy
	up          bool // by active checks
	ejected     bool
	until       time.Duration // end of the ejection, or of draining
	trouble     bool          // it was told that the target fails
	failedAt    time.Duration // the latest failed probe or exchange
	expected    float64       // requests by its weight: see Share
	shared      uint64        // of requests, those that have been shared out
}

// Effect is something the owner should act on or report.
type Effect struct {
	At         time.Duration
	Target     string
	Kind       EffectKind
	From, To   State // of a Changed
	Reason     string
	LastRouted time.Duration // the last request routed to the target so far; negative when there was none
}

// EffectKind is what an effect tells.
type EffectKind string

// The kinds of effects.
const (
	Changed  EffectKind = "changed" // the target's state changed
	Troubled EffectKind = "trouble" // a probe or exchange failed: see Watch for which are told
	Opened   EffectKind = "open"    // too few targets are healthy: from now on all of them take traffic
	Shut     EffectKind = "shut"    // enough are healthy again
)

// Group is a target group.
type Group struct {
	name     string
	settings atomic.Pointer[settings]
	served   bool          // there was a healthy target once
	keys     draw.Stream   // for requests without a key
	spill    draw.Stream   // of requests that leave their zone
	sweep    time.Duration // when success rates are compared next
	budget   budget.Budget // of retries
	open     bool          // too few are healthy: all take traffic
	targets  []*Target
	ready    atomic.Pointer[ready]
	updating bool // by Update
	stale    bool // the set in force is not what takes traffic any more
	sweeping bool // Update takes out those that are gone, all at once
}

// New returns an empty group.
func New(name string, cfg Config) *Group {
	g := &Group{name: name, keys: cfg.Seed.Stream("key:" + name), spill: cfg.Seed.Stream("spill:" + name)}
	g.configure(cfg, cfg.Strategy(cfg.Seed.Stream("pick:"+name)))
	g.publish(0)
	return g
}

// Name is what the group is called.
func (g *Group) Name() string { return g.name }

// Add makes a target a member. Without active checks it takes traffic at once.
func (g *Group) Add(now time.Duration, m Member) (*Target, []Effect) {
	t := &Target{Member: m, state: Initial, fresh: true, weight: m.Weight, founder: !g.served}
	t.lastRouted.Store(-1)
	if g.Config().Health == nil {
		t.fresh, t.up = false, true
	}
	if c := g.Config().Outliers; c != nil && len(g.targets) == 0 {
		g.sweep = now + c.Interval
	}
	g.targets = append(g.targets, t)
	out := g.settle(now, t, "added")
	if g.Config().FailOpen != nil && t.state == Initial { // a member more may open the group, or take traffic in an open one
		out = append(out, g.publishLater(now)...)
	}
	return t, out
}

// Find returns the member of that id, nil when there is none.
func (g *Group) Find(id string) *Target {
	for _, t := range g.targets {
		if t.ID == id {
			return t
		}
	}
	return nil
}

// Probed tells the result of an active check; reason says why it failed.
func (g *Group) Probed(now time.Duration, t *Target, passed bool, reason string) []Effect {
	if g.Config().Health == nil || t.state == Draining || t.state == Gone {
		return nil
	}
	up, down := t.check.Observe(g.Config().Health, passed, t.fresh)
	var out []Effect
	switch {
	case up:
		t.up, t.fresh = true, false
		reason = "checks pass"
	case down:
		t.up = false
		reason = fmt.Sprintf("%d checks failed in a row: %s", g.Config().Health.Unhealthy, reason)
	case !passed:
		reason = "check failed: " + reason
	}
	if passed {
		t.succeeded(now)
	} else {
		out = g.troubled(now, t, reason)
	}
	return append(out, g.settle(now, t, reason)...)
}

// Drain takes a target out of service for good: no new requests at once; it is gone when what it runs
// has ended, or when the group's drain time is over.
func (g *Group) Drain(now time.Duration, t *Target) []Effect {
	if t.state == Draining || t.state == Gone {
		return nil
	}
	out := g.move(now, t, Draining, "asked to drain")
	t.until = now + g.Config().Drain
	return append(out, g.settle(now, t, "")...)
}

// Resume takes a target that drains back into the group: what was asked for has changed. With active checks it takes
// traffic after its next passing check, like a new one; without, at once.
func (g *Group) Resume(now time.Duration, t *Target) []Effect {
	if t.state != Draining {
		return nil
	}
	t.maintenance = false
	t.endEjection(now) // when it would have ended is not known any more
	if g.Config().Health != nil {
		t.fresh, t.up = true, false
	}
	return append(g.move(now, t, Initial, "asked to stay"), g.settle(now, t, "asked to stay")...)
}

// SetMaintenance takes a target out for maintenance, or back in: no new requests meanwhile; checks go on.
func (g *Group) SetMaintenance(now time.Duration, t *Target, on bool) []Effect {
	if t.state == Draining || t.state == Gone {
		return nil
	}
	t.maintenance = on
	if on {
		return g.settle(now, t, "asked for maintenance")
	}
	return g.settle(now, t, "back from maintenance")
}

// SetWeight changes a target's weight.
func (g *Group) SetWeight(now time.Duration, t *Target, weight int) []Effect {
	t.weight = weight
	return g.publishLater(now)
}

// Tick ends what has run out by now. The world calls it at NextTick.
func (g *Group) Tick(now time.Duration) []Effect {
	out := g.compare(now)
	for _, t := range append([]*Target(nil), g.targets...) {
		out = append(out, g.settle(now, t, "its ejection is over")...)
	}
	return out
}

// NextTick is when Tick has something to do next; ok is false when it has not.
func (g *Group) NextTick(now time.Duration) (at time.Duration, ok bool) {
	if c := g.Config().Outliers; c != nil && c.SuccessRate > 0 && len(g.targets) > 0 {
		at, ok = max(g.sweep, now+1), true
	}
	for _, t := range g.targets {
		if (t.state == Draining || t.ejected) && t.until > now && (!ok || t.until < at) {
			at, ok = t.until, true
		}
	}
	return at, ok
}

// settle derives the target's state from what is known and reports a change.
func (g *Group) settle(now time.Duration, t *Target, reason string) []Effect {
	if t.ejected && now >= t.until && (g.Config().Health == nil || t.check.Passing()) {
		t.endEjection(now) // a passing probe alone never ends an ejection, and its time alone not either
	}
	var to State
	switch {
	case t.state == Gone:
		return nil
	case t.state == Draining:
		switch {
		case g.stale: // it may be in the set that is in force: requests would be routed to it in vain. Update settles it later
			return nil
		case t.shutIfIdle():
			return g.move(now, t, Gone, "drained")
		case now >= t.until:
			t.shut()
			return g.move(now, t, Gone, fmt.Sprintf("drain time over with %d requests running", t.inFlight()))
		}
		return nil
	case t.maintenance:
		to = Maintenance
	case t.fresh:
		to = Initial
	case !t.up:
		to = Unhealthy
	case t.ejected:
		to = Ejected
	default:
		to = Healthy
	}
	return g.move(now, t, to, reason)
}

func (g *Group) move(now time.Duration, t *Target, to State, reason string) []Effect {
	from := t.state
	if from == to {
		g.listen(t)
		return nil
	}
	t.state = to
	if to == Healthy {
		t.trouble = false // its next failure is the first of what takes it out again
		t.since, t.warming = now, !t.founder
		t.founder, g.served = false, true
	}
	if to == Gone && !g.sweeping {
		for i, other := range g.targets {
			if other == t {
				g.targets = append(g.targets[:i:i], g.targets[i+1:]...)
				break
			}
		}
	}
	g.listen(t)
	out := []Effect{{now, t.ID, Changed, from, to, reason, time.Duration(t.lastRouted.Load())}}
	switch {
	case to == Gone: // it takes no traffic since it drains
	case to == Healthy, from == Healthy, to.known() != from.known(), g.Config().FailOpen != nil:
		out = append(out, g.publishLater(now)...)
	}
	return out
}

// known reports whether a target of that state is neither new nor leaving.
func (s State) known() bool { return s != Initial && s != Draining && s != Gone }

// listen decides whether the owner needs to hear of every answer of a target: only while one of them
// could change something.
func (g *Group) listen(t *Target) {
	t.attentive.Store(t.state == Draining || t.outlier.Failing() || t.trouble)
}
