package live

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/seed-8025779b/shakedown/chaos/inject"
)

// RunVariable marks every process of a run in its environment, which children inherit: so the guardian
// finds those too that left their process group.
const RunVariable = "SHAKEDOWN_RUN"

// Guard is the guardian's whole life: it reads process groups from the player's pipe, and when that
// closes, whatever closed it, it kills them and every process that carries the run's mark.
func Guard(run string, pipe io.Reader) error {
	// The player's terminal and its signals are not for us: we must outlive it by a moment.
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	groups := map[inject.ID]*inject.Held{}
	lines := bufio.NewScanner(pipe)
	for lines.Scan() {
		var m guardMessage
		if json.Unmarshal(lines.Bytes(), &m) != nil {
			continue // half a line: the player died while it wrote
		}
		if m.Add != nil {
			// One that has ended already has nobody in its group: the player kills what is left before it reaps.
			if h, err := inject.Hold(*m.Add); err == nil {
				groups[*m.Add] = h
			}
		}
		if m.Remove != nil && groups[*m.Remove] != nil {
			groups[*m.Remove].Close()
			delete(groups, *m.Remove)
		}
	}
	var firstErr error
	for _, h := range groups {
		if err := h.Kill(); err != nil && firstErr == nil {
			firstErr = err
		}
		h.Close()
	}
	if err := sweep(run); err != nil && firstErr == nil {
		firstErr = err
	}
	return firstErr
}

type guardMessage struct {
	Add    *inject.ID `json:"add,omitempty"`
	Remove *inject.ID `json:"remove,omitempty"`
}

// sweepFor bounds the sweep: a process that forks faster than it is killed must not keep us for ever.
const sweepFor = 2 * time.Second

// sweep kills the processes that carry the run's mark until a look finds none.
func sweep(run string) error {
	deadline := time.Now().Add(sweepFor)
	for {
		pids, err := marked(run)
		if err != nil || len(pids) == 0 {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d processes of the run are still there: %v", len(pids), pids)
		}
		for _, pid := range pids { // one that is gone already is not seen at the next look
			inject.KillIf(pid, func() bool { return isMarked(fmt.Sprintf("/proc/%d", pid), run) })
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// marked lists the processes whose environment carries the run's mark. Without a /proc there are none to
// be found: then the process groups have to do.
func marked(run string) ([]int, error) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, dir := range dirs {
		if isMarked(dir, run) {
			pid, _ := strconv.Atoi(filepath.Base(dir)) // the pattern admits digits only
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// isMarked reports whether the process of that directory in /proc carries the run's mark.
func isMarked(dir, run string) bool {
	env, err := os.ReadFile(filepath.Join(dir, "environ"))
	if err != nil {
		return false // gone, or another user's
	}
	return slices.Contains(strings.Split(string(env), "\x00"), RunVariable+"="+run)
}

// guardian is the player's end.
type guardian struct {
	cmd  *exec.Cmd
	pipe io.WriteCloser
	gone chan struct{} // closed when the process has ended
	err  error
}

func startGuardian(exe, run string) (*guardian, error) {
	cmd := exec.Command(exe, "guardian", "--run", run)
	cmd.Args[0] = programName
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // neither the terminal nor a kill of our group may reach it
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("guardian: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("guardian: %w", err)
	}
	g := &guardian{cmd: cmd, pipe: pipe, gone: make(chan struct{})}
	go func() {
		g.err = cmd.Wait()
		close(g.gone)
	}()
	return g, nil
}

func (g *guardian) tell(m guardMessage) {
	b, err := json.Marshal(m)
	if err == nil {
		_, err = g.pipe.Write(append(b, '\n'))
	}
	_ = err // a guardian that died is seen by its end, and replaced by one that is told everything
}

// dismiss lets the guardian do its last round and waits for it.
func (g *guardian) dismiss() error {
	g.pipe.Close()
	select {
	case <-g.gone:
		return g.err
	case <-time.After(sweepFor + time.Second):
		_ = g.cmd.Process.Kill()
		<-g.gone
		return fmt.Errorf("guardian did not end")
	}
}
