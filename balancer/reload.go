package balancer

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/proxy"
)

// newGroupsWithin is how long the targets of a new group may take until they are known to be healthy.
const newGroupsWithin = 30 * time.Second

// Reload changes a running balancer to another configuration, without a request lost: rules, groups, their targets,
// weights and policies. Targets that are new join, those that are missing are drained, the others keep their state. A
// new group gets requests once it has a healthy target. What can't change while it runs is refused before anything is
// changed, and the error says what it is.
func (b *Balancer) Reload(cfg Config) error {
	b.reloading.Lock()
	defer b.reloading.Unlock()
	plan, err := b.planReload(cfg)
	if err != nil {
		return fmt.Errorf("reload: %w", err)
	}
	if said := b.reloadCertificates(); said != "" {
		b.opts.Note(said)
	}
	b.mu.Lock()
	b.groups = append(b.groups, plan.fresh...) // they can be seen, and are closed with the others
	b.mu.Unlock()
	for _, o := range plan.fresh {
		o.begin()
	}
	if err := b.await(plan.fresh); err != nil {
		b.retire(plan.fresh)
		return fmt.Errorf("reload: %w", err)
	}
	for i := range plan.routing {
		b.routing[i].Store(plan.routing[i])
	}
	for o, gc := range plan.kept {
		if err := o.reload(gc); err != nil {
			return fmt.Errorf("reload: %w", err)
		}
	}
	b.retire(plan.gone)
	return nil
}

// reloadPlan is what a reload is going to do.
type reloadPlan struct {
	routing     []*proxy.Routing
	kept        map[*owner]Group
	fresh, gone []*owner
}

// planReload finds whatever can't change while the balancer runs. It changes nothing.
func (b *Balancer) planReload(cfg Config) (p reloadPlan, err error) {
	const restart = "start a successor with --takeover"
	if len(cfg.Listeners) != len(b.cfg.Listeners) {
		return p, fmt.Errorf("the number of listeners can't change while it runs: %s", restart)
	}
	pools := map[string]*proxy.Pool{}
	p.kept = map[*owner]Group{}
	for _, gc := range cfg.Groups {
		o, err := b.group(gc.Name)
		if err != nil {
			if o, err = b.newGroup(gc); err != nil {
				return p, err
			}
			if err := o.openFiles(); err != nil {
				return p, err
			}
			p.fresh = append(p.fresh, o)
		} else {
			if !reflect.DeepEqual(fixedOf(gc), fixedOf(o.config())) {
				return p, fmt.Errorf("group %s: how its targets are spoken to can't change while it runs: %s", gc.Name, restart)
			}
			if _, err := b.newGroup(gc); err != nil { // only to see that it could be made
				return p, err
			}
			if err := o.sameAddresses(gc.Targets); err != nil {
				return p, err
			}
			p.kept[o] = gc
		}
		if pools[gc.Name] != nil {
			return p, fmt.Errorf("there are two groups %s", gc.Name)
		}
		pools[gc.Name] = o.pool
	}
	for _, o := range b.owners() {
		if _, stays := p.kept[o]; !stays {
			p.gone = append(p.gone, o)
		}
	}
	for i, l := range cfg.Listeners {
		old, fixed := b.cfg.Listeners[i], l
		old.Rules, fixed.Rules = nil, nil
		if !reflect.DeepEqual(fixed, old) {
			return p, fmt.Errorf("listener %s: only its rules can change while it runs: %s", old.Address, restart)
		}
		routing, err := compile(&l, pools)
		if err != nil {
			return p, err
		}
		p.routing = append(p.routing, routing)
	}
	return p, nil
}

// fixedOf is the part of a group's settings that can't change while it runs.
func fixedOf(g Group) Group {
	return Group{Name: g.Name, HTTP2: g.HTTP2, TLS: g.TLS, ProxyHeader: g.ProxyHeader, Host: g.Host, Timeouts: g.Timeouts}
}

// await waits until new groups can answer.
func (b *Balancer) await(fresh []*owner) error {
	for deadline := time.Now().Add(newGroupsWithin); ; time.Sleep(10 * time.Millisecond) {
		i := slices.IndexFunc(fresh, func(o *owner) bool { return !o.ready() })
		switch {
		case i < 0:
			return nil
		case b.ctx.Err() != nil:
			return b.ctx.Err()
		case time.Now().After(deadline):
			return fmt.Errorf("group %s: no target became healthy within %v", fresh[i].g.Name(), newGroupsWithin)
		}
	}
}

// retire takes groups out to which no rule leads any more: what runs may end.
func (b *Balancer) retire(gone []*owner) {
	b.mu.Lock()
	b.groups = slices.DeleteFunc(b.groups, func(o *owner) bool { return slices.Contains(gone, o) })
	b.retired = append(b.retired, gone...)
	b.mu.Unlock()
	for _, o := range gone {
		o.do(func(now time.Duration) (out []group.Effect) {
			for _, x := range o.g.Status() {
				out = append(out, o.g.Drain(now, o.g.Find(x.ID))...)
			}
			return out
		})
	}
}

// sameAddresses refuses a target under an id that is in use with another address.
func (o *owner) sameAddresses(targets []Target) (err error) {
	o.do(func(time.Duration) []group.Effect {
		for _, t := range targets {
			if m := o.g.Find(t.ID); m != nil && m.Address != t.Address {
				err = fmt.Errorf("group %s: target %s has another address now: give it another id", o.g.Name(), t.ID)
			}
		}
		return nil
	})
	return err
}

// reload brings the settings and the members to those given.
func (o *owner) reload(gc Group) error {
	settings, err := o.b.settings(&gc)
	if err != nil {
		return err
	}
	wanted := map[string]Target{}
	for _, t := range gc.Targets {
		wanted[t.ID] = t
	}
	var fresh []Target
	o.do(func(now time.Duration) (out []group.Effect) {
		old := o.cfg
		o.cfg = gc
		out = o.reconfigure(now, &old, settings)
		for _, t := range gc.Targets {
			m := o.g.Find(t.ID)
			switch {
			case m == nil:
				fresh = append(fresh, t)
			case m.Status().Weight != max(t.Weight, 1):
				out = append(out, o.g.SetWeight(now, m, max(t.Weight, 1))...)
			}
		}
		for _, x := range o.g.Status() {
			if _, stays := wanted[x.ID]; !stays {
				out = append(out, o.g.Drain(now, o.g.Find(x.ID))...)
			}
		}
		return out
	})
	for _, t := range fresh {
		if err := o.add(t); err != nil {
			return err
		}
	}
	return nil
}

// reconfigure changes the group's settings, where they differ from the old ones.
func (o *owner) reconfigure(now time.Duration, old *Group, settings group.Config) (out []group.Effect) {
	a, b := *old, o.cfg
	a.Targets, b.Targets = nil, nil
	if reflect.DeepEqual(a, b) {
		return nil
	}
	out = o.g.Reconfigure(now, settings, reflect.DeepEqual(a.Strategy, b.Strategy))
	if !reflect.DeepEqual(a.Health, b.Health) {
		for _, t := range slices.Collect(maps.Keys(o.probers)) {
			o.check(t)
		}
	}
	return out
}
