// Package loadgen plays a schedule of requests through an engine and delivers one sample for each.
//
// An engine knows nothing of phases, gates or faults. There are two: wire, which speaks HTTP/1.1 itself and
// costs little, and vegeta, by way of vegeta's library and net/http.
package loadgen

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/mix"
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
}

// Config is what a load is played with.
type Config struct {
	Engine      string // a name of Names
	Target      string // http or https URL; the requests' paths are resolved below it
	Mix         *mix.Mix
	Timeout     time.Duration // from the due time to the end of the exchange
	Connections int           // exchanges at once; more wait in order of due time
	Identify    bool          // send each request's sequence number along
	Connect     Connect
}

// kind is one line of the table of engines.
type kind struct {
	name     string
	lagLimit time.Duration
	make     func(Config, *tls.Config, dialer) (Engine, error)
}

type dialer = func(ctx context.Context, network, address string) (net.Conn, error)

func kinds() []kind {
	return []kind{
		{"wire", wire.LagLimit, func(c Config, t *tls.Config, dial dialer) (Engine, error) {
			return wire.New(wire.Config{Target: c.Target, Mix: c.Mix, Timeout: c.Timeout, Connections: c.Connections, Identify: c.Identify, TLS: t, Dial: dial})
		}},
		{"vegeta", vegeta.LagLimit, func(c Config, t *tls.Config, dial dialer) (Engine, error) {
			return vegeta.New(vegeta.Config{Target: c.Target, Mix: c.Mix, Timeout: c.Timeout, Connections: c.Connections, Identify: c.Identify, TLS: t, Dial: dial})
		}},
	}
}

// Names lists the engines; the first is the default.
func Names() (names []string) {
	for _, k := range kinds() {
		names = append(names, k.name)
	}
	return names
}

// New returns the engine that the configuration names, and the lateness (p99) up to which its figures are
// trusted on any machine.
func New(c Config) (Engine, time.Duration, error) {
	for _, k := range kinds() {
		if k.name == c.Engine {
			t, err := c.Connect.tls()
			if err != nil {
				return nil, 0, err
			}
			dial, err := c.Connect.dial()
			if err != nil {
				return nil, 0, err
			}
			e, err := k.make(c, t, dial)
			return e, k.lagLimit, err
		}
	}
	return nil, 0, fmt.Errorf("unknown engine %q: there are %v", c.Engine, Names())
}
