// Package loadgen plays a schedule of requests through an engine and delivers one sample for each.
//
// An engine knows nothing of phases, gates or faults. There are two: wire, which speaks HTTP/1.1 itself and
// costs little, and vegeta, by way of vegeta's library and net/http, which also speaks HTTP/2 and follows
// redirects.
package loadgen

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/attempt"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/pace"
	"github.com/seed-8025779b/shakedown/loadgen/profile"
	"github.com/seed-8025779b/shakedown/loadgen/vegeta"
	"github.com/seed-8025779b/shakedown/loadgen/wire"
)

// Engine plays a schedule.
type Engine interface {
	// Play offers each request at its due time on the clock and delivers its sample, from any goroutine; the
	// sample is the sink's only during the call. It returns when every request offered has its sample. When
	// the context ends it stops offering and cancels what runs; requests that were never offered get no
	// sample.
	Play(ctx context.Context, s profile.Schedule, clock pace.Clock, sink func(*measure.Sample)) error
	// InFlight is how many requests were offered and have no outcome yet, those that wait for a connection
	// included. It may be asked at any time.
	InFlight() int64
}

// kind is one line of the table of engines.
type kind struct {
	name        string
	lagLimit    time.Duration
	unsupported func(attempt.Config) string // what the configuration asks for and the engine does not have
	make        func(attempt.Config) (Engine, error)
}

func kinds() []kind {
	return []kind{
		{"wire", wire.LagLimit, wire.Unsupported, func(c attempt.Config) (Engine, error) { return wire.New(c) }},
		{"vegeta", vegeta.LagLimit, vegeta.Unsupported, func(c attempt.Config) (Engine, error) { return vegeta.New(c) }},
	}
}

// Names lists the engines, the preferred one first.
func Names() (names []string) {
	for _, k := range kinds() {
		names = append(names, k.name)
	}
	return names
}

// Unsupported names what an engine does not have of what a configuration asks for; "" when it has everything.
func Unsupported(engine string, c attempt.Config) string {
	for _, k := range kinds() {
		if k.name == engine {
			return k.unsupported(c)
		}
	}
	return ""
}

// Choose returns the first engine that has what the configuration asks for; the first of all when none has.
func Choose(c attempt.Config) string {
	for _, k := range kinds() {
		if k.unsupported(c) == "" {
			return k.name
		}
	}
	return kinds()[0].name
}

// New returns the engine of that name, and the delay of a single request by the generator itself that is tolerated
// on any machine, and counts as none.
func New(engine string, c attempt.Config) (Engine, time.Duration, error) {
	for _, k := range kinds() {
		if k.name != engine {
			continue
		}
		if missing := k.unsupported(c); missing != "" {
			return nil, 0, fmt.Errorf("engine %s has no %s", k.name, missing)
		}
		e, err := k.make(c)
		return e, k.lagLimit, err
	}
	return nil, 0, fmt.Errorf("unknown engine %q: there are %v", engine, Names())
}
