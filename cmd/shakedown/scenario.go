package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed-8025779b/shakedown/scenarios"
	"github.com/seed-8025779b/shakedown/scenarios/library"
)

func scenarioCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "scenario",
		Short: "list, show, write, check and explain scenarios",
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
			RunE: func(*cobra.Command, []string) error {
				for _, name := range library.Names() {
					d, err := load(name, nil)
					if err != nil {
						return err
					}
					fmt.Printf("%-16s %6s  %s\n", name, d.Length(), d.About)
				}
				return nil
			},
		},
		&cobra.Command{
			Use: "show NAME", Short: "print a scenario of the library", Args: cobra.ExactArgs(1), Example: "  shakedown scenario show first-run",
			RunE: func(_ *cobra.Command, args []string) error {
				text, err := library.Text(args[0])
				if err != nil {
					return err
				}
				_, err = os.Stdout.Write(text)
				return err
			},
		},
		&cobra.Command{
			Use: "new FILE", Short: "write a scenario to start from", Args: cobra.ExactArgs(1), Example: "  shakedown scenario new launch-day.yaml",
			RunE: func(_ *cobra.Command, args []string) error { return newScenario(args[0]) },
		},
		&cobra.Command{
			Use: "check FILE…", Short: "check scenarios without starting anything", Args: cobra.MinimumNArgs(1),
			Example: "  shakedown scenario check launch-day.yaml",
			RunE:    func(_ *cobra.Command, args []string) error { return checkScenarios(args) },
		},
		explainCommand(),
	)
	return cmd
}

// newScenario writes the library's first scenario under a new name; it never overwrites a file.
func newScenario(path string) error {
	text, err := library.Text(library.First)
	if err != nil {
		return err
	}
	// The starter takes its name from its file.
	starter := strings.Replace(string(text), "name: "+library.First+"\n", "", 1)
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

func checkScenarios(names []string) error {
	var bad int
	for _, name := range names {
		if _, err := load(name, nil); err != nil {
			fmt.Fprintln(os.Stderr, err)
			bad++
			continue
		}
		fmt.Printf("%s: ok\n", name)
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
		Example: "  shakedown scenario explain first-run --set faults.slow.delay=300ms",
		RunE: func(_ *cobra.Command, args []string) error {
			d, err := load(args[0], set)
			if err != nil {
				return err
			}
			return scenarios.Explain(os.Stdout, d)
		},
	}
	cmd.Flags().StringArrayVar(&set, "set", nil, "PATH=VALUE: change a value of the scenario")
	return cmd
}
