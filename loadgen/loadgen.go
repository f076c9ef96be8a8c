// Package loadgen plays a schedule of requests through an engine and delivers one sample for each.
//
// An engine knows nothing of phases, gates or faults. The one there is so far goes by way of vegeta's
// library (loadgen/vegeta).
package loadgen

import (
	"context"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/pace"
	"github.com/seed-8025779b/shakedown/loadgen/profile"
	"github.com/seed-8025779b/shakedown/loadgen/vegeta"
)

// Engine plays a schedule.
type Engine interface {
	// Play offers each request at its due time on the clock and delivers its sample, from any goroutine.
	// It returns when every request offered has its sample. When the context ends it stops offering and
	// cancels what runs; requests that were never offered get no sample.
	Play(ctx context.Context, s profile.Schedule, clock pace.Clock, sink func(*measure.Sample)) error
}

// Config is what a load is played with.
type Config = vegeta.Config

// New returns an engine for the configuration.
func New(c Config) (Engine, error) { return vegeta.New(c) }
