package scenarios

import (
	"fmt"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/seed-8025779b/shakedown/balancer/certs"
	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// readProfile finds whom the balancer is to behave like.
func (d *decoder) readProfile(b *block) {
	all := profiles()
	v, ok := b.param(profileParam())
	if !ok {
		return
	}
	for i := range all {
		if all[i].name == v {
			d.profile = &all[i]
		}
	}
}

// front reads a listener's settings beside its rules.
func (d *decoder) front(b *block, l *plan.Listener, item *Resolved) {
	values := func(name string, params []spec.Param) spec.Values {
		vb := d.block(b.value(name), name, item.sub(name))
		defer vb.close()
		return vb.values(d.defaults(name, params))
	}
	l.Timeouts = config.NewFrontTimeouts(values("timeouts", config.FrontTimeoutParams()))
	l.Limits = config.NewListenerLimits(values("limits", config.ListenerLimitParams()))
	var err error
	if l.Options, err = config.NewFrontOptions(values("headers", config.HeaderParams()), values("errors", config.ErrorParams())); err != nil {
		d.fail(b.value("headers"), "%v", err)
	} else if what := config.CheckHeaders(&l.Options); what != "" {
		d.fail(b.value("headers"), "headers: %s", what)
	}
	v := b.values(d.defaults("listener", listenerOptionParams()))
	l.HTTP1Only, l.ProxyHeader = !v.Bool("http2"), v.Bool("proxy_protocol")
	l.Options.NoEscapedSlashes = v.Text("escaped_slashes") == "refuse"
	l.Options.Strict, l.Options.RawPath = v.Bool("strict"), !v.Bool("normalize_path")
	if l.ProxyHeader && !d.alone {
		d.fail(b.value("proxy_protocol"), "proxy_protocol: the load that meets this listener has no PROXY header")
	}
	n := b.value("tls")
	switch {
	case n == nil || off(n):
		item.leaf("tls", "off", d.originOrDefault(n))
	case n.Kind == yaml.ScalarNode:
		if n.Value != "auto" {
			d.fail(n, "tls: %q is neither off, auto nor a mapping with certificates", n.Value)
			return
		}
		item.leaf("tls", "auto", d.origin(n))
		dir, err := certs.OwnFolder()
		if err != nil {
			d.fail(n, "tls: %v: give a folder, {auto: DIR}", err)
		}
		l.TLS = &config.TLS{Auto: dir}
	default:
		l.TLS = d.listenerTLS(n, item)
	}
}

func (d *decoder) listenerTLS(n *yaml.Node, item *Resolved) *config.TLS {
	c := &config.TLS{}
	before := len(d.problems)
	out := item.sub("tls")
	b := d.block(n, "tls", out)
	list := out.sub("certificates")
	list.List = true
	for i, n := range b.list("certificates") {
		pb := d.block(n, "certificate", list.sub(fmt.Sprint(i+1)))
		v := pb.values(certificateParams())
		pb.close()
		c.Files = append(c.Files, config.Pair{Cert: d.path(v.Text("cert")), Key: d.path(v.Text("key"))})
	}
	v := b.values(listenerTLSParams())
	b.close()
	c.ClientCA, c.Min, c.Auto = d.path(v.Text("client_ca")), v.Text("min"), d.path(v.Text("auto"))
	switch {
	case len(d.problems) > before:
	case (c.Auto == "") == (len(c.Files) == 0):
		d.fail(n, "tls needs either certificates or auto")
	case c.Auto == "": // an authority is made only when something starts
		if _, err := certs.Open(*c, time.Now); err != nil {
			d.fail(n, "tls: %v", err)
		}
	}
	return c
}
