// Package live plays a scenario on real sockets and real processes: the balancer is a child process, each
// target is another, and a guardian ends them all should the player die.
//
//	w, err := live.Open(ctx, scenario, live.Options{...}) // returns when every target is healthy
//	played, err := w.Play(ctx, schedule, sink)
//	err = w.Close()
//
// All of a World's state belongs to the goroutine that calls these three; what happens elsewhere (control
// channels, exits, timers) comes to it as functions in an inbox.
package live

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/seed-8025779b/shakedown/balancer"
	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/chaos/inject"
	"github.com/seed-8025779b/shakedown/loadgen"
	"github.com/seed-8025779b/shakedown/loadgen/pace"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
)

// Options are what a live world needs beside the scenario.
type Options struct {
	Exe     string           // the binary to start balancer, backends and guardian from
	Dir     string           // existing folder for the logs of commands
	Discard []config.Span    // sequence numbers of discarded phases
	Events  func(plan.Event) // called on the goroutine of Open, Play and Close
	Say     func(string)     // progress, for a person
}

// World is a live world.
type World struct {
	s     *plan.Scenario
	opts  Options
	run   string // the run's mark
	inbox chan func()
	over  chan struct{} // closed at the end: nobody reads the inbox any more
	ctx   context.Context
	stop  context.CancelFunc
	work  sync.WaitGroup // goroutines of ours

	spawner  *spawner
	guardian *guardian
	engine   loadgen.Engine // once the load is played
	balancer *balancerChild
	targets  map[string]*target
	order    []string // targets' ids as they came
	stats    plan.Stats

	clock   pace.Clock // CLOCK_MONOTONIC
	epoch   time.Duration
	started bool
	early   []plan.Event // before the epoch is known, on CLOCK_MONOTONIC
	alarms  []*alarm     // set before the epoch is known
	closing bool
}

// Open starts the topology and returns when every target is healthy. On error nothing is left running.
func Open(ctx context.Context, s *plan.Scenario, opts Options) (*World, error) {
	w := &World{
		s: s, opts: opts, inbox: make(chan func(), 1024), over: make(chan struct{}), run: newRunID(),
		targets: map[string]*target{}, clock: pace.NewClock(0), stats: plan.Stats{Targets: map[string]plan.TargetStats{}},
	}
	w.ctx, w.stop = context.WithCancel(context.Background())
	if err := w.open(ctx); err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

func newRunID() string {
	b := make([]byte, 8)
	_, _ = rand.Read(b) // it never fails
	return hex.EncodeToString(b)
}

func (w *World) open(ctx context.Context) error {
	if err := checkDescriptors(w.s.Client.Connections); err != nil {
		return err
	}
	if w.s.Topology == nil {
		return loadgen.Check(ctx, w.s.Client.Config)
	}
	w.spawner = newSpawner()
	if err := w.guard(); err != nil {
		return err
	}
	if err := w.startBalancer(ctx); err != nil {
		return err
	}
	var total time.Duration
	for i := range w.s.Topology.Groups {
		g := &w.s.Topology.Groups[i]
		total = max(total, g.Targets.StartTimeout)
		for n := range g.Targets.Count {
			if err := w.start(plan.Start{Target: g.Target(n)}); err != nil {
				return err
			}
		}
	}
	return w.awaitHealthy(ctx, total)
}

func (w *World) guard() error {
	g, err := startGuardian(w.opts.Exe, w.run)
	if err != nil {
		return err
	}
	w.guardian = g
	w.work.Go(func() {
		<-g.gone
		w.post(func() { w.guardianGone(g) })
	})
	return nil
}

// guardianGone replaces a guardian that ended before its time, and tells the new one everything.
func (w *World) guardianGone(g *guardian) {
	if w.closing || w.guardian != g {
		return
	}
	w.emit(plan.Event{Kind: plan.Note, Detail: fmt.Sprintf("the guardian (pid %d) ended: %v; a new one was started", g.cmd.Process.Pid, g.err)})
	if err := w.guard(); err != nil {
		w.emit(plan.Event{Kind: plan.Note, Detail: "no guardian: " + err.Error()})
		return
	}
	watch := func(p *inject.Process) {
		id := p.ID()
		w.guardian.tell(guardMessage{Add: &id})
	}
	if w.balancer != nil && w.balancer.process != nil && !w.balancer.gone {
		watch(w.balancer.process)
	}
	for _, t := range w.targets {
		if t.running() {
			watch(t.process)
		}
	}
}

// post hands a function to the world's goroutine. After the end it is dropped.
func (w *World) post(f func()) {
	select {
	case w.inbox <- f:
	case <-w.over:
	}
}

// loop runs what comes in until the condition holds, the context ends or the time is over. It reports
// whether the condition holds.
func (w *World) loop(ctx context.Context, until func() bool, limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for !until() {
		select {
		case f := <-w.inbox:
			f()
		case <-timer.C:
			return until()
		case <-ctx.Done():
			return until()
		}
	}
	return true
}

func (w *World) awaitHealthy(ctx context.Context, limit time.Duration) error {
	var failed error
	ready := func() bool {
		for _, id := range w.order {
			t := w.targets[id]
			if t.failure != nil && failed == nil {
				failed = t.failure
			}
		}
		if failed != nil {
			return true
		}
		for _, t := range w.targets {
			if t.state != "healthy" {
				return false
			}
		}
		return true
	}
	for deadline := time.Now().Add(limit); !w.loop(ctx, ready, min(2*time.Second, time.Until(deadline))); {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Now().After(deadline) {
			break
		}
		if w.opts.Say != nil {
			w.opts.Say(fmt.Sprintf("waiting for %s to become healthy", w.unhealthy()))
		}
	}
	if failed != nil {
		return failed
	}
	for _, id := range w.order {
		if t := w.targets[id]; t.state != "healthy" {
			return t.describe(fmt.Errorf("%s did not become healthy within %v: %s", t.name(), limit, t.lastTrouble()))
		}
	}
	return nil
}

func (w *World) unhealthy() (ids string) {
	for _, id := range w.order {
		if w.targets[id].state != "healthy" {
			if ids != "" {
				ids += ", "
			}
			ids += id
		}
	}
	return ids
}

// emit tells an event that happens now.
func (w *World) emit(e plan.Event) { w.emitAt(w.clock.Now(), e) }

// emitAt tells an event of a given time on CLOCK_MONOTONIC. Before the load begins its epoch is not known:
// then events wait.
func (w *World) emitAt(at time.Duration, e plan.Event) {
	if !w.started {
		e.At = at
		w.early = append(w.early, e)
		return
	}
	e.At = at - w.epoch
	w.opts.Events(e)
}

// settleFor is how long the end of a run waits for what was asked to stop.
const settleFor = 4 * time.Second

// Settle takes in what is still on its way — answers to the last actions — for at most a short while.
func (w *World) Settle(until func() bool) {
	w.loop(context.Background(), until, time.Second)
}

// Close stops everything that the world started, gently first, and collects the last counts. It is safe
// to call more than once.
func (w *World) Close() error {
	if w.closing {
		return nil
	}
	w.closing = true
	w.stop()
	if w.balancer != nil {
		w.balancer.send(balancer.Command{Stop: true})
	}
	// The balancer first, so that no target is missed by it: its last counts are those of the whole run.
	w.loop(context.Background(), func() bool { return w.balancer == nil || w.balancer.gone }, settleFor)
	for _, t := range w.targets {
		t.terminate()
	}
	w.loop(context.Background(), func() bool {
		for _, t := range w.targets {
			if t.running() {
				return false
			}
		}
		return true
	}, settleFor)
	if w.balancer != nil {
		w.balancer.kill()
	}
	for _, t := range w.targets {
		t.killGroup()
	}
	w.loop(context.Background(), func() bool {
		for _, t := range w.targets {
			if t.running() {
				return false
			}
		}
		return w.balancer == nil || w.balancer.gone
	}, settleFor)
	w.measured(w.clock.Now()) // with the targets' last words
	var err error
	if w.guardian != nil {
		err = w.guardian.dismiss()
	}
	close(w.over)
	w.work.Wait()
	if w.spawner != nil {
		w.spawner.close()
	}
	return err
}

// logFile opens the log of a command target.
func (w *World) logFile(id string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(w.opts.Dir, id+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("log of %s: %w", id, err)
	}
	return f, nil
}

var errGone = errors.New("it is not running")
