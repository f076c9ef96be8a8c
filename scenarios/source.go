package scenarios

import (
	"bytes"
	"errors"
	"fmt"
	"io"
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

	about []string // what it refers to: it is not told when one of these could not be read itself
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

// parse reads the file's YAML into nodes. A file is one document: a second one would never be looked at.
func (s Source) parse() (*yaml.Node, *Problem) {
	documents := yaml.NewDecoder(bytes.NewReader(s.Text))
	var doc, second yaml.Node
	switch err := documents.Decode(&doc); {
	case errors.Is(err, io.EOF) || (err == nil && len(doc.Content) == 0):
		return nil, &Problem{Message: "the file is empty: `shakedown scenario new` writes one to start from"}
	case err != nil:
		return nil, syntaxProblem(err)
	}
	switch err := documents.Decode(&second); {
	case errors.Is(err, io.EOF):
		return doc.Content[0], nil
	case err != nil:
		return nil, syntaxProblem(err)
	}
	return nil, &Problem{Line: second.Line, Column: second.Column, Message: "a second document begins here: a file holds one"}
}

func syntaxProblem(err error) *Problem {
	p := &Problem{Message: "not valid YAML: " + strings.TrimPrefix(err.Error(), "yaml: ")}
	if i := strings.Index(err.Error(), "line "); i >= 0 {
		if n, _ := fmt.Sscanf(err.Error()[i:], "line %d", &p.Line); n == 1 {
			p.Column = 1
		}
	}
	return p
}

func keyIndex(n *yaml.Node, key string) int {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return i
		}
	}
	return -1
}
