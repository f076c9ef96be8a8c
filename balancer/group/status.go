package group

import (
	"time"
)

// Status is what the group knows of a target.
type Status struct {
	ID         string        `json:"id"`
	Address    string        `json:"address"`
	Zone       string        `json:"zone,omitempty"`
	Weight     int           `json:"weight"`
	State      State         `json:"state"`
	InFlight   int64         `json:"in_flight"`
	Requests   uint64        `json:"requests"`
	Expected   float64       `json:"expected"` // of its group's requests while it took traffic, its share by weight
	Discarded  uint64        `json:"discarded"`
	LastRouted time.Duration `json:"last_routed"`
}

// Open reports whether too few members are healthy, so that all of them take traffic.
func (g *Group) Open() bool { return g.open }

// Status lists the members in the order they were added.
func (g *Group) Status() []Status {
	g.Share()
	out := make([]Status, len(g.targets))
	for i, t := range g.targets {
		out[i] = t.Status()
	}
	return out
}

// Status is what is known of the target; what is expected of it, as of the last call of Group.Share. It may still be read
// once the target is gone.
func (t *Target) Status() Status {
	return Status{
		t.ID, t.Address, t.Zone, max(t.weight, 1), t.state, t.inFlight(), t.requests.Load(), t.expected, t.discarded.Load(),
		time.Duration(t.lastRouted.Load()),
	}
}

// State is the owner's to read.
func (t *Target) State() State { return t.state }
