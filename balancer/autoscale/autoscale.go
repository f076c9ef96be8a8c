// Package autoscale decides how many targets a group should have.
//
// A Policy sees a Signal (datapoints, readiness, activities under way) and answers with a Decision. Several
// policies combine by their votes; limits and cooldowns are decorators. All are pure but for a cooldown's
// memory of its last change, so that the recorded signals of a run, replayed, give its decisions again.
package autoscale

import (
	"fmt"
	"time"

	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// Datapoint is the metric over one period.
type Datapoint struct {
	At      time.Duration `json:"at"` // the period's end
	Value   float64       `json:"value"`
	Missing bool          `json:"missing,omitempty"`
}

// Signal is all that a decision is made from.
type Signal struct {
	At        time.Duration `json:"at"`
	Points    []Datapoint   `json:"points"` // the latest last
	InService int           `json:"in_service"`
	Warming   int           `json:"warming"` // launched or launching, not yet in service
	Desired   int           `json:"desired"`
}

// Vote is what a policy wants.
type Vote string

// The votes of a policy.
const (
	Hold   Vote = "hold"
	Out    Vote = "out"
	In     Vote = "in"
	NoData Vote = "no_data" // freezes: neither out nor in
)

// Decision is a policy's answer.
type Decision struct {
	Desired int    `json:"desired"`
	Vote    Vote   `json:"vote"`
	Reason  string `json:"reason"`
	// Breach is the end of the first datapoint of the run above the target, of a decision to scale out.
	Breach time.Duration `json:"breach,omitempty"`
}

// Policy decides.
type Policy interface {
	Decide(s *Signal) Decision
}

// Kinds is the table of policies.
func Kinds() spec.Kinds[Policy] { return spec.Kinds[Policy]{targetTracking} }

// All combines policies: out if any wants it, with the largest capacity; in only if all do, with the
// largest capacity too.
type All []Policy

// Decide asks every policy.
func (a All) Decide(s *Signal) Decision {
	d := Decision{Desired: s.Desired, Vote: Hold}
	for i, p := range a {
		v := p.Decide(s)
		switch {
		case i == 0,
			v.Vote == Out && (d.Vote != Out || v.Desired > d.Desired),
			d.Vote == In && (v.Vote != In || v.Desired > d.Desired):
			d = v
		}
	}
	return d
}

// Limits keeps the desired count within [Min, Max].
type Limits struct {
	Policy
	Min, Max int
}

// Decide clamps what the inner policy wants.
func (l Limits) Decide(s *Signal) Decision {
	d := l.Policy.Decide(s)
	if clamped := min(max(d.Desired, l.Min), l.Max); clamped != d.Desired {
		d.Reason += fmt.Sprintf(" (kept within %d to %d)", l.Min, l.Max)
		d.Desired = clamped
	}
	return d
}

// Cooldown holds for some time after each change.
type Cooldown struct {
	Policy
	For time.Duration

	until   time.Duration
	started bool
}

// Decide passes the inner decision on unless a change is too recent.
func (c *Cooldown) Decide(s *Signal) Decision {
	d := c.Policy.Decide(s)
	if d.Desired == s.Desired {
		return d
	}
	if c.started && s.At < c.until {
		return Decision{
			Desired: s.Desired, Vote: Hold,
			Reason: d.Reason + fmt.Sprintf(" (cooling down until %v)", c.until.Round(time.Millisecond)),
		}
	}
	c.started, c.until = true, s.At+c.For
	return d
}

// Config is everything that makes a group's policy.
type Config struct {
	Min, Max int
	Cooldown time.Duration
	Policies []spec.Choice
}

// New builds the policy of a group. Limits stand inside the cooldown: a change that they forbid does not
// start one.
func New(c Config) (Policy, error) {
	var all All
	for _, choice := range c.Policies {
		p, err := Kinds().New(choice)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return &Cooldown{Policy: Limits{all, c.Min, c.Max}, For: c.Cooldown}, nil
}

// Replay decides on recorded signals, in their order.
func Replay(c Config, signals []Signal) ([]Decision, error) {
	p, err := New(c)
	if err != nil {
		return nil, err
	}
	out := make([]Decision, len(signals))
	for i := range signals {
		out[i] = p.Decide(&signals[i])
	}
	return out, nil
}
