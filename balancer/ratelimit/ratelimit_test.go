package ratelimit

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

func limiter(rate float64, burst int) *Limiter { return (&Config{Rate: rate, Burst: burst}).Limiter() }

// A burst passes at once, then one request each time that the rate gives it; others are told when to come again.
func TestBucket(t *testing.T) {
	l := limiter(10, 3)
	const key = 12345
	for i, tc := range []struct {
		at    time.Duration
		ok    bool
		after time.Duration
	}{
		{time.Second, true, 0}, {time.Second, true, 0}, {time.Second, true, 0}, {time.Second, false, 100 * time.Millisecond},
		{1050 * time.Millisecond, false, 50 * time.Millisecond}, {1100 * time.Millisecond, true, 0}, {1100 * time.Millisecond, false, 100 * time.Millisecond},
		{10 * time.Second, true, 0}, {10 * time.Second, true, 0}, {10 * time.Second, true, 0}, {10 * time.Second, false, 100 * time.Millisecond},
	} {
		if ok, after := l.Allow(tc.at, key); ok != tc.ok || after != tc.after {
			t.Fatalf("request %d: %v, %v", i, ok, after)
		}
	}
	if ok, _ := l.Allow(10*time.Second, draw.Mix(key)); !ok {
		t.Error("another key has to wait")
	}
}

// However requests come, no more pass than the burst and the rate allow, and what may pass does.
func TestRateIsKept(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate, burst := rapid.Float64Range(.1, 10_000).Draw(t, "rate"), rapid.IntRange(1, 50).Draw(t, "burst")
		l := limiter(rate, burst)
		now, tokens, last := time.Second, float64(burst), time.Second
		for range 200 {
			now += time.Duration(rapid.Float64Range(0, 3).Draw(t, "gap") / rate * float64(time.Second))
			tokens = min(float64(burst), tokens+rate*(now-last).Seconds())
			last = now
			ok, after := l.Allow(now, 7)
			slack := rate * 2e-6 * 200 // each step rounds up to a microsecond
			if ok && tokens < 1-slack || !ok && tokens > 1+slack+1e-6 {
				t.Fatalf("with %.6f tokens: %v", tokens, ok)
			}
			if !ok && after <= 0 {
				t.Fatalf("come again after %v", after)
			}
			if ok {
				tokens--
			}
		}
	})
}

func TestManyAtOnce(t *testing.T) {
	l := limiter(1, 100)
	var passed atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				if ok, _ := l.Allow(time.Second, 1<<50); ok {
					passed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if n := passed.Load(); n != 100 {
		t.Errorf("%d passed", n)
	}
	if n := testing.AllocsPerRun(100, func() { l.Allow(time.Second, 5) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// With as many keys as half the table holds hardly one is forgotten.
func TestManyKeys(t *testing.T) {
	l, again := limiter(.001, 1), 0
	for i := range uint64(sets * ways / 2) {
		l.Allow(time.Second, draw.Mix(i))
	}
	for i := range uint64(sets * ways / 2) {
		if ok, _ := l.Allow(time.Second, draw.Mix(i)); ok {
			again++
		}
	}
	if again > sets*ways/2/10 {
		t.Errorf("%d of %d were forgotten", again, sets*ways/2)
	}
}

func TestNew(t *testing.T) {
	v := spec.Defaults(Params())
	v["rate"] = 5.0
	for by, good := range map[string]bool{"everybody": true, "address": true, "header:X-Key": true, "header": false, "x": false} {
		v["by"] = by
		if _, err := New(v); (err == nil) != good {
			t.Errorf("%s: %v", by, err)
		}
	}
}
