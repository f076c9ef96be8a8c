package balancer

import (
	"fmt"
	"net/http"

	"github.com/seed-8025779b/shakedown/balancer/admin"
	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/balancer/group"
)

// Admin is the balancer's API for people and scripts; see package admin. An empty token asks for none.
func (b *Balancer) Admin(token string) http.Handler { return admin.Handler(b, token) }

// Groups is every group as it is now.
func (b *Balancer) Groups() (out []admin.Group) {
	for _, o := range b.owners() {
		targets, open := o.status()
		out = append(out, admin.Group{Name: o.g.Name(), Strategy: o.config().Strategy.Kind, Open: open, Waiting: o.pool.Waiting(), Targets: targets})
	}
	return out
}

// AddTarget makes a target a member of a group; a weight of 0 stands for 1.
func (b *Balancer) AddTarget(groupName string, m group.Member) error {
	if m.Weight < 0 || m.Weight > maxWeight {
		return fmt.Errorf("weight %d is not within 1 to %d", m.Weight, maxWeight)
	}
	return b.Add(groupName, config.Target{ID: m.ID, Address: m.Address, Zone: m.Zone, Weight: m.Weight})
}

// Counts is what the data plane has counted.
func (b *Balancer) Counts() admin.Counts {
	c := &b.counters
	var dropped map[string]uint64
	if b.opts.Dropped != nil {
		dropped = b.opts.Dropped()
	}
	return admin.Counts{
		Requests: c.Requests.Load(), Retries: c.Retries.Load(), Unrouted: c.Unrouted.Load(), Refused: c.Refused.Load(), Aborted: c.Aborted.Load(),
		Limited: c.Limited.Load(), Waited: c.Waited.Load(), Overflow: c.Overflowed.Load(), Reconnects: c.Reconnects.Load(), Errors: c.Errors.Counts(), Dropped: dropped,
	}
}
