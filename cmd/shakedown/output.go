package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/seed-8025779b/shakedown/reports"
	"github.com/seed-8025779b/shakedown/scenarios"
)

// output is a run's folder. What it created is taken away again when there is nothing to report.
type output struct {
	dir     string
	created []string        // folders, deepest last
	before  map[string]bool // what stood in the folder already
	latest  string          // path of the link to the last run's folder; empty for a folder that was asked for by name
}

// outputRoot is where runs go that are given no folder.
const outputRoot = "shakedown-out"

// openOutput makes the folder and checks that files can be written into it, before anything is started.
func openOutput(dir, name string) (*output, error) {
	latest := ""
	if dir == "" {
		latest = filepath.Join(outputRoot, "latest")
		dir = filepath.Join(outputRoot, name+"-"+time.Now().Format("20060102-150405"))
		for base, i := dir, 2; exists(dir); i++ { // two runs in one second
			dir = fmt.Sprintf("%s-%d", base, i)
		}
	}
	o := &output{dir: dir, latest: latest}
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

// holdsRun reports whether an older run stands in the folder.
func (o *output) holdsRun() bool { return o.before["result.json"] || o.before["report.html"] }

// link makes shakedown-out/latest point to this run. Where links can't be made, or something else has that name,
// there is none.
func (o *output) link() {
	if o.latest == "" {
		return
	}
	if info, err := os.Lstat(o.latest); err == nil && info.Mode()&os.ModeSymlink == 0 {
		return
	}
	fresh := o.latest + "-" + filepath.Base(o.dir)
	if os.Symlink(filepath.Base(o.dir), fresh) != nil {
		return
	}
	if os.Rename(fresh, o.latest) != nil {
		_ = os.Remove(fresh) // it is ours
	}
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
	o.link()
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
