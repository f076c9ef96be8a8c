package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-8025779b/shakedown/reports"
	"github.com/seed-8025779b/shakedown/scenarios/mask"
)

// playFlags mean the same for every command that plays something.
type playFlags struct {
	out, formats string
	world        string
	set          []string
	quiet, json  bool
	noColor      bool
	metrics      string
}

func (f *playFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.out, "out", "", "folder for report and result (default shakedown-out/<name>-<time>)")
	cmd.Flags().StringVar(&f.formats, "format", "html,json,junit", "what to write: any of "+strings.Join(reports.FormatNames(false), ", "))
	complete(cmd, "format", completeList(reports.FormatNames(false)))
	cmd.Flags().StringArrayVar(&f.set, "set", nil, setHelp)
	cmd.Flags().StringVar(&f.metrics, "metrics", "", "HOST:PORT: show live figures to Prometheus there while the run goes on")
	cmd.Flags().BoolVar(&f.quiet, "quiet", false, "say nothing but errors")
	cmd.Flags().BoolVar(&f.json, "json", false, "write the result to stdout too")
	cmd.Flags().BoolVar(&f.noColor, "no-color", false, "no colours (NO_COLOR in the environment does the same)")
}

// setHelp is what every command with a scenario file says of its --set.
const setHelp = "PATH=VALUE: change a value, by any path that scenario explain prints, such as load.phases.spike.rate=2000/s, gates.1='p99 < 1s' or load.requests.\"GET /\".weight=3; may be repeated"

func (f *playFlags) parseFormats(resultOnly bool) ([]reports.Format, error) {
	formats, err := reports.FindFormats(strings.Split(f.formats, ","), resultOnly)
	if err != nil {
		return nil, fmt.Errorf("--format: %w", err)
	}
	return formats, nil
}

// environment is what differs between two equal runs.
func environment(started time.Time, secrets mask.Names) reports.Environment {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return reports.Environment{
		StartedAt: started, Host: host, OS: runtime.GOOS + "/" + runtime.GOARCH, CPUs: runtime.GOMAXPROCS(0),
		Version: version(), GoVersion: runtime.Version(), Command: "shakedown " + quoteArgs(secrets.Command(os.Args[1:])),
	}
}

func quoteArgs(args []string) string {
	quoted := make([]string, len(args))
	for i, a := range args {
		if a == "" || strings.ContainsAny(a, " \t\n\"'$&|;<>()*?[]{}\\`#~!") {
			a = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
		quoted[i] = a
	}
	return strings.Join(quoted, " ")
}

// version is the module's version as the binary was built.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}

func exitOf(v reports.Verdict) error {
	switch v {
	case reports.Passed:
		return nil
	case reports.Invalid:
		return verdictError(exitInvalid)
	case reports.Interrupted:
		return verdictError(exitInterrupted)
	}
	return verdictError(exitFailed)
}
