package balancer

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-8025779b/shakedown/balancer/health"
)

// When this machine has nothing left for a connection, probes say nothing about their targets; it is told once.
func TestShortageFailsNoProbe(t *testing.T) {
	for _, kind := range []health.Kind{health.HTTP, health.TCP, health.GRPC} {
		var short atomic.Bool
		var failed atomic.Int64
		var mu sync.Mutex
		var notes []string
		cfg := raws(rawTarget(t, answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")))
		cfg.Groups[0].Health = &health.Config{Kind: kind, Path: "/health", Interval: 10 * time.Millisecond, Timeout: time.Second, Healthy: 1, Unhealthy: 1}
		r := startWith(t, cfg, Options{
			Dial: func(ctx context.Context, address string) (net.Conn, error) {
				if short.Load() {
					failed.Add(1)
					return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.EMFILE}
				}
				return (&net.Dialer{}).DialContext(ctx, "tcp", address)
			},
			Note: func(s string) {
				mu.Lock()
				defer mu.Unlock()
				notes = append(notes, s)
			},
		})
		if kind != health.GRPC { // a target that does not speak it is never healthy: what follows must not change that either
			await(t, "a healthy target", func() bool { return r.has("raw-1 healthy") })
		}
		r.mu.Lock()
		before := slices.Clone(r.states)
		r.mu.Unlock()
		short.Store(true)
		await(t, "probes", func() bool { return failed.Load() > 5 })
		r.stop()
		if kind != health.GRPC && !slices.Equal(r.states, before) {
			t.Errorf("%s: %v, before %v", kind, r.states, before)
		}
		if len(notes) != 1 || !strings.Contains(notes[0], "too many open files") {
			t.Errorf("%s: %q", kind, notes)
		}
	}
}

// A shortage is told again only after a while.
func TestShortageIsToldNowAndThen(t *testing.T) {
	var s shortage
	for _, x := range []struct {
		at  time.Duration
		due bool
	}{{0, true}, {1, false}, {tellEvery / 2, false}, {tellEvery + 1, true}, {tellEvery + 2, false}, {2*tellEvery + 1, true}} {
		if got := s.due(x.at); got != x.due {
			t.Errorf("at %v: %v", x.at, got)
		}
	}
}

// Listeners without a limit of their own share half of the descriptors.
func TestConnectionLimits(t *testing.T) {
	for _, x := range []struct {
		own         []int
		descriptors int
		want        []int
	}{
		{[]int{0}, 1024, []int{512}},
		{[]int{0, 0}, 1024, []int{256, 256}},
		{[]int{700, 0}, 1024, []int{700, 512}},
		{[]int{5000}, 1024, []int{5000}},
		{[]int{0, 0, 0}, 4, []int{1, 1, 1}},
	} {
		listeners := make([]Listener, len(x.own))
		for i, n := range x.own {
			listeners[i].Limits.Connections = n
		}
		if got := connectionLimits(listeners, x.descriptors); !slices.Equal(got, x.want) {
			t.Errorf("%v of %d: %v, want %v", x.own, x.descriptors, got, x.want)
		}
	}
}

// Clients that hold connections leave descriptors for connections to targets.
func TestClientsLeaveDescriptors(t *testing.T) {
	const most = 200
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	low := limit
	low.Cur = 2 * most
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	restore := sync.OnceFunc(func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			t.Error(err)
		}
	})
	defer restore()
	r := start(t, config(server(t, "one")), nil)
	ask := func() (net.Conn, int) {
		c, rd := r.dial(t)
		fmt.Fprint(c, plainGet)
		res, err := http.ReadResponse(rd, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		return c, res.StatusCode
	}
	held, status := ask() // the limit is known by now
	restore()
	for i := 1; i < most; i++ {
		defer held.Close()
		if status != http.StatusOK {
			t.Fatalf("connection %d: %d", i, status)
		}
		held, status = ask()
	}
	defer held.Close()
	c, status := ask()
	if c.Close(); status != http.StatusServiceUnavailable {
		t.Errorf("beyond the limit: %d", status)
	}
}
