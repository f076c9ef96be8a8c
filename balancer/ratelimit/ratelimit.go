// Package ratelimit is token buckets by key, in bounded memory and without locks: each key may do so much a second, and
// a burst at once.
//
// A bucket is one number, the time at which it would be full again (the generic cell rate algorithm, ITU-T I.371).
// The buckets stand in a table of a fixed size. A key whose bucket is full again needs none; when more keys than the
// table holds are active at once, the one that is nearest to being full is forgotten, and may begin anew.
//
// A key is 128 bits of a hash that depends on the balancer's seed, so that nobody who does not know the seed can find keys
// that share a bucket, or that drive each other out of the table.
package ratelimit

import (
	"sync/atomic"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/pick"
	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// Config is a limit.
type Config struct {
	Rate  float64 // a second, for each key
	Burst int     // at once
	// By is what a request's key is taken from; Everybody for one bucket for all.
	By pick.Key
}

// Everybody is one bucket for all requests.
const Everybody pick.Source = "everybody"

// Params describes a limit as a scenario writes it.
func Params() []spec.Param {
	return []spec.Param{
		{Name: "rate", Type: spec.Rate, Required: true, Min: 0, Above: true, Max: 1e6, Doc: "requests that each key may make; beyond, 429"},
		{Name: "burst", Type: spec.Count, Default: "1", Min: 1, Max: 1e6, Doc: "requests that it may make at once"},
		{Name: "by", Type: spec.Text, Default: "address", Doc: "the key: everybody, address, path, header:NAME, cookie:NAME or query:NAME"},
	}
}

// New returns the limit that the values describe.
func New(v spec.Values) (*Config, error) {
	c := &Config{Rate: v.Float("rate"), Burst: v.Int("burst"), By: pick.Key{From: Everybody}}
	if by := v.Text("by"); by != string(Everybody) {
		k, err := pick.ParseKey(by)
		if err != nil {
			return nil, err
		}
		c.By = k
	}
	return c, nil
}

// The table: sets of a few buckets, in which a key may stand.
const (
	sets = 16 << 10
	ways = 4
)

// Limiter is the buckets of one limit. Its methods may be called from any goroutine.
type Limiter struct {
	every time.Duration // between two requests of the rate
	burst time.Duration // that many of them
	seed  [2]uint64     // of the keys' hash
	table [sets * ways]bucket
}

// bucket is what is kept of one key. The two words are not written at once: full says itself whose time it holds, and a time of
// another key counts as none.
type bucket struct {
	key  atomic.Uint64 // high bits of the hash; 0: the bucket is free
	full atomic.Uint64 // 16 low bits of the hash, and 48 of when the bucket is full again, in microseconds: some nine years
}

const (
	unit     = time.Microsecond
	timeBits = 48
	timeMax  = 1<<timeBits - 1
)

// Limiter returns the limit's buckets, all of them full.
func (c *Config) Limiter(seed draw.Seed) *Limiter {
	every := max(time.Duration(float64(time.Second)/c.Rate), 1)
	s := seed.Stream("rate limit")
	return &Limiter{every: every, burst: every * time.Duration(c.Burst), seed: [2]uint64{s.Uint64(0, 0), s.Uint64(1, 0)}}
}

// Allow reports whether a request of a key may pass now, and counts it; if not, after how long it might.
func Allow[T ~string | ~[]byte](l *Limiter, now time.Duration, key T) (ok bool, after time.Duration) {
	return l.allow(now, hashOf(l.seed, key))
}

func (l *Limiter) allow(now time.Duration, key hash) (ok bool, after time.Duration) {
	tag := key.low >> timeBits
	for {
		b := l.find(key)
		if b == nil {
			continue // somebody else took the bucket first
		}
		word := b.full.Load()
		full := now
		if word>>timeBits == tag {
			full = max(now, time.Duration(word&timeMax)*unit)
		}
		next := full + l.every
		if wait := next - now - l.burst; wait > 0 {
			return false, wait
		}
		rounded := uint64((next + unit - 1) / unit)
		if b.full.CompareAndSwap(word, tag<<timeBits|rounded&timeMax) {
			return true, 0
		}
	}
}

// find is the key's bucket. A key that has none takes a free one, or the one that is nearest to being full. It returns nil when another key
// took that at the same moment.
func (l *Limiter) find(key hash) *bucket {
	set := l.table[key.low%sets*ways:][:ways]
	var oldest *bucket
	var full, was uint64
	for i := range set {
		b := &set[i]
		k := b.key.Load()
		if k == key.high {
			return b
		}
		if t := b.full.Load() & timeMax; oldest == nil || (was != 0 && (k == 0 || t < full)) {
			oldest, full, was = b, t, k
		}
	}
	if !oldest.key.CompareAndSwap(was, key.high) {
		return nil
	}
	return oldest
}
