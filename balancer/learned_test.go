package balancer

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/balancer/memnet"
	"github.com/seed-8025779b/shakedown/balancer/route"
	"github.com/seed-8025779b/shakedown/loadgen/pace"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// What a client takes is not the time of its target: strategies that go by response times stay with the quicker target after its client has
// sent its body slowly, has read its answer slowly, or has used a connection whose protocol has changed.
func TestClientsDoNotMakeTargetsSlow(t *testing.T) {
	const clients = 5 * time.Second // what they take
	for name, slow := range map[string]func(c net.Conn, r *bufio.Reader) error{
		"upload": func(c net.Conn, r *bufio.Reader) error {
			fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
			for range 5 {
				time.Sleep(clients / 5)
				fmt.Fprint(c, "x")
			}
			_, err := http.ReadResponse(r, nil)
			return err
		},
		"reading": func(c net.Conn, r *bufio.Reader) error {
			fmt.Fprint(c, "GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
			time.Sleep(clients)
			res, err := http.ReadResponse(r, nil)
			if err == nil {
				_, err = io.Copy(io.Discard, res.Body)
			}
			return err
		},
		"another protocol": func(c net.Conn, r *bufio.Reader) error {
			fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
			_, err := http.ReadResponse(r, nil)
			time.Sleep(clients)
			return err
		},
	} {
		for _, strategy := range []spec.Written{{Kind: "least_time"}, {Kind: "peak_ewma", Values: map[string]string{"replacement": "false"}}, {Kind: "prequal"}} {
			t.Run(name+", "+strategy.Kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { clientsDoNotMakeTargetsSlow(t, strategy, slow) })
			})
		}
	}
}

func clientsDoNotMakeTargetsSlow(t *testing.T, strategy spec.Written, slow func(net.Conn, *bufio.Reader) error) {
	network, clock := memnet.New(), pace.StartClock()
	listen := func(address string) net.Listener {
		l, err := network.Listen(address)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	cfg := config.Config{
		Listeners: []config.Listener{{Address: "10.0.0.1:80", Rules: route.Table{{Forward: "web"}}}},
		Groups:    []config.Group{{Name: "web", Strategy: strategy}},
	}
	for _, x := range []struct {
		id, address string
		after       time.Duration
	}{{"quick", "10.0.0.2:80", 10 * time.Millisecond}, {"slower", "10.0.0.3:80", 40 * time.Millisecond}} {
		s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			time.Sleep(x.after)
			switch {
			case r.Header.Get("Upgrade") != "":
				c, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				fmt.Fprint(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
				_, _ = io.Copy(io.Discard, c)
				c.Close()
			case r.URL.Path == "/large":
				_, _ = w.Write(make([]byte, 16<<20))
			default:
				fmt.Fprint(w, x.id)
			}
		})}
		l := listen(x.address)
		go s.Serve(l)
		defer s.Close()
		cfg.Groups[0].Targets = append(cfg.Groups[0].Targets, config.Target{ID: x.id, Address: x.address})
	}
	var port atomic.Uint32
	dial := func(ctx context.Context, address string) (net.Conn, error) {
		c, err := network.Dial(ctx, fmt.Sprintf("127.0.0.1:%d", 1024+port.Add(1)), address)
		if err != nil {
			return nil, err
		}
		return c, nil
	}
	b, err := New(cfg, Options{Clock: &clock, Dial: dial})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.ListenOn([]net.Listener{listen("10.0.0.1:80")}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error)
	go func() { served <- b.Serve(ctx) }()
	ask := func(request func(net.Conn, *bufio.Reader) error) {
		t.Helper()
		c, err := dial(ctx, "10.0.0.1:80")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := request(c, bufio.NewReader(c)); err != nil {
			t.Error(err)
		}
		c.Close()
		synctest.Wait()
	}
	plain := func(c net.Conn, r *bufio.Reader) error {
		fmt.Fprint(c, plainGet)
		_, err := http.ReadResponse(r, nil)
		return err
	}
	requests := func(id string) uint64 {
		for _, x := range b.Stats().Groups["web"] {
			if x.ID == id {
				return x.Requests
			}
		}
		return 0
	}
	for requests("quick") == 0 || requests("slower") == 0 { // both are known
		ask(plain)
	}
	for before := requests("quick"); requests("quick") == before; { // the quick one has met the slow client
		ask(slow)
	}
	before := requests("slower")
	for range 10 {
		ask(plain)
	}
	if n := requests("slower") - before; n > 1 { // prequal forgets what it knew of an idle target, and looks again
		t.Errorf("%d of 10 requests went to the slower target", n)
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
