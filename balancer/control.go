package balancer

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/balancer/control"
	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// Command is what a parent sends to a balancer that it controls: first Config, then any of the others.
type Command struct {
	Config   *config.Config `json:"config,omitempty"`
	Origin   *time.Duration `json:"origin,omitempty"` // CLOCK_MONOTONIC at which the load begins
	Add      *Member        `json:"add,omitempty"`
	Drain    *Member        `json:"drain,omitempty"` // by id
	FaultOn  *Fault         `json:"fault_on,omitempty"`
	FaultOff string         `json:"fault_off,omitempty"`
	Watch    []string       `json:"watch,omitempty"` // ids of targets whose next failure is to be told; FaultOn does it too
	Stop     bool           `json:"stop,omitempty"`
}

// Member is a target of a group.
type Member struct {
	Group string `json:"group"`
	config.Target
}

// Fault is a wire fault to put in force.
type Fault struct {
	ID      string       `json:"id"`
	Kind    spec.Written `json:"kind"`
	Targets []string     `json:"targets"`
}

// Report is what a controlled balancer sends: Listening or Error first, then the others as they happen.
// Times are on CLOCK_MONOTONIC.
type Report struct {
	Listening []string     `json:"listening,omitempty"`
	Error     string       `json:"error,omitempty"`
	Group     string       `json:"group,omitempty"` // of Effect
	Effect    *EffectEvent `json:"effect,omitempty"`
	Reverted  *Reverted    `json:"reverted,omitempty"`
	Abandoned *Abandoned   `json:"abandoned,omitempty"` // beside Stats
	Stats     *Stats       `json:"stats,omitempty"`
}

// EffectEvent is a group.Effect on the wire.
type EffectEvent = group.Effect

// Reverted tells that a wire fault is no longer in force, and how many exchanges it touched.
type Reverted struct {
	At   time.Duration `json:"at"`
	ID   string        `json:"id"`
	Hits uint64        `json:"hits"`
}

// Injector holds the wire faults in force.
type Injector interface {
	On(id string, kind spec.Written, targets []string) error
	Off(id string) (hits uint64)
	Touch(x *chaos.Exchange) chaos.Effect
}

// statsEvery is how often a controlled balancer reports its counts.
const statsEvery = 200 * time.Millisecond

// ServeControlled runs a balancer as its parent says, until the parent says stop or hangs up, or the
// context ends. injector makes the holder of faults for the configuration's seed.
func ServeControlled(ctx context.Context, c *control.Conn, injector func(draw.Seed) Injector) error {
	defer c.Close()
	var first Command
	if err := c.Receive(&first); err != nil || first.Config == nil {
		return err
	}
	faults := injector(first.Config.Seed)
	out := control.NewOutbox(c) // events are told under a group's lock: a parent that does not read must not hold it
	defer out.Close()
	b, err := New(*first.Config, Options{
		Touch:  faults.Touch,
		Events: func(name string, e group.Effect) { out.Put(Report{Group: name, Effect: &e}) },
	})
	if err == nil {
		err = b.Listen()
	}
	if err != nil {
		out.Put(Report{Error: err.Error()})
		return nil
	}
	out.Put(Report{Listening: b.Addresses()})
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // ends with the process, which ends when Receive fails
		defer cancel()
		for {
			var cmd Command
			if c.Receive(&cmd) != nil || cmd.Stop {
				return
			}
			if err := b.obey(&cmd, faults, out); err != nil {
				out.Put(Report{Error: err.Error()})
			}
		}
	}()
	reporting := make(chan struct{})
	go func() {
		defer close(reporting)
		tick := time.NewTicker(statsEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				if !out.Waiting() {
					b.report(out)
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	err = b.Serve(ctx)
	<-reporting
	b.report(out)
	return err
}

func (b *Balancer) report(out *control.Outbox) {
	s := b.Stats()
	out.Put(Report{Stats: &s, Abandoned: b.abandoned.take()})
}

func (b *Balancer) obey(cmd *Command, faults Injector, out *control.Outbox) error {
	switch {
	case cmd.Origin != nil:
		b.SetOrigin(*cmd.Origin)
	case cmd.Add != nil:
		return b.Add(cmd.Add.Group, cmd.Add.Target)
	case cmd.Drain != nil:
		return b.Drain(cmd.Drain.Group, cmd.Drain.ID)
	case len(cmd.Watch) > 0:
		b.Watch(cmd.Watch)
	case cmd.FaultOn != nil:
		b.Watch(cmd.FaultOn.Targets)
		return faults.On(cmd.FaultOn.ID, cmd.FaultOn.Kind, cmd.FaultOn.Targets)
	case cmd.FaultOff != "":
		hits := faults.Off(cmd.FaultOff)
		out.Put(Report{Reverted: &Reverted{b.clock.Now(), cmd.FaultOff, hits}})
	default:
		return fmt.Errorf("empty command")
	}
	return nil
}
