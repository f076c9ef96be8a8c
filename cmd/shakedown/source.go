package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed-8025779b/shakedown/scenarios"
	"github.com/seed-8025779b/shakedown/scenarios/library"
)

// fromStdin is the name under which a scenario is read from standard input.
const fromStdin = "-"

// scenarioArgument is what the help of commands says of their SCENARIO.
const scenarioArgument = `SCENARIO is a file, - for standard input, or a name from the library. A file of that name is taken before the library's
scenario, the library's scenario before a folder of that name. Files that a scenario names lie relative to its own
folder; of standard input, to the current one.`

// opener finds scenarios by what the command line calls them.
type opener struct {
	stdin io.Reader
	say   func(string) // hears which one was taken where the name has two meanings
}

func newOpener(cmd *cobra.Command, quiet bool) opener {
	say := func(s string) { fmt.Fprintln(os.Stderr, s) }
	if quiet {
		say = func(string) {}
	}
	return opener{cmd.InOrStdin(), say}
}

// load reads and checks a scenario.
func (o opener) load(name string, set []string) (*scenarios.Decoded, error) {
	src, err := o.source(name)
	if err != nil {
		return nil, err
	}
	overrides, err := parseOverrides(set)
	if err != nil {
		return nil, err
	}
	d, err := scenarios.Decode(src, overrides...)
	if err != nil {
		return nil, fmt.Errorf("the scenario has mistakes; nothing was started\n%w", err)
	}
	return d, nil
}

func parseOverrides(set []string) (overrides []scenarios.Override, err error) {
	for _, s := range set {
		o, err := scenarios.ParseOverride(s)
		if err != nil {
			return nil, err
		}
		overrides = append(overrides, o)
	}
	return overrides, nil
}

// source reads a scenario's text.
func (o opener) source(name string) (scenarios.Source, error) {
	if name == fromStdin {
		return readStdin(o.stdin)
	}
	text, inLibrary := library.Text(name)
	fromLibrary := scenarios.Source{Name: "library:" + name, Text: text}
	info, err := os.Stat(name)
	switch {
	case os.IsNotExist(err) && inLibrary != nil:
		return scenarios.Source{}, fmt.Errorf("there is no file %s, and in the library %w", name, inLibrary)
	case os.IsNotExist(err):
		return fromLibrary, nil
	case err != nil:
		return scenarios.Source{}, fmt.Errorf("scenario: %w", err)
	case info.IsDir() && inLibrary != nil:
		return scenarios.Source{}, fmt.Errorf("scenario: %s is a folder", name)
	case info.IsDir():
		o.say(fmt.Sprintf("%s is the library's scenario; the folder of that name has no part in it", name))
		return fromLibrary, nil
	case inLibrary == nil:
		o.say(fmt.Sprintf("%s is the file of that name, not the library's scenario", name))
	}
	if text, err = os.ReadFile(name); err != nil {
		return scenarios.Source{}, fmt.Errorf("scenario: %w", err)
	}
	return scenarios.Source{Name: name, Text: text, Dir: filepath.Dir(name)}, nil
}

func readStdin(r io.Reader) (scenarios.Source, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return scenarios.Source{}, fmt.Errorf("standard input: %w", err)
	}
	return scenarios.Source{Name: "stdin", Text: text}, nil
}

// completeScenarios completes scenarios: names from the library, and YAML files.
func completeScenarios(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	var found []string
	for _, name := range library.Names() {
		if strings.HasPrefix(name, typed) {
			found = append(found, name)
		}
	}
	for _, ending := range []string{"*.yaml", "*.yml"} {
		files, err := filepath.Glob(typed + ending)
		if err == nil { // what is typed so far may be no pattern
			found = append(found, files...)
		}
	}
	return found, cobra.ShellCompDirectiveDefault // folders, when nothing of these fits
}

// completeWords completes one of some words.
func completeWords(words ...string) cobra.CompletionFunc {
	return cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)
}

// completeList completes the last word of a list with commas.
func completeList(words []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, typed string) (found []string, _ cobra.ShellCompDirective) {
		before := typed[:strings.LastIndexByte(typed, ',')+1]
		for _, w := range words {
			if !strings.Contains(","+before, ","+w+",") {
				found = append(found, before+w)
			}
		}
		return found, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
}

// complete sets what a flag's value is completed by.
func complete(cmd *cobra.Command, flag string, by cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, by); err != nil {
		panic(err) // the flag is not there: a mistake in the command
	}
}
