package scenarios

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Override is one `--set PATH=VALUE`. PATH names a value as `explain` prints it: keys of mappings, and members of
// lists by their name or id, or by their number from 1. A key that holds dots is written in double quotes, or
// without when only one reading of the path fits the scenario.
type Override struct{ Path, Value string }

// ParseOverride reads PATH=VALUE.
func ParseOverride(s string) (Override, error) {
	quoted := false
	for i, r := range s {
		switch {
		case r == '"':
			quoted = !quoted
		case r == '=' && !quoted && i > 0:
			o := Override{s[:i], s[i+1:]}
			_, err := parsePath(o.Path)
			return o, err
		}
	}
	return Override{}, fmt.Errorf("--set %s: expected PATH=VALUE, such as load.phases.spike.rate=2000/s", s)
}

func (o Override) origin() string { return "--set " + o.Path }

// step is one part of a path.
type step struct {
	name   string
	quoted bool
}

// parsePath divides a path at its dots. A step in double quotes may hold dots and, after a backslash, quotes.
func parsePath(path string) (steps []step, err error) {
	for rest := path; ; {
		var s step
		if strings.HasPrefix(rest, `"`) {
			text, err := strconv.QuotedPrefix(rest)
			if err != nil {
				return nil, fmt.Errorf("--set %s: a quote is not closed", path)
			}
			if s.name, err = strconv.Unquote(text); err != nil {
				return nil, fmt.Errorf("--set %s: %s: %w", path, text, err)
			}
			s.quoted, rest = true, rest[len(text):]
			if rest != "" && rest[0] != '.' {
				return nil, fmt.Errorf("--set %s: after %s there must be a dot", path, text)
			}
		} else {
			end := strings.IndexByte(rest, '.')
			if end < 0 {
				end = len(rest)
			}
			s.name, rest = rest[:end], rest[end:]
		}
		if s.name == "" {
			return nil, fmt.Errorf("--set %s: a step of the path is empty", path)
		}
		steps = append(steps, s)
		if rest == "" {
			return steps, nil
		}
		rest = rest[1:]
	}
}

// writePath is the reverse of parsePath.
func writePath(names []string) string {
	written := make([]string, len(names))
	for i, name := range names {
		if written[i] = name; !plainStep(name) {
			written[i] = strconv.Quote(name)
		}
	}
	return strings.Join(written, ".")
}

func plainStep(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
}

// setter puts one override into a file's tree.
type setter struct {
	Override
	origins  map[*yaml.Node]string
	resolved func() *Resolved // what the tree means before the override; only computed when it is needed
	trail    []string         // the steps so far, as keys of the resolved tree
	at       []int            // for each of them the index in a list, -1 in a mapping
}

// apply puts the value into the tree and marks the nodes that it brought.
func (o Override) apply(root *yaml.Node, origins map[*yaml.Node]string, resolved func() *Resolved) error {
	steps, err := parsePath(o.Path)
	if err != nil {
		return err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(o.Value), &doc); err != nil || len(doc.Content) == 0 {
		doc.Content = []*yaml.Node{{Kind: yaml.ScalarNode, Tag: "!!str", Value: o.Value}}
	}
	value := doc.Content[0]
	mark(value, o.origin(), origins)
	s := &setter{Override: o, origins: origins, resolved: resolved}
	for n := root; ; {
		slot, used, err := s.enter(n, steps)
		if err != nil {
			return fmt.Errorf("%s: %w", o.origin(), err)
		}
		if steps = steps[used:]; len(steps) == 0 {
			*slot = value
			return nil
		}
		n = *slot
	}
}

// enter finds the slot below a node that the first steps name, and says how many steps those are.
func (s *setter) enter(n *yaml.Node, steps []step) (slot **yaml.Node, used int, err error) {
	if n.Kind == yaml.AliasNode { // the path names this place, not the others that share the anchor
		*n = *s.copy(n.Alias)
	}
	if n.Kind == yaml.ScalarNode {
		if err := s.expand(n); err != nil {
			return nil, 0, err
		}
	}
	if n.Kind == yaml.SequenceNode {
		return s.member(n, steps)
	}
	return s.key(n, steps)
}

func (s *setter) passed(name string, index int) {
	s.trail, s.at = append(s.trail, name), append(s.at, index)
}

func (s *setter) key(n *yaml.Node, steps []step) (slot **yaml.Node, used int, err error) {
	used, err = match(steps, func(name string) bool { return keyIndex(n, name) >= 0 })
	if err != nil {
		return nil, 0, err
	}
	if used > 0 {
		name := join(steps[:used])
		s.passed(name, -1)
		return &n.Content[keyIndex(n, name)+1], used, nil
	}
	name := steps[0].name
	s.passed(name, -1)
	key := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: name}
	s.origins[key] = s.origin()
	var child *yaml.Node
	if len(steps) > 1 {
		r := s.meaning()
		if err := s.checkBelow(r); err != nil {
			return nil, 0, err
		}
		child = s.implied(r)
	}
	if child == nil && len(s.trail) == 1 && isListOfScenario(name) {
		child = &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	}
	if child == nil {
		child = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	}
	if s.origins[child] == "" {
		s.origins[child] = s.origin()
	}
	n.Content = append(n.Content, key, child)
	return &n.Content[len(n.Content)-1], 1, nil
}

// member finds a member of a list: by its name first, then by its number.
func (s *setter) member(n *yaml.Node, steps []step) (slot **yaml.Node, used int, err error) {
	var names []string
	for _, c := range n.Content {
		if name := memberName(resolve(c)); name != "" {
			names = append(names, name)
		}
	}
	used, err = match(steps, func(name string) bool { return slices.Contains(names, name) })
	if err != nil {
		return nil, 0, err
	}
	if used > 0 {
		for i, c := range n.Content {
			if name := join(steps[:used]); memberName(resolve(c)) == name {
				s.passed(name, i)
				return &n.Content[i], used, nil
			}
		}
	}
	if i, err := strconv.Atoi(steps[0].name); err == nil && i >= 1 && i <= len(n.Content) {
		s.passed(steps[0].name, i-1)
		return &n.Content[i-1], 1, nil
	}
	known := strings.Join(names, ", ")
	switch {
	case len(n.Content) == 0:
		return nil, 0, fmt.Errorf("%s has no member %q: there is none at all, and --set adds none", writePath(s.trail), steps[0].name)
	case len(names) == 0:
		known = fmt.Sprintf("1 to %d", len(n.Content))
	}
	return nil, 0, fmt.Errorf("no member is called %q: there are %s", steps[0].name, known)
}

// memberName is what a path calls a member of a list; empty when it only has a number. A request without a name
// is called by its method and path.
func memberName(c *yaml.Node) string {
	if c.Kind != yaml.MappingNode {
		return ""
	}
	for _, key := range []string{"name", "id", "group"} {
		if j := keyIndex(c, key); j >= 0 {
			return resolve(c.Content[j+1]).Value
		}
	}
	for _, method := range Methods() {
		if j := keyIndex(c, method); j >= 0 {
			return strings.ToUpper(method) + " " + resolve(c.Content[j+1]).Value
		}
	}
	return ""
}

// match says how many of the steps, joined by dots, make a name that is there; 0 when no number does. A quoted step
// stands for itself.
func match(steps []step, there func(string) bool) (used int, err error) {
	for n := 1; n <= len(steps); n++ {
		if n > 1 && (steps[0].quoted || steps[n-1].quoted) {
			break
		}
		if !there(join(steps[:n])) {
			continue
		}
		if used > 0 {
			return 0, fmt.Errorf("both %q and %q are there: write the one that is meant in double quotes", join(steps[:used]), join(steps[:n]))
		}
		used = n
	}
	return used, nil
}

func join(steps []step) string {
	names := make([]string, len(steps))
	for i := range steps {
		names[i] = steps[i].name
	}
	return strings.Join(names, ".")
}

// meaning is the resolved form of the place that the setter has come to; nil when there is none.
func (s *setter) meaning() *Resolved {
	r := s.resolved()
	for i, name := range s.trail {
		if r = r.find(name, s.at[i]); r == nil {
			return nil
		}
	}
	return r
}

// checkBelow refuses a path that goes on below a single value. A block that is switched off is none.
func (s *setter) checkBelow(r *Resolved) error {
	if r != nil && r.isLeaf() && r.Value != "off" {
		return fmt.Errorf("there is nothing below %s", writePath(s.trail))
	}
	return nil
}

// copy returns a node of its own, with all that is in it. Aliases in it stay aliases.
func (s *setter) copy(n *yaml.Node) *yaml.Node {
	c := *n
	c.Anchor, c.Content = "", nil
	for _, x := range n.Content {
		c.Content = append(c.Content, s.copy(x))
	}
	if o := s.origins[n]; o != "" {
		s.origins[&c] = o
	}
	return &c
}

// expand makes a mapping of a value that stands for one: `rate: 100/s` is {kind: hold, rate: 100/s}, and a block that
// is switched off is switched on. A list without a value is empty.
func (s *setter) expand(n *yaml.Node) error {
	r := s.meaning()
	if err := s.checkBelow(r); err != nil {
		return err
	}
	was, origin := *n, s.origins[n]
	*n = yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: was.Line, Column: was.Column}
	if was.Tag == "!!null" && len(s.trail) == 1 && isListOfScenario(s.trail[0]) {
		n.Kind, n.Tag = yaml.SequenceNode, "!!seq"
	}
	if off(&was) || isOn(&was) || was.Tag == "!!null" {
		return nil
	}
	values := [][2]string{}
	if r != nil {
		from := origin
		if from == "" {
			from = fmt.Sprintf("line %d", was.Line)
		}
		for _, leaf := range r.Sub {
			if leaf.isLeaf() && leaf.Origin == from {
				values = append(values, [2]string{leaf.Key, fmt.Sprint(leaf.Value)})
			}
		}
	}
	if len(values) == 0 { // a kind that is not known: the decoder says so
		values = append(values, [2]string{"kind", was.Value})
	}
	for _, pair := range values {
		for _, text := range pair {
			x := scalarNode(text)
			if x.Line, x.Column = was.Line, was.Column; origin != "" {
				s.origins[x] = origin
			}
			n.Content = append(n.Content, x)
		}
	}
	return nil
}

// implied makes nodes of what the scenario leaves out and a path goes through: lists that have a member by default,
// and the kind of what has a default kind.
func (s *setter) implied(r *Resolved) *yaml.Node {
	if r == nil {
		return nil
	}
	if r.isLeaf() {
		if !r.implied {
			return nil
		}
		n := scalarNode(fmt.Sprint(r.Value))
		s.origins[n] = r.Origin
		return n
	}
	n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	if r.List {
		n = &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	}
	for _, sub := range r.Sub {
		child := s.implied(sub)
		if child == nil {
			continue
		}
		if !r.List {
			key := scalarNode(sub.Key)
			s.origins[key] = s.origins[child]
			n.Content = append(n.Content, key)
		}
		n.Content = append(n.Content, child)
		s.origins[n] = s.origins[child]
	}
	if len(n.Content) == 0 {
		return nil
	}
	return n
}

func scalarNode(value string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}
}

func mark(n *yaml.Node, origin string, origins map[*yaml.Node]string) {
	origins[n] = origin
	for _, c := range n.Content {
		mark(c, origin, origins)
	}
}
