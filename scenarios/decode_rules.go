package scenarios

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/seed-8025779b/shakedown/balancer/ratelimit"
	"github.com/seed-8025779b/shakedown/balancer/route"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// rules reads a listener's rules: by priority, and in the file's order among equals. reached notes the groups that
// requests can get to.
func (d *decoder) rules(b *block, groups []string, reached map[string]bool, out *Resolved) route.Table {
	out.List = true
	type ranked struct {
		rule     route.Rule
		priority int
		n        *yaml.Node
		good     bool
	}
	var all []ranked
	for i, n := range b.list("rules") {
		item := out.sub(fmt.Sprint(i + 1))
		before := len(d.problems)
		rb := d.block(n, "rule", item)
		rule, priority := d.rule(rb, groups, reached, item)
		rb.close()
		if len(d.problems) == before {
			if _, err := (route.Table{rule}).Compile(0); err != nil {
				d.fail(n, "%s", strings.TrimPrefix(err.Error(), "rule 1: "))
			}
		}
		all = append(all, ranked{rule, priority, n, len(d.problems) == before})
	}
	slices.SortStableFunc(all, func(a, b ranked) int { return a.priority - b.priority })
	var table route.Table
	open := false
	for _, x := range all {
		if open {
			d.fail(x.n, "this rule is never reached: one before it matches every request")
		}
		open = open || (x.good && x.rule.Unconditional())
		table = append(table, x.rule)
	}
	return table
}

// lastPriority is where rules without a priority stand.
const lastPriority = 50000

func (d *decoder) rule(b *block, groups []string, reached map[string]bool, item *Resolved) (r route.Rule, priority int) {
	v := b.values(ruleParams())
	r.Path, r.Host = v.Text("path"), v.Text("host")
	r.Sources = d.oneOrMore(b, "source", item)
	r.Methods = d.oneOrMore(b, "method", item)
	for i, m := range r.Methods {
		r.Methods[i] = strings.ToUpper(m)
	}
	r.Headers = d.pairs(b, "header", item, d.mask.Value)
	r.Query = d.pairs(b, "query", item, d.mask.Value)
	r.Set = d.pairs(b, "set", item, d.mask.Value)
	r.Remove = d.oneOrMore(b, "remove", item)
	d.forward(b, &r, groups, reached, item)
	if n := b.value("limit"); n != nil && !off(n) {
		lb := d.block(n, "limit", item.sub("limit"))
		before := len(d.problems)
		v := lb.values(ratelimit.Params())
		lb.close()
		if len(d.problems) == before {
			var err error
			if r.Limit, err = ratelimit.New(v); err != nil {
				d.fail(n, "limit: %v", err)
			}
		}
	}
	if n := b.value("redirect"); n != nil {
		rb := d.block(n, "redirect", item.sub("redirect"))
		v := rb.values(redirectParams())
		rb.close()
		r.Redirect = &route.Redirect{To: v.Text("to"), Status: v.Int("status")}
	}
	if n := b.value("respond"); n != nil {
		rb := d.block(n, "respond", item.sub("respond"))
		v := rb.values(respondParams())
		rb.close()
		r.Respond = &route.Respond{Status: v.Int("status"), Body: v.Text("body")}
	}
	if n := b.value("rewrite"); n != nil {
		rb := d.block(n, "rewrite", item.sub("rewrite"))
		v := rb.values(rewriteParams())
		rb.close()
		r.Rewrite = &route.Rewrite{Prefix: v.Text("prefix"), To: v.Text("to")}
	}
	return r, v.Int("priority")
}

// forward reads `forward: GROUP`, or `forward: {GROUP: WEIGHT, …}`.
func (d *decoder) forward(b *block, r *route.Rule, groups []string, reached map[string]bool, item *Resolved) {
	n := b.value("forward")
	if n == nil {
		return
	}
	known := func(n *yaml.Node, name string) {
		if !has(groups, name) {
			d.unknownGroup(n, name, groups)
		}
		reached[name] = true
	}
	if n.Kind != yaml.MappingNode {
		v, err := d.scalar(n, spec.Param{Type: spec.Text})
		if err != nil {
			d.fail(n, "forward: %v", err)
			return
		}
		r.Forward = v.(string)
		item.leaf("forward", r.Forward, d.origin(n))
		known(n, r.Forward)
		return
	}
	fb := d.block(n, "forward", item.sub("forward"))
	for i := 0; i+1 < len(fb.n.Content); i += 2 {
		key := fb.n.Content[i]
		known(key, key.Value)
		w, ok := fb.param(spec.Param{Name: key.Value, Type: spec.Count, Max: 999, Doc: "the group's weight"})
		if ok {
			r.Split = append(r.Split, route.Share{Group: key.Value, Weight: w.(int)})
		}
	}
}

// oneOrMore reads a text, or a list of texts.
func (d *decoder) oneOrMore(b *block, name string, item *Resolved) []string {
	n := b.value(name)
	if n == nil {
		return nil
	}
	p := spec.Param{Type: spec.List}
	list := []string{n.Value}
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		v, err := d.scalar(n, p)
		if err != nil {
			d.fail(n, "%s: %v", name, err)
			return nil
		}
		list = v.([]string)
	}
	item.leaf(name, list, d.origin(n))
	return slices.Clone(list)
}

// pairs reads a mapping of names to texts; shown is a text as people may see it.
func (d *decoder) pairs(b *block, name string, item *Resolved, shown func(name, value string) string) (list []route.Pair) {
	n := b.value(name)
	if n == nil {
		return nil
	}
	pb := d.block(n, name, item.sub(name))
	if pb.n == nil {
		return nil
	}
	for i := 0; i+1 < len(pb.n.Content); i += 2 {
		key, value := pb.n.Content[i], resolve(pb.n.Content[i+1])
		v, err := d.scalar(value, spec.Param{Type: spec.Text})
		if err != nil {
			d.fail(value, "%s %s: %v", name, key.Value, err)
			continue
		}
		pb.out.leaf(key.Value, shown(key.Value, v.(string)), d.origin(value))
		list = append(list, route.Pair{Name: key.Value, Value: v.(string)})
	}
	return list
}
