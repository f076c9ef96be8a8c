// Package health decides when a target is fit for traffic: active checks with thresholds, and passive
// detection of outliers in real traffic. It counts; it neither probes nor waits.
package health

import (
	"time"

	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// Config is an active check.
type Config struct {
	Path      string        // asked for with GET; 200 passes
	Interval  time.Duration // between the starts of two probes of a target
	Timeout   time.Duration // a probe without an answer by then has failed
	Healthy   int           // passes in a row that bring an unhealthy target back
	Unhealthy int           // failures in a row that take a target out
}

// Params describes a check as a scenario writes it. The defaults are HAProxy's (check inter 2s, fall 3,
// rise 2), which suit a rehearsal of minutes; a cloud's usual 30 s would not notice a fault within it.
func Params() []spec.Param {
	return []spec.Param{
		{Name: "path", Type: spec.Text, Default: "/health", Doc: "what a probe asks for with GET; 200 passes"},
		{Name: "interval", Type: spec.Duration, Default: "2s", Min: .01, Max: 300, Doc: "between the starts of two probes of a target"},
		{Name: "timeout", Type: spec.Duration, Default: "1s", Min: .001, Max: 120, Doc: "a probe without an answer by then has failed"},
		{Name: "healthy", Type: spec.Count, Default: "2", Min: 1, Max: 10, Doc: "passes in a row that bring an unhealthy target back; a new one needs a single pass"},
		{Name: "unhealthy", Type: spec.Count, Default: "3", Min: 1, Max: 10, Doc: "failures in a row that take a target out"},
	}
}

// New returns the check that the values describe.
func New(v spec.Values) *Config {
	return &Config{v.Text("path"), v.Duration("interval"), v.Duration("timeout"), v.Int("healthy"), v.Int("unhealthy")}
}

// FirstProbe is when a target that was added at a given time is first probed: at once. Later probes keep
// the interval from a seeded phase, so that the targets of a group are not probed in step.
func (c *Config) FirstProbe(added time.Duration) time.Duration { return added }

// NextProbe is the first instant of the target's probe grid after now. A slow answer never shifts it.
func (c *Config) NextProbe(seed draw.Seed, id string, now time.Duration) time.Duration {
	phase := time.Duration(seed.Stream("probe").Float(draw.Name(id), 0) * float64(c.Interval))
	k := (now - phase) / c.Interval
	if now < phase { // division truncates towards zero
		k = -((phase - now + c.Interval - 1) / c.Interval)
	}
	next := phase + k*c.Interval
	for next <= now {
		next += c.Interval
	}
	return next
}

// Check counts a target's probes.
type Check struct {
	passes, fails int
}

// Observe counts a probe and reports whether the target now deserves a change: up after enough passes in
// a row, down after enough failures. A target that has never been healthy (fresh) needs a single pass.
func (k *Check) Observe(c *Config, passed, fresh bool) (up, down bool) {
	if !passed {
		k.passes = 0
		k.fails++
		return false, k.fails >= c.Unhealthy
	}
	k.fails = 0
	k.passes++
	return fresh || k.passes >= c.Healthy, false
}

// Passing reports whether the latest probe passed.
func (k *Check) Passing() bool { return k.passes > 0 }
