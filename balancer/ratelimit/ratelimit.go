// Package ratelimit is token buckets by key, in bounded memory and without locks: each key may do so much a second, and
// a burst at once.
//
// A bucket is one number, the time at which it would be full again (the generic cell rate algorithm, ITU-T I.371).
// The buckets stand in a table of a fixed size. A key whose bucket is full again needs none; when more keys than the
// table holds are active at once, the one that is nearest to being full is forgotten, and may begin anew.
package ratelimit

import (
	"sync/atomic"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/pick"
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
	table [sets * ways]atomic.Uint64
}

// Limiter returns the limit's buckets, all of them full.
func (c *Config) Limiter() *Limiter {
	every := max(time.Duration(float64(time.Second)/c.Rate), 1)
	return &Limiter{every: every, burst: every * time.Duration(c.Burst)}
}

// A bucket is 16 bits of its key and 48 of when it is full again, in microseconds: some nine years.
const (
	unit    = time.Microsecond
	timeMax = 1<<48 - 1
)

// Allow reports whether a request of a key, which is a hash, may pass now, and counts it; if not, after how long it might.
func (l *Limiter) Allow(now time.Duration, key uint64) (ok bool, after time.Duration) {
	tag, set := key>>48, l.table[key%sets*ways:][:ways]
	for {
		slot, word := l.find(now, tag, set)
		full := now
		if word>>48 == tag {
			full = max(now, time.Duration(word&timeMax)*unit)
		}
		next := full + l.every
		if wait := next - now - l.burst; wait > 0 {
			return false, wait
		}
		rounded := uint64((next + unit - 1) / unit)
		if slot.CompareAndSwap(word, tag<<48|rounded&timeMax) {
			return true, 0
		}
	}
}

// find is the key's bucket, or the one that is nearest to being full.
func (l *Limiter) find(now time.Duration, tag uint64, set []atomic.Uint64) (slot *atomic.Uint64, word uint64) {
	for i := range set {
		w := set[i].Load()
		if w != 0 && w>>48 == tag {
			return &set[i], w
		}
		if slot == nil || w&timeMax < word&timeMax {
			slot, word = &set[i], w
		}
	}
	return slot, word
}
