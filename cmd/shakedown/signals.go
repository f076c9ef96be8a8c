package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// sameSignal is how long after the first signal another one is taken for the same request to stop. GNU timeout signals
// its child and then its own process group, which the child is in, so that one stop arrives twice within milliseconds;
// nobody reads a message and presses Ctrl-C again in less than this.
const sameSignal = 500 * time.Millisecond

// withSignals returns a context that the first interrupt ends; a second one leaves at once, and the guardian tidies up.
// A hangup is an interrupt too, unless the command has its own use for it.
func withSignals(ownHangup bool) (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !ownHangup {
		signal.Notify(signals, syscall.SIGHUP)
	}
	go func() {
		if untilLeft(signals, cancel, os.Stderr) {
			os.Exit(exitInterrupted)
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
		cancel()
	}
}

// untilLeft calls cancel on the first signal. It returns true, having said so, when another signal asks to leave at once,
// and false when the channel is closed.
func untilLeft(signals <-chan os.Signal, cancel func(), w io.Writer) bool {
	if _, ok := <-signals; !ok {
		return false
	}
	first := time.Now()
	cancel()
	for range signals {
		if time.Since(first) >= sameSignal {
			fmt.Fprintln(w, "shakedown: stopped at once: no report was written")
			return true
		}
	}
	return false
}
