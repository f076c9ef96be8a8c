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
