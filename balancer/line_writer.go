package balancer

import (
	"bytes"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// maxPending is how many bytes of lines wait to be written at most: some thousands of lines.
const maxPending = 1 << 20

// LineWriter writes lines to a file, a pipe or a terminal, and never makes whoever writes wait: they are collected, up to a
// megabyte, and written by a goroutine. Lines for which there is no room, because nobody reads the pipe or the disk is too
// slow, and lines that can't be written are dropped and counted. It implements io.Writer: each call is taken as a whole or
// dropped as a whole. It may be used from any goroutine.
type LineWriter struct {
	open    func() (io.WriteCloser, error) // nil when it is never opened again
	dropped atomic.Uint64
	ended   chan struct{}
	wake    chan struct{} // of one place

	mu      sync.Mutex
	pending []byte
	lines   uint64 // in pending
	writing uint64 // lines that are being written
	reopen  bool
	closed  bool
}

// OpenLineWriter opens what lines are written to. Reopen opens it again.
func OpenLineWriter(open func() (io.WriteCloser, error)) (*LineWriter, error) {
	to, err := open()
	if err != nil {
		return nil, err
	}
	l := newLineWriter()
	l.open = open
	go l.run(to, to.Close)
	return l, nil
}

// NewLineWriter writes lines to w, which it does not close.
func NewLineWriter(w io.Writer) *LineWriter {
	l := newLineWriter()
	go l.run(w, func() error { return nil })
	return l
}

func newLineWriter() *LineWriter {
	return &LineWriter{ended: make(chan struct{}), wake: make(chan struct{}, 1)}
}

// Write takes lines. It never fails and never waits.
func (l *LineWriter) Write(p []byte) (int, error) {
	n := uint64(bytes.Count(p, []byte("\n")))
	l.mu.Lock()
	full := l.closed || len(l.pending)+len(p) > maxPending
	if !full {
		l.pending = append(l.pending, p...)
		l.lines += n
	}
	l.mu.Unlock()
	if full {
		l.dropped.Add(n)
	} else {
		l.look()
	}
	return len(p), nil
}

// look makes the goroutine look what there is to do.
func (l *LineWriter) look() {
	select {
	case l.wake <- struct{}{}:
	default: // it is going to look anyway
	}
}

// Dropped is how many lines were dropped so far.
func (l *LineWriter) Dropped() uint64 { return l.dropped.Load() }

// Reopen closes what lines are written to and opens it again before the next line is written: the file may have been
// renamed. When it can't be opened, the old one stays in use.
func (l *LineWriter) Reopen() {
	l.mu.Lock()
	l.reopen = l.open != nil
	l.mu.Unlock()
	l.look()
}

// Close writes what there is, for a time at most, and ends. What was not written in that time is counted as dropped, the
// lines of an unfinished write included, of which some may have arrived. A goroutine that is stuck in that write is left
// behind, because nothing can end it.
func (l *LineWriter) Close(within time.Duration) (dropped uint64) {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.look()
	late := time.NewTimer(within)
	defer late.Stop()
	select {
	case <-l.ended:
	case <-late.C:
		l.mu.Lock()
		l.dropped.Add(l.lines + l.writing)
		l.pending, l.lines, l.writing = nil, 0, 0
		l.mu.Unlock()
	}
	return l.dropped.Load()
}

// run writes what comes until it is closed.
func (l *LineWriter) run(to io.Writer, end func() error) {
	defer close(l.ended)
	defer func() { _ = end() }() // whatever it says, there is nothing left to do
	var spare []byte
	for range l.wake {
		l.mu.Lock()
		batch, n, reopen, closed := l.pending, l.lines, l.reopen, l.closed
		l.pending, l.lines, l.writing, l.reopen = spare[:0], 0, l.lines, false
		l.mu.Unlock()
		if reopen {
			if again, err := l.open(); err == nil {
				_ = end() // its lines were written, or counted
				to, end = again, again.Close
			}
		}
		if len(batch) > 0 {
			if written, err := to.Write(batch); err != nil {
				l.dropped.Add(n - min(n, uint64(bytes.Count(batch[:written], []byte("\n")))))
			}
			l.mu.Lock()
			l.writing = 0
			l.mu.Unlock()
		}
		if closed {
			return
		}
		spare = batch
	}
}
