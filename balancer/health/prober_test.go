package health

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/chaos"
)

// What a prober does with each end of a probe, and with what a fault does to one.
func TestProber(t *testing.T) {
	const ms = time.Millisecond
	words := func(s Step) (out []string) {
		if s.Report {
			if out = append(out, "passed"); !s.Finding.Passed {
				out[0] = s.Finding.Reason
			}
		}
		if s.Send {
			return append(out, fmt.Sprintf("send until %v", s.Until))
		}
		return append(out, "wait")
	}
	http := Config{Kind: HTTP, Interval: time.Second, Timeout: 100 * ms, Body: "fine"}
	tcp := Config{Kind: TCP, Interval: time.Second, Timeout: 100 * ms}
	call := Config{Kind: GRPC, Path: "/a", Matcher: Matcher{{0, 0}}, Interval: time.Second, Timeout: 100 * ms}
	wide := Config{Kind: HTTP, Interval: time.Second, Timeout: 100 * ms, Matcher: Matcher{{200, 499}}}
	type happened struct {
		at time.Duration
		Event
	}
	for _, tc := range []struct {
		name   string
		c      Config
		fault  chaos.Effect
		events []happened
		want   []string
	}{
		{"it passes", http, chaos.Effect{}, []happened{{5 * ms, Event{Kind: Answered, Status: 200, Body: []byte("all fine")}}}, []string{"send until 100ms", "passed", "wait"}},
		{"another status", http, chaos.Effect{}, []happened{{5 * ms, Event{Kind: Answered, Status: 500, Body: []byte("fine")}}}, []string{"send until 100ms", "status 500", "wait"}},
		{"another text", http, chaos.Effect{}, []happened{{5 * ms, Event{Kind: Answered, Status: 200}}}, []string{"send until 100ms", `the body does not hold "fine"`, "wait"}},
		{"no connection", http, chaos.Effect{}, []happened{{5 * ms, Event{Kind: Failed, Reason: "refused"}}}, []string{"send until 100ms", "refused", "wait"}},
		{"nothing learned", http, chaos.Effect{}, []happened{{5 * ms, Event{Kind: Failed, Reason: "no port", Nothing: true}}}, []string{"send until 100ms", "wait"}},
		{"too late", http, chaos.Effect{}, []happened{{100 * ms, Event{Kind: Expired}}}, []string{"send until 100ms", "no answer within 100ms", "wait"}},
		{"a connection", tcp, chaos.Effect{}, []happened{{5 * ms, Event{Kind: Connected}}}, []string{"send until 100ms", "passed", "wait"}},
		{"a call", call, chaos.Effect{}, []happened{{5 * ms, Event{Kind: Called, CallEnd: "0"}}}, []string{"send until 100ms", "passed", "wait"}},
		{"a call that fails", call, chaos.Effect{}, []happened{{5 * ms, Event{Kind: Called, CallEnd: "14"}}}, []string{"send until 100ms", "grpc-status 14", "wait"}},
		{"a call without an end of its own", call, chaos.Effect{}, []happened{{5 * ms, Event{Kind: Answered, Status: 404}}}, []string{"send until 100ms", "status 404", "wait"}},
		{"the next one", http, chaos.Effect{}, []happened{{5 * ms, Event{Kind: Failed, Reason: "refused"}}, {time.Second, Event{}}}, []string{"send until 100ms", "refused", "wait", "send until 1.1s"}},
		{"delayed", http, chaos.Effect{Delay: 30 * ms}, []happened{{30 * ms, Event{}}, {40 * ms, Event{Kind: Connected}}}, []string{"wait", "send until 100ms", "passed", "wait"}},
		{"delayed for too long", http, chaos.Effect{Delay: 300 * ms}, []happened{{100 * ms, Event{}}}, []string{"wait", "no answer within 100ms", "wait"}},
		{"a fault's answer", http, chaos.Effect{Status: 503}, nil, []string{"status 503", "wait"}},
		{"one that matches", wide, chaos.Effect{Status: 404}, nil, []string{"passed", "wait"}},
		{"one to a call", call, chaos.Effect{Status: 503}, nil, []string{"status 503", "wait"}},
		{"one after a delay", http, chaos.Effect{Status: 503, Delay: 30 * ms}, []happened{{30 * ms, Event{}}}, []string{"wait", "status 503", "wait"}},
		{"one where HTTP is not spoken", tcp, chaos.Effect{Status: 503}, []happened{{5 * ms, Event{Kind: Connected}}}, []string{"send until 100ms", "passed", "wait"}},
	} {
		p := NewProber(&tc.c, 1, "a", func(x *chaos.Exchange) chaos.Effect {
			if !x.Probe || x.Target != "a" {
				t.Errorf("%s: a fault was asked about %+v", tc.name, x)
			}
			return tc.fault
		})
		got := words(p.Begin(0))
		for _, e := range tc.events {
			got = append(got, words(p.Next(e.at, e.Event))...)
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

// Probes keep their grid however long one takes, and each has a number of its own for the draws of faults.
func TestProbesKeepTheirGrid(t *testing.T) {
	c := &Config{Interval: time.Second, Timeout: 900 * time.Millisecond}
	var numbers []uint64
	p := NewProber(c, 1, "a", func(x *chaos.Exchange) chaos.Effect {
		numbers = append(numbers, x.Seq)
		return chaos.Effect{}
	})
	var grid time.Duration
	for i, step := 0, p.Begin(0); i < 5; i++ {
		took := time.Duration(i) * 200 * time.Millisecond
		now := step.Until - c.Timeout // when it began
		step = p.Next(now+took, Event{Kind: Answered, Status: 200})
		if i > 0 && step.Until != grid+c.Interval {
			t.Errorf("probe %d follows at %v, the one before was at %v", i, step.Until, grid)
		}
		grid = step.Until
		step = p.Next(grid, Event{})
	}
	if !slices.Equal(numbers, []uint64{0, 1, 2, 3, 4, 5}) {
		t.Errorf("numbers %v", numbers)
	}
}
