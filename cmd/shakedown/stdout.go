package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
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

// tell says on stderr what could not be written. A reader that has gone away, such as head, knows why.
func (s *stdout) tell() {
	if !errors.Is(s.err, syscall.EPIPE) {
		fmt.Fprintln(os.Stderr, "shakedown: standard output could not be written:", s.err)
	}
}

// catchBrokenPipe makes writing to a closed pipe an error instead of the end of the process: a run must revert what it
// did. The signal is caught rather than ignored because children would inherit that it is ignored.
func catchBrokenPipe() {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
}
