package scenarios

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/balancer/route"
	"github.com/seed-8025779b/shakedown/loadgen/client"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// Kinds that the scenario language knows and whose engine comes later: they are refused, never ignored.
var (
	laterFaults = []string{
		"pause", "slow_cpu", "memory", "reset", "refuse", "blackhole", "half_open", "bandwidth", "slice", "slow_close",
		"truncate", "body", "header", "dns", "certificate", "partition", "loss",
	}
	laterPolicies = []string{"simple", "step", "scheduled", "predictive", "hpa", "kpa", "keda"}
	laterTimings  = []string{"ec2", "ecs", "eks", "fargate", "kubernetes", "lambda"}
	laterTimes    = []string{"uniform", "pareto", "gamma", "empirical"}
)

// CheckURL reports what is wrong with the URL of a system under load.
func CheckURL(s string) error {
	_, err := client.ParseURL(s)
	return err
}

func (d *decoder) topology(n *yaml.Node, s *plan.Scenario, out *Resolved) {
	s.Topology = &plan.Topology{}
	b := d.block(n, "topology", out)
	balancer := d.block(b.value("balancer"), "balancer", out.sub("balancer"))
	if v, ok := balancer.param(replicasParam()); ok && v != 1 {
		d.fail(balancer.value("replicas"), "more than one balancer is not supported yet")
	}
	d.readProfile(balancer)
	balancer.refuse("admin", "spread")
	balancer.close()

	groups, reached := map[string]*yaml.Node{}, map[string]bool{}
	var names []string
	all := d.block(b.require("groups"), "groups", &Resolved{})
	groupsOut := &Resolved{Key: "groups"}
	if all.n == nil {
		d.cannotRead(groupNames)
	}
	if all.n != nil {
		for i := 0; i+1 < len(all.n.Content); i += 2 {
			key := all.n.Content[i]
			d.name(key, "group")
			groups[key.Value] = key
			names = append(names, key.Value)
			s.Topology.Groups = append(s.Topology.Groups, d.group(key.Value, resolve(all.n.Content[i+1]), groupsOut.sub(key.Value)))
		}
		if len(names) == 0 {
			d.fail(all.n, "a topology needs at least one group")
		}
	}
	before := len(d.problems)
	d.listeners(b, s, names, reached, out)
	if len(d.problems) > before {
		d.cannotRead(allRules)
	}
	out.Sub = append(out.Sub, groupsOut)
	for _, name := range names {
		if !reached[name] {
			d.failOf([]string{allRules}, groups[name], "no rule reaches group %q: its targets would never see a request", name)
		}
	}
	b.close()
}

func (d *decoder) listeners(b *block, s *plan.Scenario, groups []string, reached map[string]bool, out *Resolved) {
	list := b.list("listeners")
	all := out.sub("listeners")
	all.List = true
	if len(list) == 0 {
		// Without listeners there is one, in front of the only group.
		if key, _ := b.key("listeners"); key == nil && len(groups) == 1 {
			item := all.sub("1")
			item.leaf("address", "127.0.0.1:0", "default")
			l := plan.Listener{Address: "127.0.0.1:0", Rules: route.Table{{Forward: groups[0]}}}
			d.front(&block{d: d, out: item}, &l, item)
			rules := item.sub("rules")
			rules.List = true
			rule := rules.sub("1")
			rule.leaf("priority", lastPriority, "default")
			rule.imply("forward", groups[0], "default")
			s.Topology.Listeners = []plan.Listener{l}
			reached[groups[0]] = true
		} else if !b.bad {
			d.failOf([]string{groupNames, b.subject("listeners")}, b.n, "topology needs listeners: which group would a request go to?")
		}
		return
	}
	for i, n := range list {
		item := all.sub(fmt.Sprint(i + 1))
		lb := d.block(n, "listener", item)
		lb.refuse("tcp", "udp", "protocol", "access_log")
		v := lb.values([]spec.Param{addressParam()})
		if err := checkAddress(v.Text("address")); err != nil {
			d.fail(lb.value("address"), "address: %v", err)
		}
		l := plan.Listener{Address: v.Text("address")}
		d.front(lb, &l, item)
		l.Rules = d.rules(lb, groups, reached, item.sub("rules"))
		if lb.n != nil && len(lb.list("rules")) == 0 {
			lb.lacks("rules", "listener needs rules, such as [{forward: %s}]", strings.Join(groups, " or "))
		}
		lb.close()
		s.Topology.Listeners = append(s.Topology.Listeners, l)
	}
}

// unknownGroup tells that there is no group of that name, once for each name.
func (d *decoder) unknownGroup(n *yaml.Node, name string, groups []string) {
	told := "group " + name
	d.failOf([]string{groupNames, told}, n, "no group is called %q%s", name, spec.Suggest(name, groups))
	if first := &d.problems[len(d.problems)-1]; !d.unread[told] {
		first.about = []string{groupNames}
	}
	d.cannotRead(told)
}

func checkAddress(a string) error {
	if a == "" {
		return nil
	}
	_, port, err := net.SplitHostPort(a)
	if err != nil {
		return fmt.Errorf("%q is not HOST:PORT, such as 127.0.0.1:8080", a)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return fmt.Errorf("%q has no port between 0 and 65535", a)
	}
	return nil
}

// off reports whether a block is switched off: `health: off`. YAML 1.1 would call that false.
func off(n *yaml.Node) bool {
	return n != nil && n.Kind == yaml.ScalarNode && (n.Value == "off" || n.Value == "false")
}

// isOn reports whether a block is switched on without saying more: `retry: on`.
func isOn(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && (n.Value == "on" || n.Value == "true")
}

func (d *decoder) group(name string, n *yaml.Node, out *Resolved) plan.Group {
	g := plan.Group{Name: name}
	b := d.block(n, "group "+name, out)
	g.Strategy = d.strategy(b, out)
	d.groupHealth(b, &g, out)
	d.groupPolicies(b, &g, out)
	v := b.values(d.defaults("group", groupTimeParams()))
	g.Drain, g.SlowStart = v.Duration("drain"), v.Duration("slow_start")
	tb := d.block(b.value("timeouts"), "timeouts", out.sub("timeouts"))
	g.Timeouts = config.NewTargetTimeouts(tb.values(d.defaults("target timeouts", config.TargetTimeoutParams())))
	tb.close()
	d.wire(b, &g, out)
	d.targets(b, &g, out)
	d.checkWire(b, &g)
	b.close()
	return g
}

func (d *decoder) originOrDefault(n *yaml.Node) string {
	if n == nil {
		return "default"
	}
	return d.origin(n)
}
