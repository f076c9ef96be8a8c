package balancer

import (
	"bufio"
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

	"golang.org/x/net/http2"
	"golang.org/x/sys/unix"

	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/health"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
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

// A probe has found its target's failure when no address of this machine leads to the target, which is no shortage.
func TestMissingFamilyFailsProbes(t *testing.T) {
	for _, kind := range []health.Kind{health.HTTP, health.TCP} {
		var missing atomic.Bool
		var told atomic.Int64
		cfg := raws(rawTarget(t, answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")))
		cfg.Groups[0].Health = &health.Config{Kind: kind, Path: "/health", Interval: 10 * time.Millisecond, Timeout: time.Second, Healthy: 1, Unhealthy: 1}
		r := startWith(t, cfg, Options{
			Dial: func(ctx context.Context, address string) (net.Conn, error) {
				if missing.Load() {
					return without(syscall.EADDRNOTAVAIL)(ctx, "[fe80::1]:80") // nothing leads there without a zone
				}
				return (&net.Dialer{}).DialContext(ctx, "tcp", address)
			},
			Note: func(string) { told.Add(1) },
		})
		await(t, "a healthy target", func() bool { return r.has("raw-1 healthy") })
		missing.Store(true)
		await(t, "the target to be found unhealthy", func() bool { return r.has("raw-1 unhealthy") })
		r.stop()
		if told.Load() > 0 {
			t.Errorf("%s: a shortage was told", kind)
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

// Listeners without a limit of their own share half of the connections that there may be.
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
		listeners := make([]config.Listener, len(x.own))
		for i, n := range x.own {
			listeners[i].Limits.Connections = n
		}
		if got := connectionLimits(listeners, x.descriptors); !slices.Equal(got, x.want) {
			t.Errorf("%v of %d: %v, want %v", x.own, x.descriptors, got, x.want)
		}
	}
}

// startLow starts a balancer that takes the process for one with so many descriptors.
func startLow(t *testing.T, descriptors uint64, cfg config.Config) *running {
	t.Helper()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	low := limit
	low.Cur = descriptors
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			t.Error(err)
		}
	}()
	return start(t, cfg, nil) // the limit is looked at once
}

// Clients that hold connections leave descriptors for connections to targets.
func TestClientsLeaveDescriptors(t *testing.T) {
	const most = 175
	r := startLow(t, 400, settings(server(t, "one")))
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
	held, status := ask()
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

// Connections to targets are counted with those of clients, however few clients ask for them: the rest of the descriptors stays free,
// for clients that come meanwhile too.
func TestStreamsLeaveDescriptors(t *testing.T) {
	const clientConns, streams, descriptors, most = 2, 200, 160, 140
	var open, failed atomic.Int64
	release := make(chan struct{})
	hanging := rawTarget(t, reading(func(c net.Conn, _ *bufio.Reader) {
		open.Add(1)
		<-release
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
	}))
	r := startLow(t, descriptors, raws(hanging))
	ask := func(transport *http.Transport, method string) {
		req, err := http.NewRequestWithContext(t.Context(), method, r.url, nil)
		if err != nil {
			t.Error(err)
			return
		}
		res, err := transport.RoundTrip(req)
		if err != nil {
			t.Error(err)
			return
		}
		res.Body.Close()
		if res.StatusCode == http.StatusServiceUnavailable {
			failed.Add(1)
		}
	}
	var clients sync.WaitGroup
	var transports [clientConns]*http.Transport
	for i := range transports {
		transport := &http.Transport{Protocols: &http.Protocols{}}
		transport.Protocols.SetUnencryptedHTTP2(true)
		defer transport.CloseIdleConnections()
		transports[i] = transport
		ask(transport, http.MethodTrace) // refused: from now on there is a connection, and it takes all that follows
	}
	for i := range streams {
		clients.Go(func() { ask(transports[i%clientConns], http.MethodGet) })
	}
	await(t, "all requests", func() bool { return open.Load()+failed.Load() == streams })
	held := open.Load()
	if held != most-clientConns {
		t.Errorf("%d connections to targets beside those of clients, of %d in all", held, most)
	}
	c, rd := r.dial(t)
	fmt.Fprint(c, plainGet)
	if res, err := http.ReadResponse(rd, nil); err != nil || res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("another client: %v %v", res, err)
	}
	c.Close()
	close(release)
	clients.Wait()
	if r.has("raw-1 ejected") {
		t.Error("the target was blamed")
	}
	await(t, "room", func() bool { return r.descriptors.Open() == clientConns })
	request(plainGet)(t, r)
	if open.Load() != held+1 {
		t.Error("afterwards a client was not served")
	}
}

// A request for which this machine had nothing left goes to another target, as one does whose connection was refused: nothing of it
// was sent.
func TestShortageGoesElsewhere(t *testing.T) {
	for _, two := range []bool{false, true} {
		ok := answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		if two {
			ok = framing(func(_ net.Conn, f *http2.Framer, id uint32) { answerFrame(f, id, ":status", "200") })
		}
		cfg := raws(rawTarget(t, ok), rawTarget(t, ok))
		g := &cfg.Groups[0]
		g.HTTP2, g.Strategy = two, spec.Written{Kind: "first"}
		g.Retry = &group.Retry{Attempts: 1, On: group.OnConnect, Budget: 1}
		g.Outliers = &health.OutlierConfig{Consecutive: 1, EjectFor: time.Hour, MaxEjectFor: time.Hour, MaxEjected: 1}
		first := g.Targets[0].Address
		r := startWith(t, cfg, Options{Dial: func(ctx context.Context, address string) (net.Conn, error) {
			if address == first {
				return without(syscall.ENOBUFS)(ctx, address)
			}
			return (&net.Dialer{}).DialContext(ctx, "tcp", address)
		}})
		for range 3 {
			c, rd := r.dial(t)
			fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
			if res, err := http.ReadResponse(rd, nil); err != nil || res.StatusCode != http.StatusOK {
				t.Errorf("HTTP/2 %v: %v %v", two, res, err)
			}
		}
		if r.has("raw-1 ejected") {
			t.Error("the target was blamed")
		}
	}
}

// scarce makes connections while fewer than a number of them are open.
type scarce struct {
	most, open atomic.Int64
	refused    atomic.Int64
}

func (s *scarce) dial(ctx context.Context, address string) (net.Conn, error) {
	if s.open.Add(1) > s.most.Load() {
		s.open.Add(-1)
		s.refused.Add(1)
		return without(syscall.EMFILE)(ctx, address)
	}
	nc, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		s.open.Add(-1)
		return nil, err
	}
	return &scarceConn{TCPConn: nc.(*net.TCPConn), of: s}, nil
}

type scarceConn struct {
	*net.TCPConn
	of   *scarce
	once sync.Once
}

func (c *scarceConn) Close() error {
	err := c.TCPConn.Close()
	c.once.Do(func() { c.of.open.Add(-1) })
	return err
}

// When the kernel has no descriptor left, connections to targets that nobody uses give way to a request's, and to a probe's.
func TestIdleConnectionsGiveWay(t *testing.T) {
	var targets []*target
	for range 4 {
		targets = append(targets, rawTarget(t, answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")))
	}
	for _, probed := range []bool{false, true} {
		var s scarce
		s.most.Store(2)
		cfg := raws(targets...)
		if probed {
			s.most.Store(100)
			cfg.Groups[0].Health = &health.Config{Kind: health.TCP, Interval: 10 * time.Millisecond, Timeout: time.Second, Healthy: 1, Unhealthy: 1}
		}
		var told atomic.Int64
		r := startWith(t, cfg, Options{Dial: s.dial, Note: func(string) { told.Add(1) }})
		if probed {
			await(t, "healthy targets", func() bool { return r.Ready() && r.has("raw-4 healthy") })
		}
		for i := range 10 {
			c, rd := r.dial(t)
			fmt.Fprint(c, plainGet)
			if res, err := http.ReadResponse(rd, nil); err != nil || res.StatusCode != http.StatusOK {
				t.Fatalf("request %d: %v %v", i, res, err)
			}
			c.Close()
		}
		if probed {
			if n := s.open.Load(); n < 4 {
				t.Fatalf("%d open connections", n)
			}
			s.most.Store(1)
			await(t, "the probes to find room", func() bool { return s.open.Load() <= 1 })
		}
		if told.Load() > 0 && !probed {
			t.Error("a shortage was told")
		}
		if s.refused.Load() == 0 {
			t.Error("no connection was refused")
		}
		r.stop()
		if n := s.open.Load(); n != 0 {
			t.Errorf("%d connections are left open", n)
		}
	}
}

// So do connections of HTTP/2 on which no stream is.
func TestIdleConnectionsOfStreamsGiveWay(t *testing.T) {
	var asked [3]atomic.Int64
	var targets []*target
	for i := range asked {
		targets = append(targets, rawTarget(t, framing(func(_ net.Conn, f *http2.Framer, id uint32) {
			asked[i].Add(1)
			answerFrame(f, id, ":status", "200")
		})))
	}
	cfg := raws(targets...)
	cfg.Groups[0].HTTP2 = true
	var s scarce
	s.most.Store(1)
	r := startWith(t, cfg, Options{Dial: s.dial})
	await(t, "each target to be asked", func() bool { // until the stream before has ended, its connection is in use
		request(plainGet)(t, r)
		return asked[0].Load() > 0 && asked[1].Load() > 0 && asked[2].Load() > 0
	})
	if s.refused.Load() == 0 {
		t.Error("no connection was refused")
	}
	r.stop()
	if n := s.open.Load(); n != 0 {
		t.Errorf("%d connections are left open", n)
	}
}
