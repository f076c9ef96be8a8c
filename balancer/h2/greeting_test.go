package h2

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
)

// reluctant is a client of targets that take so many streams a connection, and say so only when they are let.
func reluctant(streams uint32, let <-chan struct{}, within time.Duration) (c *Client, dialed *atomic.Int64, stop func()) {
	dialed = &atomic.Int64{}
	var served sync.WaitGroup
	c = NewClient("a", false, time.Minute, func(context.Context) (net.Conn, error) {
		dialed.Add(1)
		near, far := net.Pipe()
		_ = near.SetReadDeadline(time.Now().Add(within)) // it never fails
		served.Go(func() { _, _ = io.Copy(io.Discard, far) })
		served.Go(func() {
			if _, ok := <-let; ok {
				_ = http2.NewFramer(far, nil).WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: streams}) // whoever has gone needs none
			}
		})
		return near, nil
	})
	return c, dialed, func() {
		c.Close()
		served.Wait()
	}
}

// Before the target has said how many streams it takes, none begins. Then as many connections are made at once as those who wait need.
func TestBurstsOntoNewConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const asked, streams = 10, 3
		let := make(chan struct{})
		c, dialed, stop := reluctant(streams, let, time.Minute)
		opened := make(chan *Exchange, asked)
		for range asked {
			go func() {
				x, err := c.Open(context.Background(), Need{})
				if err != nil {
					t.Error(err)
				}
				opened <- x
			}()
		}
		for _, want := range []struct{ let, dialed, opened int }{{0, 1, 0}, {1, 4, 3}, {3, 4, 10}} {
			for range want.let {
				let <- struct{}{}
			}
			if synctest.Wait(); int(dialed.Load()) != want.dialed || len(opened) != want.opened {
				t.Errorf("%d connections and %d streams, want %+v", dialed.Load(), len(opened), want)
			}
		}
		close(let)
		for range len(opened) {
			(<-opened).Close()
		}
		stop()
	})
}

// A target that does not say its settings in time is not connected.
func TestTargetsWithoutSettings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		let := make(chan struct{})
		c, _, stop := reluctant(1, let, 5*time.Second)
		began := time.Now()
		if _, err := c.Open(t.Context(), Need{}); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != 5*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		close(let)
		stop()
	})
}

// A connection that can't be made is one failure, however many wait for it.
func TestWaitersForAConnectionThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		let := make(chan struct{})
		c, dialed, stop := reluctant(1, let, 5*time.Second)
		const waiters = 20
		failed := make(chan error, waiters)
		for range waiters {
			go func() {
				_, err := c.Open(t.Context(), Need{})
				failed <- err
			}()
		}
		counted := 0
		for range waiters {
			switch once := SharedEnd(<-failed); {
			case once == nil:
				t.Fatal("the failure counts for each who waited")
			case !once.Swap(true):
				counted++
			}
		}
		if counted != 1 || dialed.Load() != 1 {
			t.Errorf("%d failures of %d connections", counted, dialed.Load())
		}
		close(let)
		stop()
	})
}

// What a burst took is given back: of the connections that are not needed for a while two are kept.
func TestUnusedConnectionsAreClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		let := make(chan struct{})
		c, _, stop := reluctant(1, let, time.Minute)
		var open []*Exchange
		for range 6 {
			go func() { let <- struct{}{} }()
			x, err := c.Open(t.Context(), Need{})
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, x)
		}
		for _, x := range open[1:] {
			x.Close()
		}
		for _, want := range []int{6, 6, 3} { // at 0, 5 and 10 s: one with a stream, and two
			c.Sweep(time.Now())
			c.mu.Lock()
			if len(c.conns) != want {
				t.Errorf("%d connections, want %d", len(c.conns), want)
			}
			c.mu.Unlock()
			time.Sleep(5 * time.Second)
		}
		open[0].Close()
		close(let)
		stop()
	})
}

// Of the connections without a stream some are closed when their descriptors are needed, and none of the others.
func TestCloseIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		let := make(chan struct{})
		c, dialed, stop := reluctant(1, let, time.Minute)
		var open []*Exchange
		for range 12 {
			go func() { let <- struct{}{} }()
			x, err := c.Open(t.Context(), Need{})
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, x)
		}
		if n := c.CloseIdle(8); n != 0 {
			t.Errorf("%d connections with streams were closed", n)
		}
		for _, x := range open[2:] {
			x.Close()
		}
		for left := 10; left > 0; {
			n := c.CloseIdle(8)
			if n != (left+7)/8 {
				t.Errorf("%d of %d idle connections were closed", n, left)
			}
			left -= max(n, 1)
		}
		if x := c.Reuse(Need{}); x != nil || open[0].cc.Err() != nil || open[1].cc.Err() != nil || open[2].cc.Err() == nil || dialed.Load() != 12 {
			t.Errorf("%v was left", x)
		}
		open[0].Close()
		open[1].Close()
		close(let)
		stop()
	})
}
