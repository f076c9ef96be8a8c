package scenarios

import (
	"cmp"
	"os"
	"strings"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/backend/model"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// targetsOf is what the block of a group's targets is called.
func targetsOf(group string) string { return "targets of " + group }

func (d *decoder) targets(b *block, g *plan.Group, out *Resolved) {
	before := len(d.problems)
	tb := d.block(b.require("targets"), targetsOf(g.Name), out.sub("targets"))
	tb.refuse("image")
	commandKey, _ := tb.key("command")
	addressesKey, _ := tb.key("addresses")
	g.Targets.Run = plan.Builtin
	switch {
	case commandKey != nil && addressesKey != nil:
		d.fail(commandKey, "command and addresses exclude each other")
	case commandKey != nil:
		g.Targets.Run = plan.Command
	case addressesKey != nil:
		g.Targets.Run = plan.Addresses
	}
	v := tb.values(targetsParams(g.Targets.Run))
	g.Targets.Count, g.Targets.Zones, g.Targets.StartTimeout = v.Int("count"), v.List("zones"), v.Duration("start_timeout")
	for i, text := range v.List("weights") {
		w, err := spec.Param{Type: spec.Count, Min: 1, Max: 1000}.Parse(text)
		if err != nil {
			d.fail(resolve(tb.value("weights").Content[i]), "weights: %v", err)
			break
		}
		g.Targets.Weights = append(g.Targets.Weights, w.(int))
	}
	switch g.Targets.Run {
	case plan.Command:
		d.command(tb, g, v)
	case plan.Addresses:
		d.addresses(tb, g, v)
	}
	tb.close()
	if len(d.problems) > before {
		d.cannotRead(targetsOf(g.Name))
	}
	d.service(b, g, out)
}

// command reads how a target of the user's own is started.
func (d *decoder) command(tb *block, g *plan.Group, v spec.Values) {
	g.Targets.Command = v.List("command")
	if shown := tb.out.find("command", -1); shown != nil {
		shown.Value = d.mask.Arguments(g.Targets.Command)
	}
	g.Targets.Env = d.environment(tb)
	g.Targets.Dir = d.path(cmp.Or(v.Text("dir"), "."))
	if n := tb.value("dir"); n != nil {
		if info, err := os.Stat(g.Targets.Dir); err != nil {
			d.fail(n, "dir: %v", err)
		} else if !info.IsDir() {
			d.fail(n, "dir: %s is not a folder", g.Targets.Dir)
		}
	}
	told := strings.Join(append(g.Targets.Env, g.Targets.Command...), " ")
	if n := tb.value("command"); v.Has("command") && !strings.Contains(told, "{port}") {
		d.fail(n, "command: no argument holds {port}, nor does env: how would the target know where to listen?")
	}
}

// environment reads variables beside those that shakedown itself was given.
func (d *decoder) environment(tb *block) (env []string) {
	for _, p := range d.pairs(tb, "env", tb.out, d.mask.Variable) {
		if p.Name == "" || strings.ContainsAny(p.Name, "=\x00") || strings.Contains(p.Value, "\x00") {
			d.fail(tb.value("env"), "env: %q can't be a variable", p.Name)
		}
		env = append(env, p.Name+"="+p.Value)
	}
	return env
}

func (d *decoder) addresses(tb *block, g *plan.Group, v spec.Values) {
	g.Targets.Addresses = v.List("addresses")
	g.Targets.Count = len(g.Targets.Addresses)
	seen := map[string]bool{}
	for i, a := range g.Targets.Addresses {
		n := resolve(tb.value("addresses").Content[i])
		if err := checkAddress(a); err != nil {
			d.fail(n, "addresses: %v", err)
		}
		if seen[a] {
			d.fail(n, "addresses: %s stands here twice", a)
		}
		seen[a] = true
	}
	if v.Has("addresses") && g.Targets.Count == 0 {
		d.fail(tb.value("addresses"), "addresses: at least one is needed")
	}
}

// The sample backend's capacity when the file does not say: 8 slots of 20 ms are 400 requests a second.
const (
	defaultServiceTime = 20 * time.Millisecond
	defaultSlots       = "8"
	defaultQueue       = "64"
)

func (d *decoder) service(b *block, g *plan.Group, out *Resolved) {
	key, n := b.key("service")
	if g.Targets.Run != plan.Builtin {
		if key != nil {
			d.fail(key, "service describes the sample backend: targets by %s have a capacity of their own", g.Targets.Run)
		}
		return
	}
	sb := d.block(n, "service", out.sub("service"))
	sb.refuse("processor", "cold_start", "cpu", "memory", "depends_on")
	if t := sb.value("time"); t != nil {
		var ok bool
		if g.Service.Time, ok = d.choice(t, "service time", model.Times().Table(), laterTimes, nil, sb.out.sub("time")); ok {
			if _, err := model.Times().New(g.Service.Time); err != nil {
				d.fail(t, "service time: %v", err)
			}
		}
	} else {
		constant := spec.Choice{Kind: "constant", Values: spec.Values{"mean": defaultServiceTime}}
		g.Service.Time = byDefault(model.Times().Table(), constant, sb.out.sub("time"), nil)
	}
	v := sb.values(serviceParams())
	g.Service.Model = model.Config{Concurrency: v.Int("concurrency"), Queue: v.Int("queue")}
	sb.close()
}
