package inject

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrEnded is of processes that have ended. Their numbers may belong to others by now, so that nothing is sent there.
var ErrEnded = errors.New("the process has ended")

// Process is a child process and the process group that it leads.
//
// The kernel gives the number of a group to another only once its leader was reaped and the group is empty. So a signal
// is sent only while the leader was not reaped: signals and the reaping exclude each other.
type Process struct {
	cmd    *exec.Cmd
	start  uint64
	signal func(pid int, s syscall.Signal) error

	mu    sync.Mutex
	ended bool // the leader is about to be reaped, or was
}

// NewProcess takes over a command that has been started as the leader of a process group of its own (Setpgid). Nobody
// else may wait for it; Wait must be called.
func NewProcess(cmd *exec.Cmd) *Process {
	start, _ := startTime(cmd.Process.Pid) // without a /proc it stays 0, for everybody
	return &Process{cmd: cmd, start: start, signal: syscall.Kill}
}

// ID is what other processes know it by.
func (p *Process) ID() ID { return ID{p.cmd.Process.Pid, p.start} }

// Kill sends SIGKILL to the group: the process and all it started that has not left the group. It returns ErrEnded
// when the process has ended.
func (p *Process) Kill() error { return p.Signal(syscall.SIGKILL) }

// Signal sends a signal to the group. It returns ErrEnded when the process has ended.
func (p *Process) Signal(s syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return ErrEnded
	}
	if err := p.signal(-p.cmd.Process.Pid, s); err != nil {
		return fmt.Errorf("%v to process group %d: %w", s, p.cmd.Process.Pid, err)
	}
	return nil
}

// Wait waits for the end of the process, kills what it has left behind in its group, and reaps it. The error is
// exec.Cmd's.
func (p *Process) Wait() error {
	pid := p.cmd.Process.Pid
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			break // whatever else it says, the wait below says better
		}
	}
	p.mu.Lock()
	if !p.ended {
		_ = p.signal(-pid, syscall.SIGKILL) // nobody may be left
		p.ended = true
	}
	p.mu.Unlock()
	return p.cmd.Wait()
}

// ID tells a process from every other that has or had the same number.
type ID struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start,omitempty"` // when it began, in the kernel's ticks since the machine did
}

// startTime is when the process of that number began: field 22 of /proc/PID/stat (proc_pid_stat(5)).
func startTime(pid int) (uint64, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	const start = 22 - 3                                                                // counted from the field behind the name
	fields := strings.Fields(string(stat)[strings.LastIndexByte(string(stat), ')')+1:]) // the name may have blanks
	if len(fields) <= start {
		return 0, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	return strconv.ParseUint(fields[start], 10, 64)
}
