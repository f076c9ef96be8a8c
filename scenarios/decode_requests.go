package scenarios

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/seed-8025779b/shakedown/loadgen/mix"
	"github.com/seed-8025779b/shakedown/loadgen/vegeta"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// Methods are the keys that name a request's method.
func Methods() []string { return []string{"get", "post", "put", "patch", "delete", "head", "options"} }

// set reads what requests a load has: listed, or in a targets file.
func (d *decoder) set(b *block, s *plan.Scenario, out *Resolved) {
	s.Load.Set.Data = d.data(b, s, out)
	requests := b.list("requests")
	if key, targets := b.key("targets"); key != nil {
		if len(requests) > 0 {
			d.fail(key, "targets and requests exclude each other")
		}
		before := len(d.problems)
		if d.targetsFile(targets, s, out); len(d.problems) > before {
			d.cannotRead(requestNames)
		}
		return
	}
	all := out.sub("requests")
	all.List = true
	names := map[string]bool{}
	for _, n := range requests {
		r := d.request(n, names, all)
		if len(d.problems) == 0 {
			if _, err := mix.New(s.Seed, mix.Set{Requests: []mix.Request{r}, Data: s.Load.Set.Data}); err != nil {
				d.fail(n, "%v", err)
			}
		}
		s.Load.Set.Requests = append(s.Load.Set.Requests, r)
	}
	if len(requests) == 0 {
		s.Load.Set.Requests = []mix.Request{{Name: "GET /", Method: "GET", Path: "/", Weight: 1}}
		item := all.sub("GET /")
		item.imply("get", "/", "default")
		item.leaf("name", "GET /", "default")
		item.leaf("weight", 1, "default")
	}
}

// targetsFile reads a targets file in one of vegeta's formats.
func (d *decoder) targetsFile(n *yaml.Node, s *plan.Scenario, out *Resolved) {
	v, err := d.scalar(n, spec.Param{Type: spec.File})
	if err != nil {
		d.fail(n, "targets: %v", err)
		return
	}
	file := v.(spec.Content)
	out.leaf("targets", file.Name, d.origin(n))
	t, err := vegeta.ReadTargets(file.Text, d.read)
	if err != nil {
		d.fail(n, "targets: %s: %v", file.Name, err)
		return
	}
	switch {
	case t.Base != "" && s.Topology != nil:
		d.fail(n, "targets: %s names a host: with a topology write paths, such as GET /", file.Name)
	case t.Base != "" && s.Target != "" && !strings.HasPrefix(s.Target+"/", t.Base+"/"):
		d.fail(n, "targets: %s is about %s, and the target is %s", file.Name, t.Base, s.Target)
	}
	s.Load.Set.Requests, s.Load.Set.InTurn = t.Set.Requests, true
	if _, err := mix.New(s.Seed, s.Load.Set); err != nil {
		d.fail(n, "targets: %s: %v", file.Name, err)
	}
}

// data reads the tables that templates take values from: `users: users.csv`, or with the order of the rows.
func (d *decoder) data(b *block, s *plan.Scenario, out *Resolved) (list []*mix.Data) {
	n := b.value("data")
	if n == nil {
		return nil
	}
	all := out.sub("data")
	db := d.block(n, "data", all)
	if db.n == nil {
		return nil
	}
	for i := 0; i+1 < len(db.n.Content); i += 2 {
		key, value := db.n.Content[i], resolve(db.n.Content[i+1])
		d.name(key, "data")
		if strings.Contains(key.Value, ".") {
			d.fail(key, "data %q: the dot stands between the data's name and a column's", key.Value)
		}
		item, order := all.sub(key.Value), orderParam().Default
		file := value
		if value.Kind == yaml.MappingNode {
			x := d.block(value, "data", item)
			order = x.values([]spec.Param{orderParam()}).Text("order")
			file = x.require("file")
			x.close()
		} else {
			item.leaf("order", order, "default")
		}
		if file == nil {
			continue
		}
		v, err := d.scalar(file, spec.Param{Type: spec.File})
		if err != nil {
			d.fail(file, "data: %v", err)
			continue
		}
		item.leaf("file", v.(spec.Content).Name, d.origin(file))
		table, err := mix.ParseData(v.(spec.Content).Text)
		if err != nil {
			d.fail(file, "data: %s: %v", v.(spec.Content).Name, err)
			continue
		}
		table.Name, table.InTurn, table.Random = key.Value, order == "in_turn", s.Seed.Stream("data/"+key.Value)
		list = append(list, table)
	}
	return list
}

func (d *decoder) request(n *yaml.Node, names map[string]bool, all *Resolved) mix.Request {
	item := all.sub("")
	b := d.block(n, "request", item)
	r := mix.Request{}
	for _, m := range Methods() {
		if v := b.value(m); v != nil {
			if r.Method != "" {
				d.fail(v, "request has two methods: %s and %s", strings.ToLower(r.Method), m)
			}
			r.Method, r.Path = strings.ToUpper(m), v.Value
			if v.Kind != yaml.ScalarNode || !strings.HasPrefix(v.Value, "/") {
				d.fail(v, "%s: the path must start with a slash, not %s", m, kindOf(v))
			}
			item.leaf(m, v.Value, d.origin(v))
		}
	}
	if r.Method == "" && !b.bad {
		d.fail(n, "request needs a method and a path, such as get: /")
	}
	v := b.values(requestParams(r.Method + " " + r.Path))
	r.Name, r.Weight = v.Text("name"), v.Float("weight")
	r.Body = d.body(b, item)
	item.Key = r.Name
	if names[r.Name] && !b.bad {
		d.fail(n, "two requests are called %q: give one a name", r.Name)
	}
	names[r.Name] = true
	if h := b.value("headers"); h != nil {
		r.Headers = d.headers(h, item.sub("headers"))
	}
	r.Expect = d.expect(b, item)
	b.close()
	return r
}

// body reads a body: a text, or {file: NAME}.
func (d *decoder) body(b *block, item *Resolved) string {
	n := b.value("body")
	switch {
	case n == nil:
		return ""
	case n.Kind != yaml.MappingNode:
		v, err := d.scalar(n, spec.Param{Type: spec.Text})
		if err != nil {
			d.fail(n, "body: %v", err)
			return ""
		}
		item.leaf("body", v, d.origin(n))
		return v.(string)
	}
	fb := d.block(n, "body", item.sub("body"))
	file := fb.values([]spec.Param{bodyFileParam()}).File("file")
	fb.close()
	return file.Text
}

// expect reads what an answer must be.
func (d *decoder) expect(b *block, item *Resolved) *mix.Expect {
	n := b.value("expect")
	if n == nil {
		return nil
	}
	eb := d.block(n, "expect", item.sub("expect"))
	v := eb.values(expectParams())
	e := &mix.Expect{Status: v.Int("status"), Body: v.Text("body")}
	if h := eb.value("headers"); h != nil {
		e.Headers = d.headers(h, eb.out.sub("headers"))
	}
	eb.close()
	return e
}

// headers reads a mapping of headers, each with a value or a list of values.
func (d *decoder) headers(n *yaml.Node, out *Resolved) (list []mix.Header) {
	b := d.block(n, "headers", out)
	if b.n == nil {
		return nil
	}
	for i := 0; i+1 < len(b.n.Content); i += 2 {
		key, value := b.n.Content[i], resolve(b.n.Content[i+1])
		if value.Kind != yaml.SequenceNode {
			list = d.header(list, key.Value, value, key.Value, b.out)
			continue
		}
		item := b.out.sub(key.Value)
		item.List = true
		for j, v := range value.Content {
			list = d.header(list, key.Value, resolve(v), fmt.Sprint(j+1), item)
		}
	}
	return list
}

func (d *decoder) header(list []mix.Header, name string, v *yaml.Node, as string, out *Resolved) []mix.Header {
	if v.Kind != yaml.ScalarNode {
		d.fail(v, "header %s must be text, not %s", name, kindOf(v))
		return list
	}
	out.leaf(as, d.mask.Value(name, v.Value), d.origin(v))
	return append(list, mix.Header{Name: name, Value: v.Value})
}
