package group

import (
	"slices"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/health"
	"github.com/seed-8025779b/shakedown/balancer/pick"
	"github.com/seed-8025779b/shakedown/scenarios/draw"
)

// Config is a group's settings. A nil Health or Outliers turns that detection off.
type Config struct {
	Strategy     pick.Builder
	StrategyName string // for the decision log
	Health       *health.Config
	Outliers     *health.OutlierConfig
	Retry        *Retry // nil: none
	// SlowStart is how long a target takes to its full share: one that joins a group in service, or comes back. Those
	// that a group begins with have it at once. 0: everybody has.
	SlowStart time.Duration
	FailOpen  *FailOpen     // nil: a group without a healthy target answers nothing
	Limits    *Limits       // nil: none
	Zones     *Zones        // nil: every zone is as good as the others
	Sticky    *Sticky       // nil: clients don't stick to targets
	Drain     time.Duration // how long a draining target may finish what it runs
	Seed      draw.Seed
}

// settings are the configuration in force, and what follows from it.
type settings struct {
	cfg      Config
	strategy pick.Strategy
	times    pick.TimeObserver // the strategy, when it learns how long targets take to answer
	observer pick.Observer     // the strategy, when it learns how exchanges end
}

func (g *Group) configure(cfg Config, strategy pick.Strategy) {
	x := &settings{cfg: cfg, strategy: strategy}
	x.times, _ = strategy.(pick.TimeObserver)
	x.observer, _ = strategy.(pick.Observer)
	g.settings.Store(x)
}

// Reconfigure changes the group's settings. Its targets keep their state, and the strategy its own when it stays the
// same; without one it is made anew.
func (g *Group) Reconfigure(now time.Duration, cfg Config, sameStrategy bool) (out []Effect) {
	old := g.settings.Load()
	strategy := old.strategy
	if !sameStrategy {
		strategy = cfg.Strategy(cfg.Seed.Stream("pick:" + g.name))
	}
	g.configure(cfg, strategy)
	if c := cfg.Outliers; c != nil {
		g.sweep = now + c.Interval
	}
	for _, t := range slices.Clone(g.targets) {
		if cfg.Health == nil {
			t.fresh, t.up = false, true
		}
		if cfg.Outliers == nil {
			t.endEjection(now)
		}
		out = append(out, g.settle(now, t, "the settings have changed")...)
	}
	return append(out, g.publishLater(now)...)
}

// Config returns the settings in force. They are not to be changed.
func (g *Group) Config() *Config { return &g.settings.Load().cfg }
