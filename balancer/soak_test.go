package balancer

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/health"
	"github.com/seed-8025779b/shakedown/balancer/pick"
)

// descriptors is how many files this process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// Targets flap, come and go, change weights and rest, and reloads change the strategy and the limits; clients of either
// version of HTTP, with TLS and without, abort, upload, trickle and send nonsense. Afterwards nothing is left: no goroutine (TestMain looks), no descriptor, nothing in flight. SHAKEDOWN_SOAK=10m makes it long.
func TestSoak(t *testing.T) {
	length := 3 * time.Second
	if s := os.Getenv("SHAKEDOWN_SOAK"); s != "" {
		var err error
		if length, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
	}
	before := descriptors(t)
	seed := rand.New(rand.NewPCG(1, 2))
	var sick [4]atomic.Bool
	var targets []*httptest.Server
	for i := range sick {
		targets = append(targets, httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if sick[i].Load() && r.URL.Path != "/" {
				panic(http.ErrAbortHandler)
			}
			n, _ := io.Copy(io.Discard, r.Body)
			if r.URL.Path == "/slow" {
				time.Sleep(20 * time.Millisecond)
			}
			fmt.Fprintf(w, "%d %s", n, strings.Repeat("x", len(r.URL.RawQuery)*100))
		})))
	}
	cfg := settings(targets...)
	cfg.Groups[0].Strategy.Kind = "peak_ewma"
	cfg.Groups[0].Health = &health.Config{Path: "/health", Interval: 20 * time.Millisecond, Timeout: time.Second, Healthy: 1, Unhealthy: 2}
	cfg.Groups[0].Outliers = &health.OutlierConfig{Consecutive: 3, EjectFor: 50 * time.Millisecond, MaxEjectFor: time.Second, MaxEjected: .5}
	cfg.Groups[0].Retry = &group.Retry{Attempts: 2, On: group.On5xx, Budget: .2, Floor: 10}
	cfg.Groups[0].FailOpen = &group.FailOpen{Share: .3}
	cfg.Groups[0].SlowStart = 100 * time.Millisecond
	cfg.Groups[0].Drain = 200 * time.Millisecond
	secure := cfg.Listeners[0]
	secure.TLS = &config.TLS{Auto: t.TempDir()}
	cfg.Listeners = append(cfg.Listeners, secure)
	r := startWith(t, cfg, Options{ReadyWithin: 100 * time.Millisecond})

	ctx, cancel := context.WithTimeout(t.Context(), length+time.Minute)
	defer cancel()
	var work sync.WaitGroup
	var answered, failed atomic.Int64
	var clients []*http.Client
	for _, set := range []func(*http.Protocols){
		func(p *http.Protocols) { p.SetHTTP1(true) }, func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) },
		func(p *http.Protocols) { p.SetHTTP2(true) }, func(p *http.Protocols) { p.SetHTTP1(true) },
	} {
		tr := &http.Transport{MaxIdleConnsPerHost: 8, Protocols: &http.Protocols{}, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
		set(tr.Protocols)
		clients = append(clients, &http.Client{Transport: tr, Timeout: 10 * time.Second})
	}
	urls := []string{r.url, r.url, "https://" + r.Addresses()[1], "https://" + r.Addresses()[1]}
	for i := range 8 {
		draw := rand.New(rand.NewPCG(3, uint64(i)))
		client, url := clients[i%len(clients)], urls[i%len(urls)]
		work.Go(func() {
			for ctx.Err() == nil {
				ask, end := context.WithTimeout(ctx, time.Duration(draw.IntN(40)+1)*time.Millisecond)
				if draw.IntN(3) > 0 { // most have patience
					end()
					ask, end = context.WithCancel(context.WithoutCancel(ctx))
				}
				method, body := "GET", ""
				if draw.IntN(4) == 0 {
					method, body = "POST", strings.Repeat("b", draw.IntN(200_000))
				}
				req, err := http.NewRequestWithContext(ask, method, url+[]string{"/", "/slow", "/other"}[draw.IntN(3)]+"?"+strings.Repeat("q", draw.IntN(2000)), strings.NewReader(body))
				if err != nil {
					t.Error(err)
				}
				res, err := client.Do(req)
				if err != nil {
					failed.Add(1)
				} else {
					_, _ = io.Copy(io.Discard, res.Body)
					res.Body.Close()
					answered.Add(1)
				}
				end()
			}
		})
	}
	work.Go(func() { // nonsense, and heads that break off
		for ctx.Err() == nil {
			c, err := net.Dial("tcp", r.Addresses()[0])
			if err != nil {
				t.Error(err)
				return
			}
			fmt.Fprint(c, []string{"nonsense\r\n\r\n", "GET / HTTP/1.1\r\nHo", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", ""}[time.Now().UnixNano()%4])
			time.Sleep(5 * time.Millisecond)
			c.Close()
		}
	})
	added, reloads := 0, 0
	var extras []string
	began := time.Now()
	for ctx.Err() == nil {
		if time.Since(began) > length && answered.Load() >= 100 { // on a busy machine that takes its time
			cancel()
		}
		i := seed.IntN(len(sick))
		id := fmt.Sprint("web-", i+1)
		switch seed.IntN(7) {
		case 0, 1:
			sick[i].Store(!sick[i].Load())
		case 2:
			_ = r.SetWeight("web", id, seed.IntN(5)+1) // whoever is gone has no weight
		case 3:
			_ = r.SetMaintenance("web", id, seed.IntN(2) == 0)
		case 4:
			if len(extras) < 6 {
				added++
				extras = append(extras, fmt.Sprint("extra-", added))
				if err := r.Add("web", config.Target{ID: extras[len(extras)-1], Address: address(targets[i])}); err != nil {
					t.Error(err)
				}
			}
		case 5:
			if len(extras) > 0 {
				if err := r.Drain("web", extras[0]); err != nil {
					t.Error(err)
				}
				extras = extras[1:]
			}
		case 6:
			next := cfg
			next.Groups = slices.Clone(cfg.Groups)
			g := &next.Groups[0]
			g.Strategy.Kind = pick.Kinds().Table().Names()[seed.IntN(len(pick.Kinds().Table()))]
			if g.Limits = nil; seed.IntN(2) == 0 {
				g.Limits = &group.Limits{Requests: 2, Queue: 4, Wait: 20 * time.Millisecond}
			}
			if g.Sticky = nil; seed.IntN(2) == 0 {
				g.Sticky = &group.Sticky{Cookie: "LB", For: time.Hour}
			}
			switch err := r.Reload(next); {
			case err == nil:
				extras = nil // they are not in the file
			case !strings.Contains(err.Error(), "the old ones stay"): // those of the file may all be sick or at rest
				t.Error(err)
			}
			reloads++
		}
		time.Sleep(10 * time.Millisecond)
	}
	work.Wait()
	for _, c := range clients {
		c.CloseIdleConnections()
	}
	await(t, "everything to end", func() bool {
		for _, x := range r.Stats().Groups["web"] {
			if x.InFlight != 0 {
				return false
			}
		}
		return true
	})
	r.stop()
	for _, s := range targets {
		s.Close()
	}
	if answered.Load() < 100 {
		t.Errorf("only %d answers", answered.Load())
	}
	await(t, "the descriptors to be closed", func() bool { return descriptors(t) <= before+1 }) // the poller's own may come with the first socket
	t.Logf("%d answered, %d given up, %d targets added, %d reloads", answered.Load(), failed.Load(), added, reloads)
}
