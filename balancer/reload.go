package balancer

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/proxy"
)

// readyWithin is how long new targets may take until they are known to be healthy, unless the options say otherwise.
const readyWithin = 30 * time.Second

// Reload changes a running balancer to another configuration, without a request lost: rules, groups, their targets,
// weights and policies. Targets that are new join, those that are missing are drained, the others keep their state.
//
// Nothing leaves before what takes its place can answer: a new group gets requests once it has a healthy target, and the
// targets that a group loses stay until those that it gains are healthy, for Options.ReadyWithin at most. A group that
// would be left without a healthy target keeps those that it has. In that case, and when something can't change while the
// balancer runs, nothing is changed at all, and the error says why. It blocks meanwhile.
func (b *Balancer) Reload(cfg config.Config) error {
	b.reloading.Lock()
	defer b.reloading.Unlock()
	if b.ctx.Err() != nil {
		return fmt.Errorf("reload: the balancer has been stopped")
	}
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
	for _, s := range plan.kept {
		s.prepare()
	}
	notes, err := b.await(&plan)
	if err != nil {
		for _, s := range plan.kept {
			s.undo()
		}
		b.retire(plan.fresh)
		return fmt.Errorf("reload: %w", err)
	}
	for i := range plan.routing {
		b.routing[i].Store(plan.routing[i])
	}
	for _, s := range plan.kept {
		s.finish()
	}
	b.retire(plan.gone)
	if cfg.Seed != b.cfg.Seed { // cookies, keys and buckets depend on it
		notes = append(notes, fmt.Sprintf("seed stays %d: another one takes a start", b.cfg.Seed))
	}
	for _, note := range notes {
		b.opts.Note(note)
	}
	return nil
}

// reloadPlan is what a reload is going to do.
type reloadPlan struct {
	routing     []*proxy.Routing
	kept        []*swap
	fresh, gone []*owner
}

// planReload finds whatever can't change while the balancer runs. It changes nothing.
func (b *Balancer) planReload(cfg config.Config) (p reloadPlan, err error) {
	const restart = "start a successor with --takeover"
	if len(cfg.Listeners) != len(b.cfg.Listeners) {
		return p, fmt.Errorf("the number of listeners can't change while it runs: %s", restart)
	}
	pools := map[string]*proxy.Pool{}
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
			s, err := newSwap(o, gc)
			if err != nil {
				return p, err
			}
			p.kept = append(p.kept, s)
		}
		if pools[gc.Name] != nil {
			return p, fmt.Errorf("there are two groups %s", gc.Name)
		}
		pools[gc.Name] = o.pool
	}
	for _, o := range b.owners() {
		if !slices.ContainsFunc(p.kept, func(s *swap) bool { return s.o == o }) {
			p.gone = append(p.gone, o)
		}
	}
	for i, l := range cfg.Listeners {
		old, fixed := b.cfg.Listeners[i], l
		old.Rules, fixed.Rules = nil, nil
		if !reflect.DeepEqual(fixed, old) {
			return p, fmt.Errorf("listener %s: only its rules can change while it runs: %s", old.Address, restart)
		}
		routing, err := compile(&l, pools, b.cfg.Seed)
		if err != nil {
			return p, err
		}
		routing.Rules.Adopt(b.routing[i].Load().Rules)
		p.routing = append(p.routing, routing)
	}
	return p, nil
}

// fixedOf is the part of a group's settings that can't change while it runs.
func fixedOf(g config.Group) config.Group {
	return config.Group{Name: g.Name, HTTP2: g.HTTP2, TLS: g.TLS, ProxyHeader: g.ProxyHeader, Host: g.Host, Timeouts: g.Timeouts}
}

// await waits until new groups and new targets can answer. notes are what a person should know although it goes on.
func (b *Balancer) await(p *reloadPlan) (notes []string, err error) {
	within := cmp.Or(b.opts.ReadyWithin, readyWithin)
	for deadline := time.Now().Add(within); ; {
		i := slices.IndexFunc(p.fresh, func(o *owner) bool { return !o.ready() })
		waits := slices.ContainsFunc(p.kept, func(s *swap) bool { return !s.settled() })
		if i < 0 && !waits {
			return nil, nil
		}
		if !pause(b.ctx, lookEvery) {
			return nil, b.ctx.Err()
		}
		if time.Now().Before(deadline) {
			continue
		}
		if i >= 0 {
			return nil, fmt.Errorf("group %s: no target became healthy within %v", p.fresh[i].g.Name(), within)
		}
		for _, s := range p.kept {
			note, err := s.verdict(within)
			if err != nil {
				return nil, err
			}
			if note != "" {
				notes = append(notes, note)
			}
		}
		return notes, nil
	}
}

// lookEvery is how often a reload looks whether what it waits for has come.
const lookEvery = 10 * time.Millisecond

// pause lets a time pass; it reports false when the context has ended.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// retire takes groups out to which no rule leads any more. What runs may end, and what belongs to them is released once it
// has.
func (b *Balancer) retire(gone []*owner) {
	b.mu.Lock()
	b.groups = slices.DeleteFunc(b.groups, func(o *owner) bool { return slices.Contains(gone, o) })
	b.retired = append(b.retired, gone...)
	b.mu.Unlock()
	for _, o := range gone {
		b.running.Go(func() {
			if !o.drainAll(b.ctx) {
				return // the balancer is being closed, and this group with it
			}
			o.close()
			b.mu.Lock()
			b.retired = slices.DeleteFunc(b.retired, func(x *owner) bool { return x == o })
			b.mu.Unlock()
		})
	}
}

// drainAll drains every target, once no request that was routed to the group before can choose one any more, and waits
// until they are gone. It reports false when the context ends first.
func (o *owner) drainAll(ctx context.Context) bool {
	for deadline := time.Now().Add(max(o.config().Drain, time.Second)); o.pool.Requests() > 0 && time.Now().Before(deadline); {
		if !pause(ctx, lookEvery) {
			return false
		}
	}
	o.do(func(now time.Duration) (out []group.Effect) {
		for _, x := range o.g.Status() {
			out = append(out, o.g.Drain(now, o.g.Find(x.ID))...)
		}
		return out
	})
	for o.members() > 0 {
		if !pause(ctx, lookEvery) {
			return false
		}
	}
	return true
}
