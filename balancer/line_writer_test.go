package balancer

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Writing to a pipe that nobody reads never waits; what there is no room for is counted, and nothing else is lost.
func TestLinesToAPipeThatNobodyReads(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	l := NewLineWriter(write)
	text := strings.Repeat("x", 1000)
	const n = 4000 // 4 MB
	for i := range n {
		fmt.Fprintln(l, i, text)
	}
	dropped := l.Dropped()
	if dropped == 0 || dropped > n-maxPending/1100 {
		t.Errorf("%d of %d lines were dropped", dropped, n)
	}
	arrived := make(chan uint64)
	go func() {
		lines, count := bufio.NewScanner(read), uint64(0)
		for lines.Scan() {
			if !strings.HasSuffix(lines.Text(), " "+text) {
				t.Errorf("not a line of ours: %.40q…", lines.Text())
			}
			count++
		}
		arrived <- count
	}()
	if again := l.Close(20 * time.Second); again != dropped {
		t.Errorf("%d more were dropped when it could be written again", again-dropped)
	}
	write.Close()
	if got := <-arrived; got+dropped != n {
		t.Errorf("%d arrived and %d were dropped, of %d", got, dropped, n)
	}
}

// Whoever closes them waits no longer than was said, and what did not get out is counted.
func TestLinesThatCannotBeWritten(t *testing.T) {
	read, write := io.Pipe()
	l := NewLineWriter(write)
	fmt.Fprintln(l, "a")
	await(t, "the write to begin", func() bool { l.mu.Lock(); defer l.mu.Unlock(); return l.writing == 1 })
	fmt.Fprintln(l, "b")
	if got := l.Close(time.Millisecond); got != 2 {
		t.Errorf("%d lines were dropped", got)
	}
	fmt.Fprintln(l, "c")
	if got := l.Dropped(); got != 3 {
		t.Errorf("%d lines were dropped in the end", got)
	}
	read.Close()
	<-l.ended

	l = NewLineWriter(failing{})
	fmt.Fprint(l, "a\nb\n")
	if got := l.Close(20 * time.Second); got != 1 { // the first was written
		t.Errorf("%d lines were dropped after an error", got)
	}
}

// failing writes one line and fails.
type failing struct{}

func (failing) Write([]byte) (int, error) { return len("a\n"), errors.New("full") }

// A file that was renamed is opened again under its name; the lines before and after are whole.
func TestLinesAreOpenedAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	l, err := OpenLineWriter(func() (io.WriteCloser, error) { return os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600) })
	if err != nil {
		t.Fatal(err)
	}
	holds := func(file, want string) func() bool {
		return func() bool { b, _ := os.ReadFile(file); return string(b) == want }
	}
	fmt.Fprintln(l, "one")
	await(t, "the first line", holds(file, "one\n"))
	if err := os.Rename(file, file+".1"); err != nil {
		t.Fatal(err)
	}
	l.Reopen()
	fmt.Fprintln(l, "two")
	await(t, "the second line", holds(file, "two\n"))
	if !holds(file+".1", "one\n")() || l.Close(20*time.Second) != 0 {
		t.Error("the old file has changed, or lines were dropped")
	}
	if _, err := OpenLineWriter(func() (io.WriteCloser, error) { return nil, os.ErrPermission }); !errors.Is(err, os.ErrPermission) {
		t.Error(err)
	}
}
