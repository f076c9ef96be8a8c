package balancer

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/balancer/route"
	"github.com/seed-8025779b/shakedown/chaos"
)

// What a client is told of a body that did not come names no address.
func TestLateBodiesNameNoAddress(t *testing.T) {
	cfg := raws(rawTarget(t, mute))
	cfg.Listeners[0].Timeouts.Body = short
	r := start(t, cfg, nil)
	status, answer := r.exchangeOnce(t, unfinished)
	if status != "408" || strings.Contains(answer, "127.0.0.1") || !strings.Contains(answer, "Shakedown-Reason: the body did not come in time\r\n") {
		t.Errorf("%q", answer)
	}
}

// Answers that have no body have no length either, so that what follows on the connection is read as it is meant.
func TestBodilessAnswers(t *testing.T) {
	for _, code := range []int{204, 304} {
		var asked atomic.Int64
		for name, r := range map[string]*running{
			"respond": start(t, func() config.Config {
				cfg := raws(rawTarget(t, answering(fine)))
				cfg.Listeners[0].Rules = append(route.Table{{Path: "/", Respond: &route.Respond{Status: code}}}, cfg.Listeners[0].Rules...)
				return cfg
			}(), nil),
			"fault": start(t, raws(rawTarget(t, answering(fine))), func(*chaos.Exchange) chaos.Effect {
				if asked.Add(1) == 1 {
					return chaos.Effect{Status: code}
				}
				return chaos.Effect{}
			}),
		} {
			c, rd := r.dial(t)
			fmt.Fprint(c, plainGet+"GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
			all, err := io.ReadAll(rd)
			if err != nil {
				t.Fatal(err)
			}
			first, rest, _ := strings.Cut(string(all), "\r\n\r\n")
			if !strings.HasPrefix(first, fmt.Sprintf("HTTP/1.1 %d ", code)) || strings.Contains(first, "Content-Length") || strings.Contains(first, "Content-Type") || !strings.HasPrefix(rest, "HTTP/1.1 200 ") {
				t.Errorf("%s %d: %q", name, code, all)
			}
			c.Close()
		}
	}
}

// A reload leaves the seed as it is, and says so when the configuration has another.
func TestReloadKeepsTheSeed(t *testing.T) {
	var notes []string
	cfg := settings(server(t, "one"))
	cfg.Seed = 5
	r := startWith(t, cfg, Options{Note: func(s string) { notes = append(notes, s) }, ReadyWithin: time.Second})
	if err := r.Reload(cfg); err != nil || len(notes) > 0 {
		t.Errorf("%v, %q", err, notes)
	}
	cfg.Seed = 7
	if err := r.Reload(cfg); err != nil || !slices.Equal(notes, []string{"seed stays 5: another one takes a start"}) {
		t.Errorf("%v, %q", err, notes)
	}
}
