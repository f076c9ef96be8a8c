package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed-8025779b/shakedown/scenarios"
	"github.com/seed-8025779b/shakedown/scenarios/library"
)

func scenarioCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "scenario",
		Short: "list, show, write, check and explain scenarios; what can stand in them",
		Example: `  shakedown scenario list
  shakedown scenario new launch-day.yaml
  shakedown scenario check launch-day.yaml
  shakedown scenario explain launch-day.yaml --set load.phases.spike.rate=2000/s`,
		Args: subcommandOnly,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		&cobra.Command{
			Use: "list", Short: "list the library's scenarios", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return listScenarios(cmd.OutOrStdout()) },
		},
		&cobra.Command{
			Use: "show NAME", Short: "print a scenario of the library", Args: cobra.ExactArgs(1), Example: "  shakedown scenario show first-run",
			ValidArgsFunction: completeWords(library.Names()...),
			RunE: func(cmd *cobra.Command, args []string) error {
				text, err := library.Text(args[0])
				if err != nil {
					return err
				}
				_, err = cmd.OutOrStdout().Write(text)
				return err
			},
		},
		&cobra.Command{
			Use: "new FILE", Short: "write a scenario to start from; - writes to standard output", Args: cobra.ExactArgs(1), Example: "  shakedown scenario new launch-day.yaml",
			RunE: func(cmd *cobra.Command, args []string) error { return newScenario(cmd.OutOrStdout(), args[0]) },
		},
		&cobra.Command{
			Use: "check SCENARIO…", Short: "check scenarios without starting anything", Args: cobra.MinimumNArgs(1),
			Long:              "Checks scenarios without starting anything, and tells every mistake of each. A warning tells what a correct\nscenario cannot show, such as a strategy by client address whose requests all come from one.\n\n" + scenarioArgument,
			Example:           "  shakedown scenario check launch-day.yaml\n  generate-scenario | shakedown scenario check -",
			ValidArgsFunction: completeScenarios,
			RunE:              func(cmd *cobra.Command, args []string) error { return checkScenarios(cmd, args) },
		},
		explainCommand(),
		kindsCommand(),
	)
	return cmd
}

// newScenario writes the library's first scenario under a new name; it never overwrites a file.
func newScenario(out io.Writer, path string) error {
	text, err := library.Text(library.First)
	if err != nil {
		return err
	}
	// The starter takes its name from its file.
	starter := strings.Replace(string(text), "name: "+library.First+"\n", "", 1)
	if path == "-" {
		_, err := io.WriteString(out, starter)
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("scenario new: %w", err)
	}
	if _, err := f.WriteString(starter); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "wrote %s: play it with `shakedown run %s`\n", path, path)
	return nil
}

func checkScenarios(cmd *cobra.Command, names []string) error {
	var bad int
	from := newOpener(cmd, false)
	for _, name := range names {
		d, err := from.load(name, nil)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			bad++
			continue
		}
		for _, text := range scenarios.Warnings(d.Scenario) {
			fmt.Fprintf(os.Stderr, "%s: warning: %s\n", name, text)
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s: ok\n", name)
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d scenarios have mistakes", bad, len(names))
	}
	return nil
}

func explainCommand() *cobra.Command {
	var set []string
	cmd := &cobra.Command{
		Use: "explain SCENARIO", Short: "print the resolved plan, the timeline, and where each value came from", Args: cobra.ExactArgs(1),
		Long:              "Prints the resolved plan, the timeline, and where each value came from. Every path can be given to --set.\n\n" + scenarioArgument,
		Example:           "  shakedown scenario explain first-run --set faults.slow.delay=300ms",
		ValidArgsFunction: completeScenarios,
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := newOpener(cmd, false).load(args[0], set)
			if err != nil {
				return err
			}
			return scenarios.Explain(cmd.OutOrStdout(), d)
		},
	}
	cmd.Flags().StringArrayVar(&set, "set", nil, setHelp)
	return cmd
}

func kindsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "kinds [NAME]", Short: "print every kind, block and parameter that a scenario can name", Args: cobra.MaximumNArgs(1),
		Long: `Prints all that can stand in a scenario: its blocks, rules, strategies, service times, health checks, rate shapes, faults,
selectors, scaling policies, timings and gate metrics, each with its parameters: type and range, default, and what it does.
With NAME, a section, a kind or block, or a parameter alone.`,
		Example: `  shakedown scenario kinds
  shakedown scenario kinds ring_hash
  shakedown scenario kinds "rate shapes"`,
		ValidArgsFunction: completeWords(scenarios.ReferenceNames()...),
		RunE: func(cmd *cobra.Command, args []string) error {
			sections := scenarios.Reference()
			if len(args) > 0 {
				var err error
				if sections, err = scenarios.FindReference(args[0]); err != nil {
					return err
				}
			}
			return scenarios.WriteReference(cmd.OutOrStdout(), sections)
		},
	}
}

func listScenarios(w io.Writer) error {
	for _, name := range library.Names() {
		text, err := library.Text(name)
		if err != nil {
			return err
		}
		d, err := scenarios.Decode(scenarios.Source{Name: "library:" + name, Text: text})
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%-16s %6s  %s\n", name, d.Length(), d.About)
	}
	return nil
}
