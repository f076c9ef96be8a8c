package plan

import (
	"time"

	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
)

// Action is something that the player asks of a world: one of the types below.
type Action interface{ action() }

// Start starts a target's process, for the first time or again; each start is a new generation. A target
// that its group does not know yet joins it.
type Start struct {
	Target Target
	Boot   time.Duration // until it can serve
}

// Apply carries a fault out on its victims, which are ids of targets: what acts on exchanges is in force until it is reverted, what acts
// on a process has happened. An error means that nothing was done to at least one of them.
type Apply struct {
	Fault   *chaos.Fault
	Victims []string
}

// Revert ends a fault that acts on exchanges. It is answered by a Reverted event.
type Revert struct{ Fault string }

// Retire drains a target and then stops its process.
type Retire struct{ Group, Target string }

func (Start) action()  {}
func (Apply) action()  {}
func (Revert) action() {}
func (Retire) action() {}

// Played is what playing a load took.
type Played struct {
	CPU      float64         // share of the CPU that the generator may use; 0 in a simulated world
	LagLimit time.Duration   // delay of a request by the generator itself that counts as none
	Stalls   []measure.Stall // in which it stood still, in order of time
}

// Event is something that happened in a world. Which fields are set depends on its kind.
type Event struct {
	At         time.Duration // since the load began; negative before
	Kind       EventKind
	Group      string
	Target     string
	Generation int
	PID        int
	From, To   string        // of a Changed
	Detail     string        // reason, exit status, message
	LastRouted time.Duration // of a Changed or Trouble: the last request routed to the target so far
	Fault      string        // that caused it, or that was reverted
	Hits       uint64        // of a Reverted
	Stats      *Stats        // of a Measured

	Abandoned []AbandonedRequest // of an Abandoned
}

// AbandonedRequest is what a balancer knows of a request whose client cannot have read its answer.
type AbandonedRequest struct {
	Seq      uint64
	Retry    int    // which retry of its client's it was
	Target   string // id of the target of the final attempt; empty when no target was asked
	Fault    string // id of the wire fault that shaped the final attempt; empty when none did
	Attempts int    // how many attempts the balancer made
}

// EventKind is what an event tells.
type EventKind string

// The kinds of events.
const (
	Launched EventKind = "launched"  // a target's process started
	Exited   EventKind = "exited"    // it ended; Detail is its exit status
	Changed  EventKind = "state"     // the balancer's view of a target changed
	Trouble  EventKind = "trouble"   // a probe or exchange failed, the first after an injection or after some time without a failure
	Reverted EventKind = "reverted"  // a wire fault is no longer in force
	Measured EventKind = "stats"     // the world's counters
	Note     EventKind = "note"      // something worth knowing that needs no action
	FailOpen EventKind = "fail_open" // too few targets of a group are healthy: all take traffic
	FailShut EventKind = "fail_shut" // enough are again
	Broken   EventKind = "broken"    // a part of the system failed that no fault was aimed at

	Abandoned EventKind = "abandoned" // requests ended whose clients cannot have read the answer
)

// FailEvent is the event of a group that begins to fail open, or ends to; ok is false for any other effect.
func FailEvent(groupName string, e *group.Effect) (ev Event, ok bool) {
	switch e.Kind {
	case group.Opened:
		return Event{Kind: FailOpen, Group: groupName, Detail: e.Reason}, true
	case group.Shut:
		return Event{Kind: FailShut, Group: groupName, Detail: e.Reason}, true
	}
	return Event{}, false
}

// Stats are a world's counters.
type Stats struct {
	At       time.Duration
	Requests uint64 // that reached the balancer
	Retries  uint64
	Unrouted uint64
	Limited  uint64 // beyond a rate limit: answered 429
	Waited   uint64 // attempts that waited for a target with room
	Overflow uint64 // attempts that found the queue full
	Targets  map[string]TargetStats
}

// TargetStats are a target's counters. Those of its process start again with each generation.
type TargetStats struct {
	Group     string
	Address   string
	Requests  uint64 // attempts, as the balancer counted; discarded phases left out
	Discarded uint64
	Expected  float64 // of its group's Requests while it took traffic, its share by weight
	LastRoute time.Duration

	Generation int
	BusyAt     time.Duration // when Busy was read
	Busy       time.Duration // integral of busy slots
	Slots      int           // 0 when the target does not tell
	Served     uint64
}
