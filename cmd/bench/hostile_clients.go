package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/http1"
)

// attackCounts are how often each attack took place.
type attackCounts struct {
	names []string
	n     []atomic.Uint64
}

func (c *attackCounts) String() string {
	var parts []string
	for i, name := range c.names {
		parts = append(parts, fmt.Sprintf("%s %d", name, c.n[i].Load()))
	}
	return strings.Join(parts, ", ")
}

// attackLimit is how long one attack takes at the most.
const attackLimit = 10 * time.Second

// attackAll starts every attack on an address, each by a few workers that repeat it with a pause until the context ends.
func attackAll(ctx context.Context, work *sync.WaitGroup, address string) *attackCounts {
	streams := http2Client()
	garbage := malformedRequests()
	attacks := []struct {
		name    string
		workers int
		pause   time.Duration
		do      func(ctx context.Context, seed *rand.Rand)
	}{
		{"cancelled streams", 4, 50 * time.Millisecond, func(ctx context.Context, seed *rand.Rand) { cancelledStream(ctx, streams, address, seed) }},
		{"slow uploads", 8, 100 * time.Millisecond, func(ctx context.Context, seed *rand.Rand) {
			trickle(ctx, address, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n", 200*time.Millisecond, seed)
		}},
		{"slow heads", 8, 100 * time.Millisecond, func(ctx context.Context, seed *rand.Rand) {
			trickle(ctx, address, "GET / HTTP/1.1\r\nHost: a\r\nX-", 200*time.Millisecond, seed)
		}},
		{"slow readers", 8, 100 * time.Millisecond, func(ctx context.Context, seed *rand.Rand) { slowReader(ctx, address, seed) }},
		{"cut uploads", 4, 50 * time.Millisecond, func(ctx context.Context, seed *rand.Rand) {
			send(ctx, address, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", seed.IntN(2) == 0)
		}},
		{"malformed chunks", 4, 50 * time.Millisecond, func(ctx context.Context, seed *rand.Rand) {
			send(ctx, address, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX", false)
		}},
		{"garbage", 4, 20 * time.Millisecond, func(ctx context.Context, seed *rand.Rand) {
			send(ctx, address, garbage[seed.IntN(len(garbage))], false)
		}},
		{"long targets", 2, 50 * time.Millisecond, func(ctx context.Context, seed *rand.Rand) {
			send(ctx, address, "GET /"+strings.Repeat("x", 10_000)+" HTTP/1.1\r\nHost: a\r\n\r\n", false)
		}},
		{"many Connection tokens", 2, 100 * time.Millisecond, func(ctx context.Context, seed *rand.Rand) {
			send(ctx, address, "GET / HTTP/1.1\r\nHost: a\r\nConnection: "+strings.Repeat("a,", 30_000)+"a\r\n"+strings.Repeat("B: c\r\n", 50)+"\r\n", false)
		}},
		{"floods of connections", 2, time.Second, func(ctx context.Context, seed *rand.Rand) { flood(ctx, address, 200) }},
		{"answers of hostile targets", 8, 20 * time.Millisecond, func(ctx context.Context, seed *rand.Rand) {
			send(ctx, address, "GET /hostile/x HTTP/1.1\r\nHost: a\r\n\r\n", false)
		}},
		{"uploads to hostile targets", 4, 50 * time.Millisecond, func(ctx context.Context, seed *rand.Rand) {
			send(ctx, address, "PUT /hostile/x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"+strings.Repeat("x", 1_000_000), false)
		}},
		{"a rate limit", 2, 10 * time.Millisecond, func(ctx context.Context, seed *rand.Rand) {
			send(ctx, address, "GET /limited/x HTTP/1.1\r\nHost: a\r\n\r\n", false)
		}},
	}
	counts := &attackCounts{n: make([]atomic.Uint64, len(attacks))}
	for i, a := range attacks {
		counts.names = append(counts.names, a.name)
		for w := range a.workers {
			seed := rand.New(rand.NewPCG(uint64(i), uint64(w)))
			work.Go(func() {
				for ctx.Err() == nil {
					one, cancel := context.WithTimeout(ctx, attackLimit)
					a.do(one, seed)
					cancel()
					counts.n[i].Add(1)
					pauseFor(ctx, a.pause)
				}
			})
		}
	}
	return counts
}

// pauseFor waits; it reports false when the context ended meanwhile.
func pauseFor(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// malformedRequests are in a fixed order, so that a seed draws the same ones.
func malformedRequests() (list []string) {
	for text := range http1.Malformed() {
		list = append(list, text)
	}
	slices.Sort(list)
	return list
}

// dial connects; the connection ends with the context.
func dial(ctx context.Context, address string) (net.Conn, func()) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return nil, nil
	}
	stop := context.AfterFunc(ctx, func() { c.Close() })
	return c, func() {
		stop()
		c.Close()
	}
}

// send sends a request and reads what comes, for a second; reset says that it ends the connection at once instead.
func send(ctx context.Context, address, request string, reset bool) {
	c, done := dial(ctx, address)
	if c == nil {
		return
	}
	defer done()
	_ = c.SetDeadline(time.Now().Add(time.Second))
	if _, err := io.WriteString(c, request); err != nil {
		return
	}
	if reset {
		_ = c.(*net.TCPConn).SetLinger(0)
		return
	}
	_, _ = io.Copy(io.Discard, c)
}

// trickle sends the beginning of a request and then a byte now and then, until it is tired of it.
func trickle(ctx context.Context, address, begin string, every time.Duration, seed *rand.Rand) {
	c, done := dial(ctx, address)
	if c == nil {
		return
	}
	defer done()
	if _, err := io.WriteString(c, begin); err != nil {
		return
	}
	for range 1 + seed.IntN(40) {
		if _, err := io.WriteString(c, "x"); err != nil || !pauseFor(ctx, every) {
			return
		}
	}
}

// slowReader asks for a large answer and takes a little of it now and then.
func slowReader(ctx context.Context, address string, seed *rand.Rand) {
	c, done := dial(ctx, address)
	if c == nil {
		return
	}
	defer done()
	_ = c.(*net.TCPConn).SetReadBuffer(4 << 10)
	if _, err := io.WriteString(c, "GET /hostile/large HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
		return
	}
	buf := make([]byte, 1<<10)
	for range 1 + seed.IntN(40) {
		if _, err := c.Read(buf); err != nil || !pauseFor(ctx, 100*time.Millisecond) {
			return
		}
	}
}

// flood opens many connections that say nothing, and closes them again.
func flood(ctx context.Context, address string, n int) {
	var list []func()
	for range n {
		if c, done := dial(ctx, address); c != nil {
			list = append(list, done)
		}
	}
	pauseFor(ctx, time.Second)
	for _, done := range list {
		done()
	}
}

// http2Client speaks HTTP/2 without TLS.
func http2Client() *http.Client {
	t := &http.Transport{Protocols: &http.Protocols{}}
	t.Protocols.SetUnencryptedHTTP2(true)
	return &http.Client{Transport: t}
}

// cancelledStream begins to upload and cancels it after some milliseconds.
func cancelledStream(ctx context.Context, client *http.Client, address string, seed *rand.Rand) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(1+seed.IntN(20))*time.Millisecond)
	defer cancel()
	body, feed := io.Pipe()
	defer feed.Close()
	go func() {
		for ctx.Err() == nil {
			if _, err := feed.Write(make([]byte, 1000)); err != nil {
				return
			}
		}
	}()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/", body)
	if err != nil {
		return
	}
	if res, err := client.Do(req); err == nil {
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
	body.Close()
}
