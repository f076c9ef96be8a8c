package wire

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/attempt"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/mix"
	"github.com/seed-8025779b/shakedown/loadgen/pace"
	"github.com/seed-8025779b/shakedown/loadgen/profile"
)

// interrupted is a connection on which the play is cancelled just before the deadline of the first byte is set.
type interrupted struct {
	*net.TCPConn
	cancel func()
	once   sync.Once
	done   chan struct{} // closed when the connection was interrupted
}

func (c *interrupted) SetDeadline(t time.Time) error {
	defer func() {
		if t.Before(time.Now()) {
			c.once.Do(func() { close(c.done) })
		}
	}()
	return c.TCPConn.SetDeadline(t)
}

func (c *interrupted) SetReadDeadline(t time.Time) error {
	c.cancel()
	<-c.done
	return c.TCPConn.SetReadDeadline(t)
}

// A deadline that is set after the play was cancelled does not undo the interrupt.
func TestInterruptIsNotUndone(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // the kernel accepts, and nobody answers
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	m, err := mix.New(1, mix.Set{Requests: []mix.Request{{Name: "x", Method: "GET", Path: "/", Weight: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	e, err := New(attempt.Config{
		Target: "http://" + l.Addr().String(), Mix: m, Timeout: 2 * time.Hour, Stages: attempt.Timeouts{FirstByte: time.Hour}, Connections: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	dial := e.dial
	e.dial = func(ctx context.Context, address string, n int) (net.Conn, error) {
		c, err := dial(ctx, address, n)
		if err != nil {
			return nil, err
		}
		return &interrupted{TCPConn: c.(*net.TCPConn), cancel: cancel, done: make(chan struct{})}, nil
	}
	n := 0
	s := profile.Schedule{Profile: profile.New(profile.Hold{PerSecond: 1000, Seconds: .001}), Arrivals: profile.Even}
	if err := e.Play(ctx, s, pace.NewClock(pace.Monotonic()), func(s *measure.Sample) {
		if n++; s.Outcome != measure.Cancelled {
			t.Errorf("%+v", s)
		}
	}); err != nil || n != 1 {
		t.Fatalf("%d samples, %v", n, err)
	}
}
