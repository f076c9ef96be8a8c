package scenarios

import (
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/seed-8025779b/shakedown/balancer/certs"
	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/health"
	"github.com/seed-8025779b/shakedown/balancer/pick"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

func (d *decoder) strategy(b *block, out *Resolved) (c spec.Choice) {
	n := b.value("strategy")
	if n == nil {
		table, name := pick.Kinds().Table(), "round_robin"
		if d.profile != nil {
			name = d.profile.strategy
		}
		return byDefault(table, table.Default(name), out.sub("strategy"), d.profile)
	}
	c, ok := d.choice(n, "strategy", pick.Kinds().Table(), nil, nil, out.sub("strategy"))
	if ok {
		if _, err := pick.Kinds().New(c); err != nil {
			d.fail(n, "strategy: %v", err)
		}
	}
	return c
}

func (d *decoder) groupHealth(b *block, g *plan.Group, out *Resolved) {
	h, on := d.toggle(b, "health", true, out)
	if !on {
		return
	}
	hb := d.block(h, "health", out.sub("health"))
	before := len(d.problems)
	var v spec.Values
	if kind := hb.value("kind"); kind != nil && kind.Value == string(health.GRPC) { // other balancers' paths and statuses are not for it
		v = hb.values(health.Params(health.GRPC))
	} else {
		v = hb.values(d.defaults("health", health.Params(health.HTTP)))
	}
	if len(d.problems) == before {
		check, err := health.New(v)
		if err != nil {
			d.fail(h, "health: %v", err)
		}
		g.Health = check
	}
	hb.close()
}

// groupPolicies reads the blocks that are off unless they are there.
func (d *decoder) groupPolicies(b *block, g *plan.Group, out *Resolved) {
	d.optional(b, out, "outliers", "outliers", health.OutlierParams(), func(v spec.Values) error { g.Outliers = health.NewOutliers(v); return nil })
	d.optional(b, out, "retry", "retry", group.RetryParams(), func(v spec.Values) error { g.Retry = group.NewRetry(v); return nil })
	d.optional(b, out, "fail_open", "fail_open", group.FailOpenParams(), func(v spec.Values) error { g.FailOpen = group.NewFailOpen(v); return nil })
	d.optional(b, out, "limits", "group limits", group.LimitsParams(), func(v spec.Values) error { g.Limits = group.NewLimits(v); return nil })
	d.optional(b, out, "zones", "zones", group.ZonesParams(), func(v spec.Values) error { g.Zones = group.NewZones(v); return nil })
	d.optional(b, out, "sticky", "sticky", group.StickyParams(), func(v spec.Values) (err error) { g.Sticky, err = group.NewSticky(v); return err })
}

// optional reads a block that is switched off where it is not there, and uses its values when they hold no mistake.
func (d *decoder) optional(b *block, out *Resolved, name, defaults string, params []spec.Param, use func(spec.Values) error) {
	n, on := d.toggle(b, name, false, out)
	if !on {
		return
	}
	ob := d.block(n, name, out.sub(name))
	before := len(d.problems)
	v := ob.values(d.defaults(defaults, params))
	ob.close()
	if len(d.problems) == before {
		if err := use(v); err != nil {
			d.fail(n, "%s: %v", name, err)
		}
	}
}

// toggle finds a block that may be left out or switched off: `name: off`. n is nil when all of it is default: it is not
// there, or only switched on.
func (d *decoder) toggle(b *block, name string, byDefault bool, out *Resolved) (n *yaml.Node, on bool) {
	n = b.value(name)
	origin := "default"
	if p := d.profile; p != nil && has(p.there, name) {
		byDefault, origin = true, p.origin()
	} else if p != nil && has(p.without, name) {
		byDefault, origin = false, p.origin()
	}
	switch {
	case n == nil:
		on = byDefault
	case off(n):
		on, origin = false, d.origin(n)
	case isOn(n):
		return nil, true
	default:
		return n, true
	}
	if !on {
		out.leaf(name, "off", origin)
	}
	return nil, on
}

// wire reads how a group's targets are spoken to.
func (d *decoder) wire(b *block, g *plan.Group, out *Resolved) {
	v := b.values(groupWireParams())
	g.HTTP2 = v.Bool("http2")
	g.ProxyHeader = map[string]int{"v1": 1, "v2": 2}[v.Text("proxy_protocol")]
	if g.Host = v.Text("host"); g.Host == "keep" {
		g.Host = ""
	} else if g.Host != config.HostOfTarget && strings.ContainsAny(g.Host, " \t\r\n/") {
		d.fail(b.value("host"), "host: %q is no host", g.Host)
	}
	n, on := d.toggle(b, "tls", false, out)
	if !on {
		return
	}
	tb := d.block(n, "tls", out.sub("tls"))
	t := tb.values(targetTLSParams())
	tb.close()
	g.TLS = &config.TargetTLS{CA: d.path(t.Text("ca")), Name: t.Text("server_name"), Insecure: t.Bool("insecure"), Cert: config.Pair{Cert: d.path(t.Text("cert")), Key: d.path(t.Text("key"))}}
	if _, err := certs.ForTargets(g.TLS); err != nil {
		d.fail(n, "%v", err)
	}
}

// checkWire refuses what does not go together.
func (d *decoder) checkWire(b *block, g *plan.Group) {
	switch {
	case g.HTTP2 && g.ProxyHeader > 0:
		d.fail(b.value("proxy_protocol"), "proxy_protocol and http2 exclude each other: a connection of HTTP/2 carries several clients' requests")
	case g.Targets.Run == plan.Builtin && (g.HTTP2 || g.ProxyHeader > 0 || g.TLS != nil):
		d.fail(b.n, "the sample backend speaks plain HTTP/1.1: http2, tls and proxy_protocol are for targets of your own")
	}
}
