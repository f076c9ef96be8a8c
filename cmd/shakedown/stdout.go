package main

import (
	"errors"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// stdout is standard output that remembers its first error, so that no command has to look after each line. Nothing is
// written after an error.
type stdout struct {
	w   io.Writer
	err error
}

func (s *stdout) Write(p []byte) (n int, err error) {
	if s.err != nil {
		return 0, s.err
	}
	n, s.err = s.w.Write(p)
	return n, s.err
}

// tell is what to say when standard output could not be written and the command ended with that or another error, or with
// none. A reader that has gone away, such as head, knows why; only what went wrong besides is told then.
func (s *stdout) tell(ended error) string {
	var verdict verdictError
	var lines []string
	closed := errors.Is(s.err, syscall.EPIPE)
	if ended != nil && !errors.As(ended, &verdict) && !(closed && errors.Is(ended, s.err)) {
		lines = append(lines, ended.Error())
	}
	if !closed && !errors.Is(ended, s.err) {
		lines = append(lines, "standard output could not be written: "+s.err.Error())
	}
	return strings.Join(lines, "\n")
}

// catchBrokenPipe makes writing to a closed pipe an error instead of the end of the process: a run must revert what it
// did. The signal is caught rather than ignored because children would inherit that it is ignored.
func catchBrokenPipe() {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
}
