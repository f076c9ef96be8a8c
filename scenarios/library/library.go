// Package library holds the scenarios that come with the binary.
package library

import (
	"embed"
	"fmt"
	"path"
	"sort"
	"strings"

	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

//go:embed *.yaml
var files embed.FS

// First is the scenario that `run` plays when it is given none.
const First = "first-run"

// Names lists the scenarios.
func Names() []string {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic("library: " + err.Error()) // the folder is compiled in
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), path.Ext(e.Name())))
	}
	sort.Strings(names)
	return names
}

// Text returns a scenario's file.
func Text(name string) ([]byte, error) {
	b, err := files.ReadFile(name + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("no scenario is called %q%s: there are %s", name, spec.Suggest(name, Names()), strings.Join(Names(), ", "))
	}
	return b, nil
}
