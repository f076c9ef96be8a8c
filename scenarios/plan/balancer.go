package plan

import (
	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/balancer/pick"
	"github.com/seed-8025779b/shakedown/scenarios/draw"
)

// Balancer is the configuration of the topology's balancer. Its groups have the targets whose addresses are known
// beforehand, under ids that are their addresses when named is true, and none otherwise.
func (t *Topology) Balancer(seed draw.Seed, named bool) config.Config {
	c := config.Config{Seed: seed}
	for _, l := range t.Listeners {
		c.Listeners = append(c.Listeners, config.Listener{
			Address: l.Address, Rules: l.Rules, Timeouts: l.Timeouts, Limits: l.Limits, Options: l.Options, TLS: l.TLS, HTTP1Only: l.HTTP1Only, ProxyHeader: l.ProxyHeader,
		})
	}
	for i := range t.Groups {
		g := &t.Groups[i]
		x := config.Group{
			Name: g.Name, Strategy: pick.Kinds().Table().Write(g.Strategy), Health: g.Health, Outliers: g.Outliers,
			Retry: g.Retry, FailOpen: g.FailOpen, SlowStart: g.SlowStart, Drain: g.Drain, Timeouts: g.Timeouts,
			Limits: g.Limits, Zones: g.Zones, Sticky: g.Sticky, HTTP2: g.HTTP2, TLS: g.TLS, ProxyHeader: g.ProxyHeader, Host: g.Host,
		}
		for n := range g.Targets.Addresses {
			if target := g.Target(n); named {
				x.Targets = append(x.Targets, config.Target{ID: target.Address, Address: target.Address, Zone: target.Zone, Weight: target.Weight})
			}
		}
		c.Groups = append(c.Groups, x)
	}
	return c
}
