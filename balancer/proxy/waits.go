package proxy

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/exchange"
	"github.com/seed-8025779b/shakedown/balancer/h2"
	"github.com/seed-8025779b/shakedown/balancer/serve"
)

// errClient marks failures on the client's side: they say nothing about the target.
var errClient = errors.New("the client has gone")

// errClientStalled is of clients that took nothing of the answer in time, or not all of it before the exchange had had its whole
// time.
var errClientStalled = errors.New("the client has not taken the answer in time")

// watch is how often a balancer that waits looks whether the client is still there.
const watch = exchange.LookEvery

// wait lets the time pass until an instant, unless the client goes meanwhile.
func (x *driver) wait(until time.Duration) exchange.Event {
	for end := time.Now().Add(until - x.f.hooks.Now()); ; {
		left := time.Until(end)
		if left <= 0 {
			return exchange.Event{Kind: exchange.Waited}
		}
		time.Sleep(min(left, watch))
		if x.c.Gone() {
			return clientLeft()
		}
	}
}

// late reports whether the request has had its whole time.
func (x *driver) late() bool { return !x.end.IsZero() && !time.Now().Before(x.end) }

// attended returns a context for what can't look after the client by itself, such as making a connection. It ends when
// the client has gone or the exchange has had its whole time; its cause is errClient or errOver. stop must be called.
func (x *driver) attended() (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		look := time.NewTicker(watch)
		defer look.Stop()
		var late <-chan time.Time
		if !x.end.IsZero() {
			t := time.NewTimer(time.Until(x.end))
			defer t.Stop()
			late = t.C
		}
		for {
			select {
			case <-ctx.Done():
				return
			case <-late:
				cancel(errOver)
			case <-look.C:
				if x.c.Gone() {
					cancel(errClient)
				}
			}
		}
	}()
	return ctx, func() {
		cancel(context.Canceled)
		<-ended
	}
}

// lookWhileSending is asked while the target takes nothing of a request. It runs on the goroutine that sends, or while
// that one waits: nobody else reads from the client then. A target may answer without reading the body (RFC 9110, 9.3): it is not to
// blame as long as something of the answer comes, or waits to be taken.
func (x *driver) lookWhileSending() (excused bool, err error) {
	switch {
	case x.late():
		return false, errOver
	case x.c.Gone():
		return false, errClient
	}
	spoke := x.spoke.Swap(false)
	return spoke || x.passing.Load(), nil
}

// send sends bytes of the request, and counts the time when the exchange's is limited.
func (x *driver) send(u *conn, p []byte) (int, error) {
	if x.end.IsZero() {
		return u.nc.Write(p)
	}
	x.onTarget.start()
	defer x.onTarget.stop()
	return u.nc.Write(p)
}

// tellClient writes bytes of the answer to the client. A target that takes no more of the request meanwhile is not to blame:
// it may wait for its answer to be taken.
func (x *driver) tellClient(p []byte) error {
	if x.upload.running() {
		x.passing.Store(true)
		defer x.passing.Store(false)
	}
	if !x.end.IsZero() {
		x.onClient.start()
		defer x.onClient.stop()
	}
	err := x.c.Write(p)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errClientStalled
	case errors.Is(err, h2.ErrUnpassable):
		return err
	}
	return errClient
}

// stopwatch adds up how long one side was waited for. Both goroutines of an exchange may wait for the same side at once: that time counts
// once.
type stopwatch struct {
	mu      sync.Mutex
	total   time.Duration
	waiting int // goroutines that wait
	began   time.Time
}

func (s *stopwatch) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total = 0
}

func (s *stopwatch) start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting++; s.waiting == 1 {
		s.began = time.Now()
	}
}

// stop ends what start began, once for each.
func (s *stopwatch) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting--; s.waiting == 0 {
		s.total += time.Since(s.began)
	}
}

func (s *stopwatch) running() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiting > 0
}

// read is what has added up so far.
func (s *stopwatch) read() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting > 0 {
		return s.total + time.Since(s.began)
	}
	return s.total
}

// watched is the client to look after while the target is waited for; nil while its body is read, which tells as well.
func (x *driver) watched() *serve.Conn {
	if x.upload.running() {
		return nil
	}
	return x.c
}
