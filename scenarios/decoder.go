package scenarios

import (
	"cmp"
	"fmt"
	"net/url"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/seed-8025779b/shakedown/scenarios/mask"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// decoder walks a file's nodes. It never stops at a mistake, so that all are told at once.
type decoder struct {
	dir      string     // of the files that the scenario names
	profile  *behaviour // whose defaults are taken; nil for our own
	problems []Problem
	alone    bool                  // the balancer runs alone: there is no load
	origins  map[*yaml.Node]string // of nodes that did not come from the file

	mask mask.Names    // whose values are secrets
	user *url.Userinfo // of the target's URL
	ids  []string      // of the faults, those with mistakes too

	// What could not be read: a mistake in it was told, and what refers to it can't be judged.
	unread map[string]bool
}

// The subjects that other parts of a scenario refer to, besides keys of blocks.
const (
	phaseNames = "names of phases"
	lengths    = "lengths of phases"
	groupNames = "names of groups"
	allRules   = "rules"
	faultIDs   = "the scenario faults"
	scaled     = "the scenario scaling"

	requestNames = "load requests"
)

func (d *decoder) origin(n *yaml.Node) string {
	if o := d.origins[n]; o != "" {
		return o
	}
	return fmt.Sprintf("line %d", n.Line)
}

// block is a mapping being read. A block of a nil node is one that the file leaves out: it yields defaults.
type block struct {
	d     *decoder
	n     *yaml.Node // nil when absent
	what  string     // as messages call it
	out   *Resolved
	known []string // keys that were asked for
	later []string // keys that were refused as not supported yet: neither unknown nor worth a suggestion
	bad   bool     // not a mapping: say it once, ask nothing more
}

// block starts to read a mapping and checks it for duplicate keys.
func (d *decoder) block(n *yaml.Node, what string, out *Resolved) *block {
	b := &block{d: d, n: resolve(n), what: what, out: out}
	if b.n == nil {
		return b
	}
	if b.n.Kind != yaml.MappingNode {
		d.fail(n, "%s must be a mapping of names to values, not %s", what, kindOf(b.n))
		b.n, b.bad = nil, true
		return b
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(b.n.Content); i += 2 {
		key := b.n.Content[i]
		if seen[key.Value] {
			d.fail(key, "%q stands here twice", key.Value)
		}
		seen[key.Value] = true
	}
	return b
}

// resolve follows an alias to what it stands for.
func resolve(n *yaml.Node) *yaml.Node {
	for n != nil && n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	if n.Tag == "!!null" {
		return "nothing"
	}
	return fmt.Sprintf("%q", n.Value)
}

// key returns a key's own node and its value's; both nil when the key is absent.
func (b *block) key(name string) (key, value *yaml.Node) {
	b.known = append(b.known, name)
	if b.n == nil {
		return nil, nil
	}
	if i := keyIndex(b.n, name); i >= 0 {
		return b.n.Content[i], resolve(b.n.Content[i+1])
	}
	return nil, nil
}

func (b *block) value(name string) *yaml.Node { _, v := b.key(name); return v }

// require is value for a key that must be there.
func (b *block) require(name string) *yaml.Node {
	v := b.value(name)
	if v == nil && !b.bad {
		b.lacks(name, "%s needs %q", b.what, name)
	}
	return v
}

// lacks notes that a key is missing. It is not told when the key is there but misspelt: close tells that.
func (b *block) lacks(name, format string, args ...any) {
	b.d.failOf([]string{b.subject(name)}, b.n, format, args...)
}

func (b *block) subject(name string) string { return b.what + " " + name }

// refuse refuses keys whose engine is not there yet.
func (b *block) refuse(names ...string) {
	b.later = append(b.later, names...)
	if b.n == nil {
		return
	}
	for _, name := range names {
		if i := keyIndex(b.n, name); i >= 0 {
			b.d.fail(b.n.Content[i], "%q is not supported yet", name)
		}
	}
}

// close refuses keys that nothing has asked for.
func (b *block) close() {
	if b.n == nil {
		return
	}
	for i := 0; i+1 < len(b.n.Content); i += 2 {
		if key := b.n.Content[i]; !has(b.known, key.Value) && !has(b.later, key.Value) {
			b.d.fail(key, "%s has no key %q%s", b.what, key.Value, spec.Suggest(key.Value, b.known))
			if meant := spec.Nearest(key.Value, b.known); meant != "" {
				b.d.cannotRead(b.subject(meant))
			}
		}
	}
}

func has(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// param reads one parameter; ok is false when it is absent or wrong.
func (b *block) param(p spec.Param) (v any, ok bool) {
	n := b.value(p.Name)
	if n == nil {
		if b.bad {
			return nil, false
		}
		if p.Required {
			b.lacks(p.Name, "%s needs %q: %s", b.what, p.Name, p.Doc)
			return nil, false
		}
		if p.Default == "" {
			return nil, false
		}
		v = spec.Defaults([]spec.Param{p})[p.Name]
		b.out.leaf(p.Name, p.Format(v), cmp.Or(p.From, "default"))
		return v, true
	}
	v, err := b.d.scalar(n, p)
	if err != nil {
		b.d.fail(n, "%s: %v", p.Name, err)
		return nil, false
	}
	if p.Secret {
		b.out.leaf(p.Name, "(not shown)", b.d.origin(n))
		return v, true
	}
	b.out.leaf(p.Name, p.Format(v), b.d.origin(n))
	return v, true
}

// scalar reads a node's text as a parameter.
func (d *decoder) scalar(n *yaml.Node, p spec.Param) (any, error) {
	if p.Type == spec.List {
		if n.Kind != yaml.SequenceNode {
			return nil, fmt.Errorf("must be a list, not %s", kindOf(n))
		}
		list := []string{}
		for _, c := range n.Content {
			c = resolve(c)
			if c.Kind != yaml.ScalarNode {
				return nil, fmt.Errorf("must be a list of texts, not of %s", kindOf(c))
			}
			list = append(list, c.Value)
		}
		return list, nil
	}
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		return nil, fmt.Errorf("must be %s, not %s", p.Type, kindOf(n))
	}
	if p.Type == spec.File {
		return d.content(n)
	}
	return p.Parse(n.Value)
}

// values reads parameters by their table.
func (b *block) values(params []spec.Param) spec.Values {
	v := spec.Values{}
	for _, p := range params {
		if x, ok := b.param(p); ok {
			v[p.Name] = x
		}
	}
	return v
}

// list returns the members of a list; what is absent, or has all its members commented out, is empty.
func (b *block) list(name string) []*yaml.Node {
	n := b.value(name)
	if n == nil || n.Tag == "!!null" {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		b.d.fail(n, "%s must be a list, not %s", name, kindOf(n))
		b.d.cannotRead(b.subject(name))
		return nil
	}
	var out []*yaml.Node
	for _, c := range n.Content {
		out = append(out, resolve(c))
	}
	return out
}

// choice reads a kind: `name`, `{kind: name, parameter: value}`, or the bare value of a kind that has a
// plain parameter. later lists kinds that are not supported yet. given are values that stand elsewhere in
// the file, by the parameters' names.
func (d *decoder) choice(n *yaml.Node, what string, table spec.Table, later []string, given spec.Values, out *Resolved) (spec.Choice, bool) {
	before := len(d.problems)
	if n.Kind == yaml.ScalarNode {
		if e, ok := table.Find(n.Value); ok {
			out.leaf("kind", e.Name, d.origin(n))
			b := &block{d: d, n: &yaml.Node{Kind: yaml.MappingNode, Line: n.Line, Column: n.Column}, what: what + " " + e.Name, out: out}
			return d.finishChoice(b, e, given, before)
		}
		for _, e := range table {
			if p, ok := e.Param(e.Plain); ok && !has(later, n.Value) && (looksPlain(n.Value) || len(table) == 1) {
				v, err := d.scalar(n, p)
				if err != nil {
					d.fail(n, "%s: %v", what, err)
					return spec.Choice{}, false
				}
				out.leaf("kind", e.Name, d.origin(n))
				out.leaf(p.Name, p.Format(v), d.origin(n))
				c := spec.Choice{Kind: e.Name, Values: spec.Defaults(e.Params)}
				c.Values[p.Name] = v
				for k, x := range given {
					c.Values[k] = x
				}
				return c, true
			}
		}
		d.unknownKind(n, n.Value, what, table, later)
		return spec.Choice{}, false
	}
	b := d.block(n, what, out)
	kind := b.require("kind")
	if kind == nil {
		return spec.Choice{}, false
	}
	e, ok := table.Find(kind.Value)
	if !ok {
		d.unknownKind(kind, kind.Value, what, table, later)
		return spec.Choice{}, false
	}
	out.leaf("kind", e.Name, d.origin(kind))
	b.what = what + " " + e.Name
	return d.finishChoice(b, e, given, before)
}

// byDefault writes a choice that the file leaves out.
func byDefault(table spec.Table, c spec.Choice, out *Resolved, p *behaviour) spec.Choice {
	origin := "default"
	if p != nil {
		origin = p.origin()
	}
	out.imply("kind", c.Kind, origin)
	e, _ := table.Find(c.Kind)
	for _, p := range e.Params {
		switch v, ok := c.Values[p.Name]; {
		case !ok:
		case p.Default == "":
			out.imply(p.Name, p.Format(v), "default")
		default:
			out.leaf(p.Name, p.Format(v), "default")
		}
	}
	return c
}

// looksPlain reports whether a bare value is meant as a quantity rather than as a kind's name.
func looksPlain(s string) bool {
	return s != "" && strings.ContainsRune("+-.0123456789", rune(s[0]))
}

func (d *decoder) finishChoice(b *block, e spec.Entry, given spec.Values, before int) (spec.Choice, bool) {
	c := spec.Choice{Kind: e.Name, Values: spec.Values{}}
	for _, p := range e.Params {
		if v, ok := given[p.Name]; ok {
			c.Values[p.Name] = v
		} else if v, ok := b.param(p); ok {
			c.Values[p.Name] = v
		}
	}
	b.close()
	return c, len(d.problems) == before
}

func (d *decoder) unknownKind(n *yaml.Node, got, what string, table spec.Table, later []string) {
	if has(later, got) {
		d.fail(n, "%s %q is not supported yet", what, got)
		return
	}
	plain := ""
	for _, e := range table {
		if p, ok := e.Param(e.Plain); ok {
			plain = p.Type.String() + ", or "
		}
	}
	d.fail(n, "unknown %s %q%s: there are %s%s", what, got, spec.Suggest(got, table.Names()), plain, strings.Join(table.Names(), ", "))
}
