package live

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/chaos/inject"
)

// sleeper starts a process in a group of its own, marked or not, and returns what tells its end.
func sleeper(t *testing.T, mark string) (id inject.ID, ended chan error) {
	t.Helper()
	cmd := exec.Command("sleep", "60")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Env = append(os.Environ(), mark)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := inject.NewProcess(cmd)
	ended = make(chan error, 1)
	go func() { ended <- p.Wait() }()
	t.Cleanup(func() { _ = p.Kill() })
	return p.ID(), ended
}

func TestGuardKillsWhatItWasToldOfAndWhatIsMarked(t *testing.T) {
	run := newRunID()
	_, marked := sleeper(t, RunVariable+"="+run)
	told, toldEnded := sleeper(t, "X=1")
	removed, removedEnded := sleeper(t, "X=1")
	reused, reusedEnded := sleeper(t, "X=1")
	_, otherRun := sleeper(t, RunVariable+"="+newRunID())
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- Guard(run, r) }()
	g := &guardian{pipe: w}
	g.tell(guardMessage{Add: &told})
	g.tell(guardMessage{Add: &removed})
	g.tell(guardMessage{Remove: &removed})
	// The number of a child that has ended may be another process's by now: here, as another began at another time.
	reused.Start++
	g.tell(guardMessage{Add: &reused})
	if _, err := io.WriteString(w, `{"add": 12`); err != nil { // the player died in mid-word
		t.Fatal(err)
	}
	select {
	case <-toldEnded:
		t.Fatal("killed while the player lived")
	default:
	}
	w.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for name, ended := range map[string]chan error{"marked": marked, "told": toldEnded} {
		if err := <-ended; err == nil || err.Error() != "signal: killed" {
			t.Errorf("%s ended with %v", name, err)
		}
	}
	for name, ended := range map[string]chan error{"removed": removedEnded, "another run's": otherRun, "one with the number of a child": reusedEnded} {
		select {
		case err := <-ended:
			t.Errorf("%s was killed: %v", name, err)
		case <-time.After(50 * time.Millisecond): // had it been hit, it would be gone before Guard returned
		}
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	var tl tail
	if tl.String() != "" {
		t.Error("something out of nothing")
	}
	for range 5000 {
		_, _ = io.WriteString(&tl, "noise\n")
	}
	_, _ = io.WriteString(&tl, "the last \xff words\n")
	lines := strings.Split(tl.String(), "\n")
	if len(lines) != tailLines || lines[len(lines)-1] != "    the last ? words" {
		t.Errorf("%d lines, the last %q", len(lines), lines[len(lines)-1])
	}
	if len(tl.buf) > 16<<10 {
		t.Errorf("%d bytes are kept", len(tl.buf))
	}
}
