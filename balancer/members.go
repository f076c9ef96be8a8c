package balancer

import (
	"fmt"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/balancer/group"
)

// Add makes a target a member of a group.
func (b *Balancer) Add(groupName string, t config.Target) error {
	o, err := b.group(groupName)
	if err != nil {
		return err
	}
	return o.add(t)
}

// Drain takes a target out for good: no new requests at once, gone when what it runs has ended.
func (b *Balancer) Drain(groupName, id string) error {
	o, err := b.group(groupName)
	if err != nil {
		return err
	}
	return o.with(id, o.g.Drain)
}

// Watch makes the next failure of each target of such an id be told, whatever failed before: see group.Group.Watch.
func (b *Balancer) Watch(ids []string) {
	for _, o := range b.owners() {
		o.do(func(time.Duration) []group.Effect {
			for _, id := range ids {
				if t := o.g.Find(id); t != nil {
					o.g.Watch(t)
				}
			}
			return nil
		})
	}
}

// SetMaintenance takes a target out for maintenance, or back in.
func (b *Balancer) SetMaintenance(groupName, id string, on bool) error {
	o, err := b.group(groupName)
	if err != nil {
		return err
	}
	return o.with(id, func(now time.Duration, t *group.Target) []group.Effect { return o.g.SetMaintenance(now, t, on) })
}

// SetWeight changes a target's weight, from 1 to 1000.
func (b *Balancer) SetWeight(groupName, id string, weight int) error {
	o, err := b.group(groupName)
	if err != nil {
		return err
	}
	if weight < 1 || weight > maxWeight {
		return fmt.Errorf("weight %d is not within 1 to %d", weight, maxWeight)
	}
	return o.with(id, func(now time.Duration, t *group.Target) []group.Effect { return o.g.SetWeight(now, t, weight) })
}

// maxWeight is the largest weight; an application load balancer's is 999.
const maxWeight = 1000
