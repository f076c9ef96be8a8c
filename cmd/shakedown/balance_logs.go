package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/seed-8025779b/shakedown/balancer"
	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/scenarios"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// balanceLogs is all that a balancer that runs alone writes while it serves. Nothing of it waits for whoever reads it.
type balanceLogs struct {
	access, decisions *balancer.Log // nil when they are off
	files             []namedLines
	notes             *balancer.LineWriter // to stderr, for a person
}

type namedLines struct {
	name string
	*balancer.LineWriter
}

// flushWithin is how long the end of a balancer waits for whoever reads a log.
const flushWithin = time.Second

// openLogs opens the logs that the flags name.
func (f *balanceFlags) openLogs() (*balanceLogs, error) {
	l := &balanceLogs{notes: balancer.NewLineWriter(os.Stderr)}
	for _, x := range []struct {
		name, file, share string
		log               **balancer.Log
	}{{"access", f.accessLog, f.accessShare, &l.access}, {"decision", f.decisions, f.decisionShare, &l.decisions}} {
		if err := l.open(x.name, x.file, x.share, x.log); err != nil {
			l.close()
			return nil, err
		}
	}
	return l, nil
}

// logMode lets the file's owner write a log and the owner's group read it: it holds addresses and paths of clients.
const logMode = 0o640

// open opens one log, unless it is off.
func (l *balanceLogs) open(name, file, sharePercent string, log **balancer.Log) error {
	if file == "" {
		return nil
	}
	share, err := spec.Param{Type: spec.Share, Max: 1}.Parse(sharePercent)
	if err != nil {
		return fmt.Errorf("--%s-log-share: %w", name, err)
	}
	var lines *balancer.LineWriter
	if file == "-" {
		lines = balancer.NewLineWriter(os.Stdout)
	} else if lines, err = balancer.OpenLineWriter(func() (io.WriteCloser, error) {
		return os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, logMode)
	}); err != nil {
		return fmt.Errorf("%w: --%s-log: %w", scenarios.ErrCannotRun, name, err)
	}
	l.files = append(l.files, namedLines{name, lines})
	*log = &balancer.Log{To: slog.New(slog.NewJSONHandler(lines, nil)), Share: share.(float64)}
	return nil
}

// say tells a person something.
func (l *balanceLogs) say(format string, args ...any) {
	fmt.Fprintf(l.notes, format+"\n", args...) // it never fails
}

// effect tells a person what has changed.
func (l *balanceLogs) effect(_ string, e group.Effect) {
	switch {
	case e.Target == "":
		l.say("fail %s: %s", e.Kind, e.Reason)
	case e.Kind == group.Changed:
		l.say("%s: %s → %s (%s)", e.Target, e.From, e.To, e.Reason)
	default:
		l.say("%s: %s", e.Target, e.Reason)
	}
}

// dropped is how many lines each log has dropped.
func (l *balanceLogs) dropped() map[string]uint64 {
	out := map[string]uint64{"stderr": l.notes.Dropped()}
	for _, x := range l.files {
		out[x.name] = x.Dropped()
	}
	return out
}

// reopen opens the logs' files again: they may have been renamed.
func (l *balanceLogs) reopen() {
	for _, x := range l.files {
		x.Reopen()
	}
}

// close writes what is left, and tells what was dropped.
func (l *balanceLogs) close() {
	for _, x := range l.files {
		if n := x.Close(flushWithin); n > 0 {
			l.say("%s log: %d lines were dropped, because they could not be written in time", x.name, n)
		}
	}
	if n := l.notes.Dropped(); n > 0 {
		l.say("stderr: %d lines were dropped, because they could not be written in time", n)
	}
	l.notes.Close(flushWithin)
}
