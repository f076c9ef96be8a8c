package ratelimit

import (
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

func limiter(rate float64, burst int) *Limiter { return (&Config{Rate: rate, Burst: burst}).Limiter(1) }

// A burst passes at once, then one request each time that the rate gives it; others are told when to come again.
func TestBucket(t *testing.T) {
	l := limiter(10, 3)
	const key = "a key"
	for i, tc := range []struct {
		at    time.Duration
		ok    bool
		after time.Duration
	}{
		{time.Second, true, 0}, {time.Second, true, 0}, {time.Second, true, 0}, {time.Second, false, 100 * time.Millisecond},
		{1050 * time.Millisecond, false, 50 * time.Millisecond}, {1100 * time.Millisecond, true, 0}, {1100 * time.Millisecond, false, 100 * time.Millisecond},
		{10 * time.Second, true, 0}, {10 * time.Second, true, 0}, {10 * time.Second, true, 0}, {10 * time.Second, false, 100 * time.Millisecond},
	} {
		if ok, after := Allow(l, tc.at, key); ok != tc.ok || after != tc.after {
			t.Fatalf("request %d: %v, %v", i, ok, after)
		}
	}
	if ok, _ := Allow(l, 10*time.Second, "another"); !ok {
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
			ok, after := Allow(l, now, "a")
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
				if ok, _ := Allow(l, time.Second, "a"); ok {
					passed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if n := passed.Load(); n != 100 {
		t.Errorf("%d passed", n)
	}
	if n := testing.AllocsPerRun(100, func() { Allow(l, time.Second, []byte("b")) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// With as many keys as half the table holds hardly one is forgotten.
func TestManyKeys(t *testing.T) {
	l, again := limiter(.001, 1), 0
	for i := range sets * ways / 2 {
		Allow(l, time.Second, strconv.Itoa(i))
	}
	for i := range sets * ways / 2 {
		if ok, _ := Allow(l, time.Second, strconv.Itoa(i)); ok {
			again++
		}
	}
	if again > sets*ways/2/10 {
		t.Errorf("%d of %d were forgotten", again, sets*ways/2)
	}
}

// Keys that share a set, and 16 bits beside, have buckets of their own: among a few hundred thousand clients some always do.
func TestKeysDoNotShareABucket(t *testing.T) {
	l := limiter(.001, 1)
	l.allow(time.Second, hash{low: 5, high: 1})
	if ok, _ := l.allow(time.Second, hash{low: 5, high: 2}); !ok {
		t.Error("a key whose hash has the same low bits has to wait")
	}
	// Two texts that one can find at home when the hash does not depend on a seed: they agree in the bits that choose a bucket.
	seen := map[uint64]string{}
	for i := 0; ; i++ {
		text := strconv.Itoa(i)
		h := draw.Mix(draw.Fold(text))
		bucket := h>>48<<48 | h%sets
		if other, there := seen[bucket]; there {
			if ok, _ := Allow(l, time.Second, text); !ok {
				t.Fatalf("%s has to wait", text)
			}
			if ok, _ := Allow(l, time.Second, other); !ok {
				t.Errorf("%s has to wait, because %s came", other, text)
			}
			return
		}
		seen[bucket] = text
	}
}

// A set that is full of active keys gives the bucket that is nearest to being full to a new one, which begins anew.
func TestFullSet(t *testing.T) {
	l := limiter(1, 10)
	for i := range uint64(ways) {
		for range 5 - i {
			l.allow(time.Second, hash{low: 7, high: i + 1})
		}
	}
	for range 10 {
		if ok, _ := l.allow(time.Second, hash{low: 7 | 3<<timeBits, high: 100}); !ok {
			t.Fatal("a new key does not get its burst")
		}
	}
	if ok, _ := l.allow(time.Second, hash{low: 7 | 3<<timeBits, high: 100}); ok {
		t.Error("more than the burst passed")
	}
	for range 5 {
		if ok, _ := l.allow(time.Second, hash{low: 7, high: 1}); !ok {
			t.Error("the key that had used the most was forgotten")
		}
	}
	if ok, _ := l.allow(time.Second, hash{low: 7, high: 1}); ok {
		t.Error("what the busiest key had used was forgotten")
	}
}

// The hash is the one of the paper, whose test vectors these are (key 00 01 … 0f, texts of that many bytes 00 01 …).
func TestHash(t *testing.T) {
	seed := [2]uint64{0x0706050403020100, 0x0f0e0d0c0b0a0908}
	for size, want := range map[int]string{0: "a3817f04ba25a8e66df67214c7550293", 1: "da87c1d86b99af44347659119b22fc45"} {
		text := make([]byte, size)
		for i := range text {
			text[i] = byte(i)
		}
		h := hashOf(seed, text)
		if got := hex.EncodeToString(binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, h.low), h.high)); got != want {
			t.Errorf("%d bytes: %s, want %s", size, got, want)
		}
	}
	long := "a text of more than eight bytes"
	if hashOf(seed, long) != hashOf(seed, []byte(long)) || hashOf(seed, long) == hashOf(seed, long[:len(long)-1]+"S") {
		t.Error("what is hashed is not the text")
	}
	if a, b := limiter(1, 1), (&Config{Rate: 1, Burst: 1}).Limiter(2); hashOf(a.seed, long) == hashOf(b.seed, long) {
		t.Error("the seed does not matter")
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
