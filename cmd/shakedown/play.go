package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-8025779b/shakedown/reports"
	"github.com/seed-8025779b/shakedown/scenarios"
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

// setHelp is what every command says of its --set.
const setHelp = "PATH=VALUE: change a value, by any path that scenario explain prints, such as load.phases.spike.rate=2000/s, gates.1='p99 < 1s' or load.requests.\"GET /\".weight=3; may be repeated"

func (f *playFlags) parseFormats(resultOnly bool) ([]reports.Format, error) {
	formats, err := reports.FindFormats(strings.Split(f.formats, ","), resultOnly)
	if err != nil {
		return nil, fmt.Errorf("--format: %w", err)
	}
	return formats, nil
}

// output is a run's folder. What it created is taken away again when there is nothing to report.
type output struct {
	dir     string
	created []string        // folders, deepest last
	before  map[string]bool // what stood in the folder already
}

// openOutput makes the folder and checks that files can be written into it, before anything is started.
func openOutput(dir, name string) (*output, error) {
	if dir == "" {
		dir = filepath.Join("shakedown-out", name+"-"+time.Now().Format("20060102-150405"))
		for base, i := dir, 2; exists(dir); i++ { // two runs in one second
			dir = fmt.Sprintf("%s-%d", base, i)
		}
	}
	o := &output{dir: dir}
	for d := filepath.Clean(dir); !exists(d) && d != filepath.Dir(d); d = filepath.Dir(d) {
		o.created = append([]string{d}, o.created...)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		o.discard()
		return nil, fmt.Errorf("output folder: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		o.discard()
		return nil, fmt.Errorf("output folder: %w", err)
	}
	o.before = map[string]bool{}
	for _, e := range entries {
		o.before[e.Name()] = true
	}
	probe, err := os.CreateTemp(dir, ".write-*")
	if err != nil {
		o.discard()
		return nil, fmt.Errorf("output folder %s can't be written: %w", dir, err)
	}
	probe.Close()
	if err := os.Remove(probe.Name()); err != nil {
		o.discard()
		return nil, fmt.Errorf("output folder: %w", err)
	}
	return o, nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// discard removes what openOutput created, and the logs of what did not start. What stood before stays.
func (o *output) discard() {
	if len(o.created) == 0 && o.before != nil {
		logs, _ := filepath.Glob(filepath.Join(o.dir, "*.log")) // the pattern is correct
		for _, log := range logs {
			if !o.before[filepath.Base(log)] {
				_ = os.Remove(log) // it is clutter, not harm
			}
		}
	}
	for i := len(o.created) - 1; i >= 0; i-- {
		if i == len(o.created)-1 {
			_ = os.RemoveAll(o.created[i]) // our own folder, with the logs of what did not start
		} else {
			_ = os.Remove(o.created[i]) // only when empty: another run may have come in
		}
	}
}

// write writes the result's files, and adds to them those that were written while the run went on. It returns the
// paths of what is there and whole, and what went wrong with the rest, joined.
func (o *output) write(r *reports.Result, formats []reports.Format, s *streams) ([]string, error) {
	streamed, streamErr := s.close() // first: what waits to be written has its place on the disk already
	paths, err := reports.WriteFiles(o.dir, r, formats)
	return append(paths, streamed...), errors.Join(err, streamErr)
}

// finish writes what was asked for and says what the run came to, which a full disk does not prevent. An output
// that is missing makes it exit with 5 whatever the verdict: whoever waits for the file would be misled.
func (o *output) finish(stdout io.Writer, r *reports.Result, formats []reports.Format, s *streams, u *ui, toStdout bool) error {
	paths, err := o.write(r, formats, s)
	u.summary(r, paths)
	if toStdout {
		if wrong := reports.WriteJSON(stdout, r); wrong != nil && !errors.Is(wrong, syscall.EPIPE) { // nobody reads it: main knows
			err = errors.Join(err, fmt.Errorf("standard output: %w", wrong))
		}
	}
	if err != nil {
		return fmt.Errorf("%w: not every output could be written; the verdict is %s: %w", scenarios.ErrCannotRun, r.Verdict, err)
	}
	return exitOf(r.Verdict)
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
