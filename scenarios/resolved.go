package scenarios

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// Resolved is a scenario in the file's shape with every default filled in, and where each value came from.
// It is what `explain` prints and what travels in the result.
type Resolved struct {
	Key    string // in its mapping; or the member's name, in a list
	Value  any    // of a leaf
	Origin string // of a leaf: "line 12", "default", "--set …"
	List   bool
	Sub    []*Resolved
}

func (r *Resolved) sub(key string) *Resolved {
	s := &Resolved{Key: key}
	r.Sub = append(r.Sub, s)
	return s
}

func (r *Resolved) leaf(key string, value any, origin string) {
	r.Sub = append(r.Sub, &Resolved{Key: key, Value: value, Origin: origin})
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

// Print writes every value with its path and where it came from.
func (r *Resolved) Print(w io.Writer) {
	type row struct{ path, value, origin string }
	var rows []row
	width := [2]int{}
	var walk func(n *Resolved, path []string)
	walk = func(n *Resolved, path []string) {
		if n.isLeaf() {
			v := fmt.Sprint(n.Value)
			if list, ok := n.Value.([]string); ok {
				v = "[" + strings.Join(list, ", ") + "]"
			}
			x := row{strings.Join(path, "."), v, n.Origin}
			width[0], width[1] = max(width[0], len(x.path)), max(width[1], min(len(v), 40))
			rows = append(rows, x)
		}
		for _, s := range n.Sub {
			walk(s, append(path[:len(path):len(path)], s.Key))
		}
	}
	walk(r, nil)
	for _, x := range rows {
		fmt.Fprintf(w, "  %-*s  %-*s  %s\n", width[0], x.path, width[1], x.value, x.origin)
	}
}
