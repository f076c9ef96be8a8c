package backend

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

func newBackend(t *testing.T, c Config) *Backend {
	t.Helper()
	if c.Time.Kind == "" {
		c.Time = spec.Written{Kind: "constant", Values: map[string]string{"mean": "50ms"}}
	}
	b, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// serving starts a backend and returns its URL.
func serving(t *testing.T, b *Backend) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.ServeOn(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return "http://" + l.Addr().String()
}

// get asks on a connection of its own; 0 stands for no answer.
func get(ctx context.Context, url string) int {
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return 0
	}
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0
	}
	res.Body.Close()
	return res.StatusCode
}

func TestSlotsQueueAndRejection(t *testing.T) {
	b := newBackend(t, Config{ID: "x", Concurrency: 1, Queue: 1, Time: spec.Written{Kind: "constant", Values: map[string]string{"mean": "300ms"}}})
	url := serving(t, b)
	var mu sync.Mutex
	codes := map[int]int{}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			code := get(t.Context(), url)
			mu.Lock()
			defer mu.Unlock()
			codes[code]++
		})
	}
	wg.Wait()
	if codes[200] != 2 || codes[503] != 2 {
		t.Fatalf("codes %v", codes)
	}
	s := b.Stats()
	if s.Served != 2 || s.Rejected != 2 || s.InUse != 0 || s.Waiting != 0 || s.Busy < 600*time.Millisecond {
		t.Fatalf("%+v", s)
	}
}

func TestAClientThatLeavesTheQueueIsNotServed(t *testing.T) {
	b := newBackend(t, Config{Concurrency: 1, Queue: 5, Time: spec.Written{Kind: "constant", Values: map[string]string{"mean": "1s"}}})
	url := serving(t, b)
	var wg sync.WaitGroup
	wg.Go(func() { get(t.Context(), url) })
	for b.Stats().InUse == 0 {
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithCancel(t.Context())
	wg.Go(func() { get(ctx, url) })
	for b.Stats().Waiting == 0 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	for b.Stats().Waiting > 0 {
		time.Sleep(time.Millisecond)
	}
	wg.Wait()
	if s := b.Stats(); s.Served != 1 || s.Waiting != 0 || s.InUse != 0 {
		t.Fatalf("%+v", s)
	}
}

func TestHealthFollowsBooting(t *testing.T) {
	for boot, want := range map[time.Duration]int{0: 200, time.Hour: 503} {
		if code := get(t.Context(), serving(t, newBackend(t, Config{Concurrency: 1, Boot: boot}))+"/health"); code != want {
			t.Errorf("boot %v: %d", boot, code)
		}
	}
}

func TestServeStopsWithItsContext(t *testing.T) {
	b := newBackend(t, Config{ID: "x", Concurrency: 1})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.ServeOn(ctx, l) }()
	res, err := http.Get("http://" + l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	res.Body.Close()
	if string(body) != "served by x\n" {
		t.Fatalf("%q", body)
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestBadConfigurations(t *testing.T) {
	for _, c := range []Config{
		{Concurrency: 0, Time: spec.Written{Kind: "constant", Values: map[string]string{"mean": "1ms"}}},
		{Concurrency: 1, Time: spec.Written{Kind: "nonsense"}},
		{Concurrency: 1, Time: spec.Written{Kind: "lognormal", Values: map[string]string{"mean": "1s", "p99": "1ms"}}},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%+v was accepted", c)
		}
	}
}
