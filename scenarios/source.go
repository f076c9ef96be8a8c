package scenarios

import (
	"fmt"
	"sort"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Source is a scenario file's text.
type Source struct {
	Name string // as messages call it: the path, or "library:first-run"
	Text []byte
	Dir  string // files that it names are relative to this folder; empty: the current one
}

// Problem is one mistake in a file.
type Problem struct {
	Line, Column int    // from 1; 0 when the mistake has no place in the file
	Origin       string // the flag that brought the value, when it was not the file
	Message      string
}

// Problems is every mistake found in a file, in its order.
type Problems struct {
	Source Source
	List   []Problem
}

// Error shows each mistake with its line and a caret.
func (p *Problems) Error() string {
	var b strings.Builder
	lines := strings.Split(string(p.Source.Text), "\n")
	for i, x := range p.List {
		if i > 0 {
			b.WriteString("\n")
		}
		switch {
		case x.Origin != "":
			fmt.Fprintf(&b, "%s: %s", x.Origin, x.Message)
		case x.Line == 0:
			fmt.Fprintf(&b, "%s: %s", p.Source.Name, x.Message)
		default:
			fmt.Fprintf(&b, "%s:%d:%d: %s", p.Source.Name, x.Line, x.Column, x.Message)
			if x.Line <= len(lines) {
				line, column := excerpt(strings.TrimRight(lines[x.Line-1], "\r"), x.Column)
				fmt.Fprintf(&b, "\n%5d | %s\n      | %s^", x.Line, line, blanks(line, column-1))
			}
		}
	}
	return b.String()
}

// excerpt cuts a long line down to what stands around the column.
func excerpt(line string, column int) (string, int) {
	const before, width = 60, 120
	runes := []rune(line)
	if len(runes) <= width {
		return line, column
	}
	from := max(0, min(column-before, len(runes)-width))
	return string(runes[from:min(from+width, len(runes))]), column - from
}

// blanks returns as much white space as the first n characters of a line take; tabs stay tabs.
func blanks(line string, n int) string {
	var b strings.Builder
	for i, r := range []rune(line) {
		if i >= n {
			break
		}
		if r == '\t' {
			b.WriteRune('\t')
		} else {
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// parse reads the file's YAML into nodes.
func (s Source) parse() (*yaml.Node, *Problem) {
	var doc yaml.Node
	if err := yaml.Unmarshal(s.Text, &doc); err != nil {
		p := &Problem{Message: "not valid YAML: " + strings.TrimPrefix(err.Error(), "yaml: ")}
		if i := strings.Index(err.Error(), "line "); i >= 0 {
			if n, _ := fmt.Sscanf(err.Error()[i:], "line %d", &p.Line); n == 1 {
				p.Column = 1
			}
		}
		return nil, p
	}
	if len(doc.Content) == 0 {
		return nil, &Problem{Message: "the file is empty: `shakedown scenario new` writes one to start from"}
	}
	return doc.Content[0], nil
}

// Override is one `--set PATH=VALUE`.
type Override struct{ Path, Value string }

// ParseOverride reads PATH=VALUE.
func ParseOverride(s string) (Override, error) {
	path, value, ok := strings.Cut(s, "=")
	if !ok || path == "" {
		return Override{}, fmt.Errorf("--set %s: expected PATH=VALUE, such as load.phases.spike.rate=2000/s", s)
	}
	return Override{path, value}, nil
}

func (o Override) origin() string { return "--set " + o.Path }

// apply puts the value into the tree and marks the nodes that it brought.
func (o Override) apply(root *yaml.Node, origins map[*yaml.Node]string) error {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(o.Value), &doc); err != nil || len(doc.Content) == 0 {
		doc.Content = []*yaml.Node{{Kind: yaml.ScalarNode, Tag: "!!str", Value: o.Value}}
	}
	value := doc.Content[0]
	mark(value, o.origin(), origins)
	steps := strings.Split(o.Path, ".")
	n := root
	for i, step := range steps {
		last := i == len(steps)-1
		switch n.Kind {
		case yaml.MappingNode:
			j := keyIndex(n, step)
			if j < 0 {
				key := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: step}
				origins[key] = o.origin()
				child := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
				origins[child] = o.origin()
				n.Content = append(n.Content, key, child)
				j = len(n.Content) - 2
			}
			if last {
				n.Content[j+1] = value
				return nil
			}
			n = n.Content[j+1]
		case yaml.SequenceNode:
			j, names := member(n, step)
			if j < 0 {
				return fmt.Errorf("%s: no member is called %q: there are %s", o.origin(), step, strings.Join(names, ", "))
			}
			if last {
				n.Content[j] = value
				return nil
			}
			n = n.Content[j]
		default:
			// A kind written as a bare name takes parameters: strategy.choices=3 makes {kind: p2c, choices: 3}.
			kind := *n
			*n = yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: n.Line, Column: n.Column, Content: []*yaml.Node{
				{Kind: yaml.ScalarNode, Tag: "!!str", Value: "kind", Line: n.Line, Column: n.Column}, &kind,
				{Kind: yaml.ScalarNode, Tag: "!!str", Value: step}, value,
			}}
			origins[n.Content[2]] = o.origin()
			if last {
				return nil
			}
			return fmt.Errorf("%s: there is nothing below %s", o.origin(), strings.Join(steps[:i], "."))
		}
	}
	return nil
}

func mark(n *yaml.Node, origin string, origins map[*yaml.Node]string) {
	origins[n] = origin
	for _, c := range n.Content {
		mark(c, origin, origins)
	}
}

func keyIndex(n *yaml.Node, key string) int {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return i
		}
	}
	return -1
}

// member finds a member of a list by its name, id or group.
func member(n *yaml.Node, name string) (int, []string) {
	var names []string
	for i, c := range n.Content {
		for _, key := range []string{"name", "id", "group"} {
			if j := keyIndex(c, key); c.Kind == yaml.MappingNode && j >= 0 {
				if c.Content[j+1].Value == name {
					return i, nil
				}
				names = append(names, c.Content[j+1].Value)
				break
			}
		}
	}
	sort.Strings(names)
	return -1, names
}
