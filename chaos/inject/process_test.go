package inject

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// child starts a command in a group of its own.
func child(t *testing.T, name string, args ...string) (*Process, io.Reader) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := NewProcess(cmd)
	t.Cleanup(func() {
		_ = p.Kill()
		_ = cmd.Wait()
	})
	return p, out
}

// family starts a child with a child of its own, and returns that one's number.
func family(t *testing.T) (p *Process, grandchild int) {
	t.Helper()
	p, out := child(t, "sh", "-c", "sleep 60 & echo $!; wait")
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if grandchild, err = strconv.Atoi(strings.TrimSpace(line)); err != nil {
		t.Fatal(err)
	}
	return p, grandchild
}

// awaitEnd waits until a process that is nobody's here is dead.
func awaitEnd(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %d is still there", pid)
		}
	}
}

func killed(err error) bool { return err != nil && err.Error() == "signal: killed" }

func TestKillTakesTheWholeGroup(t *testing.T) {
	p, grandchild := family(t)
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); !killed(err) {
		t.Fatalf("ended with %v", err)
	}
	awaitEnd(t, grandchild)
}

// What a process leaves behind in its group when it ends by itself is killed too.
func TestWaitKillsWhatIsLeft(t *testing.T) {
	p, out := child(t, "sh", "-c", "sleep 60 >/dev/null & echo $!")
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	grandchild, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	awaitEnd(t, grandchild)
}

// After the end of a child a signal is refused, and nobody gets it: its number may be another's.
func TestNobodyIsSignalledAfterTheEnd(t *testing.T) {
	p, _ := child(t, "true")
	if err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	p.signal = func(pid int, s syscall.Signal) error {
		t.Errorf("%v was sent to %d", s, pid)
		return nil
	}
	if err := p.Kill(); !errors.Is(err, ErrEnded) {
		t.Errorf("kill: %v", err)
	}
	if err := p.Signal(syscall.SIGTERM); !errors.Is(err, ErrEnded) {
		t.Errorf("terminate: %v", err)
	}
	if _, err := Hold(p.ID()); !errors.Is(err, ErrEnded) {
		t.Errorf("hold: %v", err)
	}
}

// Whoever kills while a child ends by itself meets the child or nobody: the number is still the child's, or the signal
// is refused.
func TestSignalsAndReapingExcludeEachOther(t *testing.T) {
	for range 30 {
		p, _ := child(t, "true")
		p.signal = func(pid int, s syscall.Signal) error {
			if start, err := startTime(-pid); err != nil || start != p.start {
				t.Errorf("a signal was sent when the child was reaped: %v", err)
			}
			return nil
		}
		var killers sync.WaitGroup
		for range 2 {
			killers.Go(func() {
				for p.Kill() == nil {
				}
			})
		}
		_ = p.Wait()
		killers.Wait()
	}
}

// A process that is held is told from others by its begin, and is killed with its group.
func TestHeld(t *testing.T) {
	p, grandchild := family(t)
	wrong := p.ID()
	wrong.Start++
	if _, err := Hold(wrong); !errors.Is(err, ErrEnded) {
		t.Errorf("another's number was held: %v", err)
	}
	for _, pid := range []int{0, 1, -5} {
		if _, err := Hold(ID{PID: pid}); err == nil {
			t.Errorf("%d was held", pid)
		}
	}
	h, err := Hold(p.ID())
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if err := h.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); !killed(err) {
		t.Errorf("ended with %v", err)
	}
	awaitEnd(t, grandchild)
	if err := h.Kill(); err != nil {
		t.Errorf("a group that is gone: %v", err)
	}
}

// Where the kernel has no descriptors of processes the begin alone decides.
func TestHeldByNumber(t *testing.T) {
	p, _ := child(t, "sleep", "60")
	other := Held{ID{p.ID().PID, p.start + 1}, -1}
	if err := other.Kill(); err != nil {
		t.Error(err)
	}
	if KillIf(p.ID().PID, func() bool { return false }) {
		t.Error("one that was not meant was killed")
	}
	same := Held{p.ID(), -1}
	if !same.is() {
		t.Fatal("the child is gone")
	}
	if err := same.Kill(); err != nil {
		t.Error(err)
	}
	if err := p.Wait(); !killed(err) {
		t.Errorf("ended with %v", err)
	}
}
