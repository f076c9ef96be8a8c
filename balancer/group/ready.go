package group

import (
	"fmt"
	"slices"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/pick"
)

type ready struct {
	chooser pick.Strategy // the strategy that the sets were prepared by, with slow start before it
	set     pick.Set
	targets []*Target // parallel to set.Members
	near    *near     // nil when no zone is preferred
	none    bool      // every target is still to come or leaves: there is none but such as were not seen to be healthy yet and such as drain
	tags    map[pick.Tag]int
}

// Update makes changes and publishes once, after all of them, what takes traffic: a set is as large as the group, and strategies may build
// something of it. Then targets that drain and have nothing to finish are gone. It returns what all this has caused. Updates don't nest.
func (g *Group) Update(now time.Duration, changes func(now time.Duration) []Effect) []Effect {
	g.updating = true
	out := changes(now)
	g.updating = false
	if !g.stale {
		return out
	}
	out = append(out, g.publish(now)...)
	g.sweeping = true
	for _, t := range g.targets {
		if t.state == Draining {
			out = append(out, g.settle(now, t, "")...)
		}
	}
	g.sweeping = false
	g.targets = slices.DeleteFunc(slices.Clone(g.targets), func(t *Target) bool { return t.state == Gone })
	return out
}

// publishLater makes a new set of what takes traffic, within an Update at its end.
func (g *Group) publishLater(now time.Duration) []Effect {
	if g.updating {
		g.stale = true
		return nil
	}
	return g.publish(now)
}

// publish makes a new set of what takes traffic. Whoever is taken out must not be shut before: requests would be routed to it, in vain.
func (g *Group) publish(now time.Duration) (out []Effect) {
	g.stale = false
	g.Share()
	healthy, members := g.count(Healthy), 0
	for _, t := range g.targets {
		if t.state != Draining && t.state != Maintenance {
			members++
		}
	}
	if open := g.Config().FailOpen.opens(healthy, members); open != g.open {
		g.open = open
		e := Effect{At: now, Kind: Shut, LastRouted: -1, Reason: fmt.Sprintf("%d of %d targets are healthy", healthy, members)}
		if open {
			e.Kind = Opened
		}
		out = append(out, e)
	}
	x := g.settings.Load()
	r := &ready{chooser: x.strategy, none: !slices.ContainsFunc(g.targets, func(t *Target) bool { return t.state.known() })}
	if x.cfg.SlowStart > 0 {
		r.chooser = pick.SlowStart{Strategy: x.strategy, Over: x.cfg.SlowStart, Stream: x.cfg.Seed.Stream("slow start:" + g.name)}
	}
	for _, t := range g.targets {
		if t.state == Healthy || (g.open && t.state != Draining && t.state != Maintenance) {
			r.targets = append(r.targets, t)
			r.set.Members = append(r.set.Members, pick.Member{ID: t.ID, Zone: t.Zone, Weight: t.weight, Load: &t.load, Warming: t.warming, Since: t.since})
		}
	}
	prepare := func(s *pick.Set) {
		if p, ok := x.strategy.(pick.Preparer); ok {
			s.Prepared = p.Prepare(s)
		}
	}
	prepare(&r.set)
	if z := g.Config().Zones; z != nil {
		in := 0
		for _, t := range g.targets {
			if t.Zone == z.Own && t.state != Draining && t.state != Maintenance {
				in++
			}
		}
		r.near = z.split(&r.set, in, prepare)
	}
	if x.cfg.Sticky != nil {
		r.tags = make(map[pick.Tag]int, len(r.targets))
		for i, t := range r.targets {
			r.tags[x.cfg.Sticky.Tag(g, t.ID)] = i
		}
	}
	g.ready.Store(r)
	return out
}

func (g *Group) count(s State) (n int) {
	for _, t := range g.targets {
		if t.state == s {
			n++
		}
	}
	return n
}
