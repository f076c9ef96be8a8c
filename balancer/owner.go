package balancer

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/certs"
	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/proxy"
)

// owner holds the lock around a group's owner side, its timer, and the probers of its targets.
type owner struct {
	b    *Balancer
	cfg  config.Group
	pool *proxy.Pool

	mu      sync.Mutex
	g       *group.Group
	runner  group.Runner
	timer   *time.Timer
	targets []*group.Target // those there are, and the last of those that are gone, for the counts
	probers map[*group.Target]context.CancelFunc
	closed  bool
}

func newOwner(b *Balancer, cfg config.Group, g *group.Group) *owner {
	o := &owner{b: b, cfg: cfg, g: g, probers: map[*group.Target]context.CancelFunc{}}
	o.pool = &proxy.Pool{Group: g, Connect: cfg.Timeouts.Connect, Response: cfg.Timeouts.Response, Exchange: cfg.Timeouts.Exchange, Tunnel: cfg.Timeouts.Tunnel, HTTP2: cfg.HTTP2, ProxyHeader: cfg.ProxyHeader, Host: cfg.Host, Answered: o.answered, Dial: b.opts.Dial, Descriptors: b.descriptors}
	o.runner = group.Runner{Group: g, Tell: o.tell, Serve: o.pool.Serve, Arm: o.arm, Disarm: o.disarm}
	return o
}

// answered hears how an exchange ended.
func (o *owner) answered(t *group.Target, outcome group.Outcome, reason string) {
	o.do(func(now time.Duration) []group.Effect { return o.g.Answered(now, t, outcome, reason) })
	if t.Closed() { // what was under way when its drain time was over has ended: its connection is of no more use
		o.pool.Forget(t)
	}
}

// openFiles reads the certificates for speaking to the targets.
func (o *owner) openFiles() error {
	if o.cfg.TLS == nil {
		return nil
	}
	settings, err := certs.ForTargets(o.cfg.TLS)
	if err != nil {
		return fmt.Errorf("group %s: %w", o.g.Name(), err)
	}
	if o.cfg.HTTP2 {
		settings.NextProtos = []string{"h2"}
	}
	o.pool.TLS = settings
	return nil
}

// begin brings the targets in, and starts to check them.
func (o *owner) begin() {
	for _, t := range o.config().Targets {
		_ = o.add(t) // no id is given twice: that was seen to
	}
}

// config is the group's configuration as it is now.
func (o *owner) config() config.Group {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.cfg
}

// ready reports whether there is a target that takes traffic, unless there is none at all.
func (o *owner) ready() bool { return len(o.config().Targets) == 0 || o.g.Ready() > 0 }

// do makes a change of the group.
func (o *owner) do(call func(now time.Duration) []group.Effect) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return
	}
	o.runner.Do(o.b.clock.Now(), call)
}

// tell reports what a change of the group has caused. The lock is held; whoever hears of it must not wait.
func (o *owner) tell(e *group.Effect) {
	o.b.opts.Events(o.g.Name(), *e)
	if e.To == group.Gone {
		o.forget(e.Target)
	}
}

// arm sets the timer. The lock is held.
func (o *owner) arm(now, at time.Duration) {
	o.disarm()
	o.timer = time.AfterFunc(at-now, func() { o.do(o.g.Tick) })
}

func (o *owner) disarm() {
	if o.timer != nil {
		o.timer.Stop()
	}
}

func (o *owner) forget(id string) {
	for t, cancel := range o.probers {
		if t.ID == id {
			cancel()
			delete(o.probers, t)
			o.pool.Forget(t)
		}
	}
}

func (o *owner) add(t config.Target) error {
	var err error
	o.do(func(now time.Duration) []group.Effect {
		if m := o.g.Find(t.ID); m != nil && (m.State() != group.Draining || m.Address != t.Address) {
			err = fmt.Errorf("group %s already has a target %s", o.g.Name(), t.ID)
			return nil
		}
		return o.bringIn(now, t, &o.cfg)
	})
	return err
}

// bringIn makes a target a member, or takes one back in that drains, and begins to check it by the given configuration.
// The lock is held.
func (o *owner) bringIn(now time.Duration, t config.Target, by *config.Group) (out []group.Effect) {
	member := o.g.Find(t.ID)
	if member == nil {
		member, out = o.g.Add(now, group.Member{ID: t.ID, Address: t.Address, Zone: t.Zone, Weight: t.Weight})
		o.targets = append(o.targets, member)
		o.forgetGone()
	} else {
		out = append(o.g.Resume(now, member), o.g.SetWeight(now, member, t.Weight)...)
	}
	o.check(member, by)
	return out
}

// members is how many targets there are, those that drain included.
func (o *owner) members() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.g.Status())
}

// maxGone is how many targets that are gone are still told of.
const maxGone = 1000

// forgetGone forgets the first of those that are gone, when there are too many. The lock is held.
func (o *owner) forgetGone() {
	gone := -maxGone
	for _, t := range o.targets {
		if t.State() == group.Gone {
			gone++
		}
	}
	o.targets = slices.DeleteFunc(o.targets, func(t *group.Target) bool {
		drop := gone > 0 && t.State() == group.Gone
		if drop {
			gone--
		}
		return drop
	})
}

// check starts to check a target by a configuration, in place of an earlier check. The lock is held.
func (o *owner) check(t *group.Target, by *config.Group) {
	if stop, ok := o.probers[t]; ok {
		stop()
	}
	ctx, cancel := context.WithCancel(o.b.ctx)
	o.probers[t] = cancel
	if cfg := *by; cfg.Health != nil {
		o.b.running.Go(func() { o.probe(ctx, cfg, t) })
	}
}

// with calls the group about one of its members.
func (o *owner) with(id string, call func(now time.Duration, t *group.Target) []group.Effect) error {
	var err error
	o.do(func(now time.Duration) []group.Effect {
		t := o.g.Find(id)
		if t == nil {
			err = fmt.Errorf("group %s has no target %s", o.g.Name(), id)
			return nil
		}
		return call(now, t)
	})
	return err
}

func (o *owner) status() (targets []group.Status, open bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.g.Share()
	out := make([]group.Status, len(o.targets))
	for i, t := range o.targets {
		out[i] = t.Status()
	}
	return out, o.g.Open()
}

func (o *owner) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.disarm()
	for t, cancel := range o.probers {
		cancel()
		o.pool.Forget(t)
	}
}
