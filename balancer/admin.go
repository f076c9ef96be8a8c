package balancer

import (
	"fmt"
	"net/http"

	"github.com/seed-8025779b/shakedown/balancer/admin"
	"github.com/seed-8025779b/shakedown/balancer/group"
)

// Admin is the balancer's API for people and scripts; see package admin. An empty token asks for none.
func (b *Balancer) Admin(token string) http.Handler { return admin.Handler(b, token) }

// Targets is every group's targets, those that are gone included.
func (b *Balancer) Targets() map[string][]group.Status { return b.Stats().Groups }

// AddTarget makes a target a member of a group; a weight of 0 stands for 1.
func (b *Balancer) AddTarget(groupName string, m group.Member) error {
	if m.Weight < 0 || m.Weight > maxWeight {
		return fmt.Errorf("weight %d is not within 1 to %d", m.Weight, maxWeight)
	}
	return b.Add(groupName, Target{ID: m.ID, Address: m.Address, Zone: m.Zone, Weight: m.Weight})
}

// Counts is what the data plane has counted.
func (b *Balancer) Counts() admin.Counts {
	s := b.Stats()
	return admin.Counts{Requests: s.Requests, Retries: s.Retries, Unrouted: s.Unrouted, Refused: s.Refused, Aborted: s.Aborted}
}
