package live

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/seed-8025779b/shakedown/balancer"
	"github.com/seed-8025779b/shakedown/balancer/certs"
	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/loadgen"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/mix"
	"github.com/seed-8025779b/shakedown/loadgen/monitor"
	"github.com/seed-8025779b/shakedown/loadgen/pace"
	"github.com/seed-8025779b/shakedown/loadgen/profile"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
)

// Now implements the player's world.
func (w *World) Now() time.Duration { return w.clock.Now() - w.epoch }

type alarm struct {
	at      time.Duration
	f       func()
	timer   *time.Timer
	stopped bool
}

// At implements the player's world.
func (w *World) At(t time.Duration, f func()) (stop func() bool) {
	a := &alarm{at: t}
	fired := false
	a.f = func() {
		if !a.stopped {
			fired = true
			f()
		}
	}
	if w.started {
		w.arm(a)
	} else {
		w.alarms = append(w.alarms, a)
	}
	return func() bool {
		if a.timer != nil {
			a.timer.Stop()
		}
		a.stopped = true
		return !fired
	}
}

func (w *World) arm(a *alarm) {
	a.timer = time.AfterFunc(a.at-w.Now(), func() { w.post(a.f) })
}

// lead is the time between the decision to begin and the begin of the load, in which everything is armed.
const lead = 20 * time.Millisecond

// InFlight implements the player's world.
func (w *World) InFlight() int64 {
	if w.engine == nil {
		return 0
	}
	return w.engine.InFlight()
}

// Calibrate learns how many requests a second the scenario's generator can offer on this machine.
func Calibrate(ctx context.Context, s *plan.Scenario) (float64, error) {
	config := s.Client.Config
	var err error
	if config.Mix, err = mix.New(s.Seed, s.Load.Set); err != nil {
		return 0, err
	}
	return loadgen.Calibrate(ctx, s.Client.Engine, config)
}

// Play implements the player's world.
func (w *World) Play(ctx context.Context, sched profile.Schedule, sink func(*measure.Sample)) (plan.Played, error) {
	config := w.s.Client.Config
	if w.s.Topology != nil {
		config.Target = "http://" + w.balancer.address
		if t := w.s.Topology.Listeners[0].TLS; t != nil {
			config.Target = "https://" + w.balancer.address
			if t.Auto != "" && config.Connect.CA == "" {
				config.Connect.CA = certs.AuthorityFile(t.Auto)
			}
		}
	}
	var err error
	if config.Mix, err = mix.New(w.s.Seed, w.s.Load.Set); err != nil {
		return plan.Played{}, err
	}
	engine, lagLimit, err := loadgen.New(w.s.Client.Engine, config)
	if err != nil {
		return plan.Played{}, err
	}
	w.engine = engine
	tolerance := cmp.Or(w.s.Validity.Lag, lagLimit)
	w.begin()
	epoch := pace.NewClock(w.epoch)
	watch, err := monitor.Start(epoch, monitor.Config{Tolerance: tolerance, InFlight: engine.InFlight, Sink: sink})
	if err != nil {
		return plan.Played{}, err
	}
	done := make(chan error, 1)
	w.work.Go(func() { done <- engine.Play(ctx, sched, epoch, watch.Take) })
	for {
		select {
		case f := <-w.inbox:
			f()
		case err := <-done:
			used := watch.Stop()
			if err == nil { // faults, scaling and checks go on until the schedule is over
				w.loop(ctx, func() bool { return false }, w.s.Length()-w.Now())
			}
			return plan.Played{CPU: used.CPU, LagLimit: tolerance, Stalls: used.Stalls}, err
		}
	}
}

func (w *World) begin() {
	w.epoch = w.clock.Now() + lead
	w.started = true
	if w.balancer != nil {
		w.balancer.send(balancer.Command{Origin: &w.epoch})
	}
	for _, e := range w.early {
		w.emitAt(e.At, e)
	}
	w.early = nil
	for _, a := range w.alarms {
		w.arm(a)
	}
	w.alarms = nil
}

// Do implements the player's world.
func (w *World) Do(a plan.Action) error {
	switch a := a.(type) {
	case plan.Start:
		return w.start(a)
	case plan.Apply:
		return w.apply(a)
	case plan.Revert:
		w.balancer.send(balancer.Command{FaultOff: a.Fault})
		return nil
	case plan.Retire:
		w.balancer.send(balancer.Command{Drain: &balancer.Member{Group: a.Group, Target: config.Target{ID: a.Target}}})
		if t := w.targets[a.Target]; t != nil {
			t.retiring = true
		}
		return nil
	}
	return fmt.Errorf("live world: unknown action %T", a)
}
