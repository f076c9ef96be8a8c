// Command shakedown rehearses a load-balanced system before launch.
package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/seed-8025779b/shakedown/scenarios"
	"github.com/seed-8025779b/shakedown/scenarios/mask"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// The exit codes.
const (
	exitPassed      = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInvalid     = 3
	exitCannotRun   = 5
	exitInterrupted = 130
)

func main() { os.Exit(run()) }

func run() int {
	maskTitle()
	root := newRoot()
	out := &stdout{w: os.Stdout}
	root.SetOut(out)
	addCompletion(root)
	catchBrokenPipe()
	cmd, _, err := root.Find(os.Args[1:])
	reloads := err == nil && cmd.Annotations[onHangup] != ""
	ctx, stop := withSignals(reloads)
	defer stop()
	err = root.ExecuteContext(ctx)
	var verdict verdictError
	if out.err != nil {
		if told := out.tell(err); told != "" {
			fmt.Fprintln(os.Stderr, "shakedown:", mask.URLs(told))
		}
		return exitCannotRun
	}
	switch {
	case err == nil:
		return exitPassed
	case errors.As(err, &verdict):
		return int(verdict)
	}
	fmt.Fprintln(os.Stderr, "shakedown:", mask.URLs(err.Error()))
	if errors.Is(err, scenarios.ErrCannotRun) {
		return exitCannotRun
	}
	return exitUsage
}

// verdictError is an exit code that needs no further message.
type verdictError int

func (v verdictError) Error() string { return fmt.Sprintf("exit code %d", int(v)) }

// onHangup is the annotation of commands that take SIGHUP for something else than an interrupt.
const onHangup = "on-hangup"

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "shakedown",
		Short: "rehearse a load-balanced system before launch",
		Long: `shakedown rehearses a load-balanced system before launch: it starts a reference balancer and
sample backends (or takes your own), drives ramp, spike and sustained load, kills and slows what
is running, scales out, and says in one HTML report and one exit code whether the system held.`,
		Example: `  shakedown run                                   # the first rehearsal, in 34 seconds
  shakedown run launch-day.yaml                   # your own scenario
  shakedown run first-run --world sim             # the same, in virtual time
  shakedown attack http://127.0.0.1:8080 --rate 200/s --for 30s`,
		SilenceUsage: true, SilenceErrors: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return fmt.Errorf("unknown command %q%s: `shakedown --help` lists the commands", args[0], spec.Suggest(args[0], commandNames(cmd)))
		},
		RunE: func(cmd *cobra.Command, args []string) error { return cmd.Help() },
	}
	root.PersistentPreRunE = refuseNegative
	root.Version = version()
	root.SetVersionTemplate(versionLine() + "\n")
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(runCommand(), attackCommand(), balanceCommand(), backendCommand(), reportCommand(), scenarioCommand(), versionCommand(), guardianCommand())
	return root
}

// addCompletion adds cobra's command, which takes the output that the root has by now; alone it would take any argument and
// print its help.
func addCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			c.Args, c.RunE = subcommandOnly, func(*cobra.Command, []string) error { return nil }
		}
	}
}

func commandNames(cmd *cobra.Command) (names []string) {
	for _, c := range cmd.Commands() {
		if !c.Hidden {
			names = append(names, c.Name())
		}
	}
	return names
}

// flagError adds the nearest flag to the message: cobra suggests commands only.
func flagError(cmd *cobra.Command, err error) error {
	var known []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
	var missing *pflag.NotExistError
	if errors.As(err, &missing) {
		return fmt.Errorf("%w%s: see `%s --help`", err, spec.Suggest(missing.GetSpecifiedName(), known), cmd.CommandPath())
	}
	var number *strconv.NumError
	if errors.As(err, &number) { // strconv names its own function
		return fmt.Errorf("%s%w: see `%s --help`", strings.TrimSuffix(err.Error(), number.Error()), number.Err, cmd.CommandPath())
	}
	return fmt.Errorf("%w: see `%s --help`", err, cmd.CommandPath())
}

// refuseNegative refuses durations below 0, which mean nothing anywhere.
func refuseNegative(cmd *cobra.Command, _ []string) (err error) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if f.Value.Type() == "duration" && strings.HasPrefix(f.Value.String(), "-") && err == nil {
			err = fmt.Errorf("--%s %s: a duration is not negative: see `%s --help`", f.Name, f.Value, cmd.CommandPath())
		}
	})
	return err
}

// subcommandOnly is the Args of a command that only groups others.
func subcommandOnly(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("%s needs one of its commands: %v", cmd.CommandPath(), commandNames(cmd))
	}
	return fmt.Errorf("unknown command %q for %s%s", args[0], cmd.CommandPath(), spec.Suggest(args[0], commandNames(cmd)))
}
