package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-8025779b/shakedown/scenarios"
	"github.com/seed-8025779b/shakedown/scenarios/expose"
	"github.com/seed-8025779b/shakedown/scenarios/library"
	"github.com/seed-8025779b/shakedown/scenarios/mask"
)

func runCommand() *cobra.Command {
	var f playFlags
	var seed int64
	cmd := &cobra.Command{
		Use:   "run [SCENARIO]",
		Short: "play one scenario and judge it",
		Long: `Plays one scenario and writes a report. Without one it plays the library's first-run.

` + scenarioArgument,
		Example: `  shakedown run
  shakedown run launch-day.yaml --out results/today
  shakedown run first-run --world sim --seed 7
  generate-scenario | shakedown run -
  shakedown run launch-day.yaml --set load.phases.spike.rate=2000/s --set topology.groups.web.strategy=p2c`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeScenarios,
		RunE: func(cmd *cobra.Command, args []string) error {
			name := library.First
			if len(args) > 0 {
				name = args[0]
			}
			if cmd.Flags().Changed("seed") {
				f.set = append(f.set, fmt.Sprintf("seed=%d", seed))
			}
			d, err := newOpener(cmd, f.quiet).load(name, f.set)
			if err != nil {
				return err
			}
			return play(cmd.Context(), cmd.OutOrStdout(), d, &f)
		},
	}
	f.register(cmd)
	cmd.Flags().StringVar(&f.world, "world", "live", "where to play: live (real sockets and processes) or sim (virtual time)")
	complete(cmd, "world", completeWords("live", "sim"))
	cmd.Flags().Int64Var(&seed, "seed", 0, "seed of every random draw (default: the scenario's)")
	return cmd
}

// playGC makes the collector run sooner than by default. Offering requests does not allocate; what does, opening
// windows and writing reports, would double the peak of memory for nothing.
const playGC = 50

// play plays a scenario, writes its reports and returns the verdict as an exit code.
func play(ctx context.Context, stdout io.Writer, d *scenarios.Decoded, f *playFlags) error {
	if f.world != "live" && f.world != "sim" {
		return fmt.Errorf("--world %s: there are live and sim", f.world)
	}
	formats, err := f.parseFormats(false)
	if err != nil {
		return err
	}
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("%w: %w", scenarios.ErrCannotRun, err)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(playGC)
	}
	opts := scenarios.Options{World: f.world, Exe: exe}
	ui := newUI(os.Stderr, f.quiet, f.noColor)
	opts.Progress, opts.Say, opts.Announce = ui.progress, ui.say, ui.announce
	if f.metrics != "" {
		if err := checkAddress("metrics", f.metrics); err != nil {
			return err
		}
		metrics, err := expose.Listen(f.metrics)
		if err != nil {
			return fmt.Errorf("%w: %w", scenarios.ErrCannotRun, err)
		}
		defer metrics.Close()
		opts.Expose = metrics.Set
		ui.say("metrics at http://" + metrics.Address + "/metrics")
	}
	out, err := openOutput(f.out, d.Name)
	if err != nil {
		return fmt.Errorf("%w: %w", scenarios.ErrCannotRun, err)
	}
	if out.holdsRun() {
		ui.say(fmt.Sprintf("%s holds an older run: files of the same names are replaced", out.dir))
	}
	opts.Dir = out.dir
	describe, err := d.Describe()
	if err != nil {
		out.discard()
		return err
	}
	started := time.Now()
	streams, err := out.openStreams(formats, describe, f.world, started)
	if err != nil {
		out.discard()
		return fmt.Errorf("%w: %w", scenarios.ErrCannotRun, err)
	}
	opts.Samples, opts.Began = streams.sink(), streams.began
	ui.begin(d.Scenario, f.world)
	stopHint := context.AfterFunc(ctx, func() {
		ui.say("stopping: faults are reverted and the report is written; interrupt again to leave at once")
	})
	result, err := scenarios.Play(ctx, d.Scenario, opts)
	stopHint()
	ui.endStatus()
	if err != nil {
		streams.discard()
		out.discard()
		if ctx.Err() != nil {
			ui.say("interrupted before the load began: there is nothing to report")
			return verdictError(exitInterrupted)
		}
		return err
	}
	result.Environment = environment(started, mask.New(d.Mask))
	return out.finish(stdout, result, formats, streams, ui, f.json)
}
