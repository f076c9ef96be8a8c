package scenarios

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Resolved is a scenario in the file's shape with every default filled in, and where each value came from.
// It is what `explain` prints and what travels in the result.
type Resolved struct {
	Key    string // in its mapping; or the member's name, in a list
	Value  any    // of a leaf
	Origin string // of a leaf: "line 12", "default", "--set …"
	List   bool
	Sub    []*Resolved

	implied bool // the file leaves it out, and no parameter's default says it: --set brings it in with what is below it
}

func (r *Resolved) sub(key string) *Resolved {
	s := &Resolved{Key: key}
	r.Sub = append(r.Sub, s)
	return s
}

func (r *Resolved) leaf(key string, value any, origin string) {
	r.Sub = append(r.Sub, &Resolved{Key: key, Value: value, Origin: origin})
}

// imply is leaf for a value that the decoder supplies because what holds it is left out.
func (r *Resolved) imply(key string, value any, origin string) {
	r.Sub = append(r.Sub, &Resolved{Key: key, Value: value, Origin: origin, implied: true})
}

// find returns the value below a key of a mapping, or a list's member of that index.
func (r *Resolved) find(key string, index int) *Resolved {
	if r.List {
		if index >= 0 && index < len(r.Sub) {
			return r.Sub[index]
		}
		return nil
	}
	for _, s := range r.Sub {
		if s.Key == key {
			return s
		}
	}
	return nil
}

func (r *Resolved) isLeaf() bool { return r.Origin != "" }

// MarshalJSON writes the file's shape, keys in the file's order.
func (r *Resolved) MarshalJSON() ([]byte, error) {
	if r.isLeaf() {
		return plain(r.Value)
	}
	var b bytes.Buffer
	brackets := "{}"
	if r.List {
		brackets = "[]"
	}
	b.WriteByte(brackets[0])
	for i, s := range r.Sub {
		if i > 0 {
			b.WriteByte(',')
		}
		if !r.List {
			key, err := plain(s.Key)
			if err != nil {
				return nil, err
			}
			b.Write(key)
			b.WriteByte(':')
		}
		v, err := s.MarshalJSON()
		if err != nil {
			return nil, err
		}
		b.Write(v)
	}
	b.WriteByte(brackets[1])
	return b.Bytes(), nil
}

// plain is json.Marshal without its escapes for HTML.
func plain(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSpace(b.Bytes()), err
}

// row is a value as explain prints it.
type row struct{ path, value, origin string }

// rows lists every value. A path and its value can be given to --set as they stand.
func (r *Resolved) rows() (rows []row) {
	var walk func(n *Resolved, path []string)
	walk = func(n *Resolved, path []string) {
		if n.isLeaf() {
			rows = append(rows, row{writePath(path), writeValue(n.Value), n.Origin})
		}
		for _, s := range n.Sub {
			walk(s, append(path[:len(path):len(path)], s.Key))
		}
	}
	walk(r, nil)
	return rows
}

// Print writes every value with its path and where it came from.
func (r *Resolved) Print(w io.Writer) {
	const widest = 40 // longer values push their origin to the right
	rows := r.rows()
	width := [2]int{}
	for _, x := range rows {
		width[0], width[1] = max(width[0], len(x.path)), max(width[1], min(len(x.value), widest))
	}
	for _, x := range rows {
		fmt.Fprintf(w, "  %-*s  %-*s  %s\n", width[0], x.path, width[1], x.value, x.origin)
	}
}

// writeValue writes a value as YAML on one line: texts in quotes where they would be read as something else.
func writeValue(v any) string {
	switch v := v.(type) {
	case string:
		return writeText(v, "", "")
	case []string:
		texts := make([]string, len(v))
		for i, s := range v {
			texts[i] = writeText(s, "[", "]")
		}
		return "[" + strings.Join(texts, ", ") + "]"
	}
	return fmt.Sprint(v)
}

// writeText writes a text that stands between brackets, or alone.
func writeText(s, opening, closing string) string {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(opening+s+closing), &doc); err == nil && len(doc.Content) == 1 && !strings.Contains(s, "\n") {
		n := doc.Content[0]
		if opening != "" && len(n.Content) == 1 {
			n = n.Content[0]
		}
		if n.Kind == yaml.ScalarNode && n.Value == s && n.Tag != "!!null" && n.Anchor == "" {
			return s
		}
	}
	quoted, err := plain(s)
	if err != nil {
		return s // no text fails to become JSON
	}
	return string(quoted)
}
