package balancer

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/route"
)

// Reload changes a running balancer to another configuration, without a request lost: rules, and the groups' targets
// and weights. Targets that are new join, those that are missing are drained, the others keep their state. What can't
// change while it runs is refused before anything is changed, and the error says what it is.
func (b *Balancer) Reload(cfg Config) error {
	rules, err := b.checkReload(cfg)
	if err != nil {
		return fmt.Errorf("reload: %w", err)
	}
	if said := b.reloadCertificates(); said != "" {
		b.opts.Note(said)
	}
	for i := range rules {
		b.rules[i].Store(&rules[i])
	}
	for _, gc := range cfg.Groups {
		o, err := b.group(gc.Name)
		if err != nil {
			return err
		}
		if err := o.reload(gc.Targets); err != nil {
			return fmt.Errorf("reload: %w", err)
		}
	}
	return nil
}

// checkReload finds whatever can't change while the balancer runs, and compiles the rules.
func (b *Balancer) checkReload(cfg Config) (rules []route.Table, err error) {
	const restart = "start a successor with --takeover"
	if len(cfg.Listeners) != len(b.cfg.Listeners) {
		return nil, fmt.Errorf("the number of listeners can't change while it runs: %s", restart)
	}
	for i, l := range cfg.Listeners {
		old, fixed := b.cfg.Listeners[i], l
		old.Rules, fixed.Rules = nil, nil
		if !reflect.DeepEqual(fixed, old) {
			return nil, fmt.Errorf("listener %s: only its rules can change while it runs: %s", old.Address, restart)
		}
		table, err := b.compile(&l)
		if err != nil {
			return nil, err
		}
		rules = append(rules, table)
	}
	if len(cfg.Groups) != len(b.groups) {
		return nil, fmt.Errorf("groups can't come or go while it runs: %s", restart)
	}
	for _, gc := range cfg.Groups {
		o, err := b.group(gc.Name)
		if err != nil {
			return nil, errors.New("groups can't come or go while it runs: " + restart)
		}
		if err := noTwins(&gc); err != nil {
			return nil, err
		}
		fixed, old := gc, o.cfg
		fixed.Targets, old.Targets = nil, nil
		if !reflect.DeepEqual(fixed, old) {
			return nil, fmt.Errorf("group %s: only its targets can change while it runs: %s", gc.Name, restart)
		}
		if err := o.sameAddresses(gc.Targets); err != nil {
			return nil, err
		}
	}
	return rules, nil
}

// sameAddresses refuses a target under an id that is in use with another address.
func (o *owner) sameAddresses(targets []Target) (err error) {
	o.do(func(time.Duration) []group.Effect {
		for _, t := range targets {
			if m := o.g.Find(t.ID); m != nil && m.Address != t.Address {
				err = fmt.Errorf("group %s: target %s has another address now: give it another id", o.cfg.Name, t.ID)
			}
		}
		return nil
	})
	return err
}

// reload brings the members to those given.
func (o *owner) reload(targets []Target) error {
	wanted := map[string]Target{}
	for _, t := range targets {
		wanted[t.ID] = t
	}
	var fresh []Target
	o.do(func(now time.Duration) (out []group.Effect) {
		for _, t := range targets {
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
