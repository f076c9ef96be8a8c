package main

import (
	"context"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// A tool that stops a process and then its group, as GNU timeout does, asks once. Only a later signal leaves at once, and
// says so.
func TestSecondSignalAtOnceIsTheSame(t *testing.T) {
	for name, tc := range map[string]struct {
		at   []time.Duration // of the signals
		left bool
	}{
		"one":                     {[]time.Duration{0}, false},
		"timeout's two":           {[]time.Duration{0, time.Millisecond}, false},
		"three at once":           {[]time.Duration{0, 0, sameSignal - 1}, false},
		"a second one":            {[]time.Duration{0, sameSignal}, true},
		"a second one, in a pair": {[]time.Duration{0, 1, sameSignal + 1}, true},
		"no longer by repetition": {[]time.Duration{0, sameSignal / 2, sameSignal}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				signals := make(chan os.Signal)
				var said strings.Builder
				done := make(chan bool)
				go func() { done <- untilLeft(signals, cancel, &said) }()
				if synctest.Wait(); ctx.Err() != nil {
					t.Fatal("stopped before a signal came")
				}
				began := time.Now()
				for _, at := range tc.at {
					time.Sleep(time.Until(began.Add(at)))
					signals <- syscall.SIGTERM
					if synctest.Wait(); ctx.Err() == nil {
						t.Fatal("the signal stopped nothing")
					}
				}
				if !tc.left {
					close(signals)
				}
				if left := <-done; left != tc.left {
					t.Errorf("left at once: %v, want %v", left, tc.left)
				}
				const want = "shakedown: stopped at once: no report was written\n"
				if got := said.String(); (got == want) != tc.left || (got == "") == tc.left {
					t.Errorf("said %q", got)
				}
			})
		})
	}
}
