package live

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/seed-8025779b/shakedown/balancer"
	"github.com/seed-8025779b/shakedown/balancer/backend"
	"github.com/seed-8025779b/shakedown/balancer/backend/model"
	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/balancer/control"
	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/chaos/inject"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
)

// target is one target and its present process.
type target struct {
	plan.Target
	w          *World
	group      *plan.Group
	generation int
	process    *inject.Process // nil when none of ours runs
	pid        int             // of the process; 0 for none
	conn       *control.Conn
	output     *tail
	logPath    string
	added      bool // the balancer knows it
	retiring   bool
	killedBy   string // the fault that is about to end the present process
	state      string
	trouble    string
	failure    error // it can't run, before the load began
}

func (t *target) name() string {
	if t.Address != "" {
		return fmt.Sprintf("target %s (%s)", t.ID, t.Address)
	}
	return "target " + t.ID
}

func (t *target) lastTrouble() string {
	switch {
	case !t.added:
		return "nothing listens at " + t.Address
	case t.trouble == "":
		return "no check of it has ended yet"
	}
	return t.trouble
}

// describe adds the last lines of the target's output to an error.
func (t *target) describe(err error) error {
	if t.output == nil {
		return err
	}
	if out := t.output.String(); out != "" {
		return fmt.Errorf("%w\n  the last lines of its output:\n%s", err, out)
	}
	return fmt.Errorf("%w\n  it printed nothing", err)
}

func (t *target) running() bool { return t.process != nil }

func (t *target) started(p *inject.Process) { t.process, t.pid = p, p.ID().PID }

// start starts a target, or starts it again at the same address.
func (w *World) start(a plan.Start) error {
	t := w.targets[a.Target.ID]
	if t == nil {
		t = &target{Target: a.Target, w: w, group: w.s.Group(a.Target.Group), state: "absent"}
		w.targets[t.ID] = t
		w.order = append(w.order, t.ID)
	}
	if t.running() {
		return fmt.Errorf("%s is running already", t.name())
	}
	t.generation++
	var err error
	switch t.group.Targets.Run {
	case plan.Builtin:
		err = t.startBuiltin(a.Boot)
	case plan.Command:
		err = t.startCommand()
	case plan.Addresses:
		err = t.reach()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", t.name(), err)
	}
	return nil
}

// join makes the target a member of its group, the first time.
func (t *target) join() {
	if t.added {
		return
	}
	t.added = true
	t.w.balancer.send(balancer.Command{Add: &balancer.Member{
		Group: t.Group, Target: config.Target{ID: t.ID, Address: t.Address, Zone: t.Zone, Weight: t.Weight},
	}})
}

func (t *target) launched() {
	t.w.emit(plan.Event{
		Kind: plan.Launched, Group: t.Group, Target: t.ID, Generation: t.generation, PID: t.pid,
		Detail: fmt.Sprintf("generation %d, pid %d", t.generation, t.pid),
	})
}

func (t *target) startBuiltin(boot time.Duration) error {
	w := t.w
	if err := t.assignAddress(); err != nil {
		return err
	}
	t.output = &tail{}
	generation := t.generation
	conn, err := w.spawn(child{
		command: "backend", output: t.output,
		started: t.started,
		exited:  t.exited(generation),
		receive: func(c *control.Conn) error {
			var r backend.Report
			if err := c.Receive(&r); err != nil {
				return err
			}
			w.post(func() { t.says(generation, &r) })
			return nil
		},
	})
	if err != nil {
		return err
	}
	t.conn = conn
	c := t.group.Service
	return conn.Send(backend.Command{Config: &backend.Config{
		ID: t.ID, Listen: t.Address, Time: model.Times().Table().Write(c.Time), Concurrency: c.Model.Concurrency, Queue: c.Model.Queue,
		Seed: w.s.Seed, Boot: boot,
	}})
}

func (t *target) says(generation int, r *backend.Report) {
	w := t.w
	switch {
	case r.Error != "":
		t.fail(fmt.Errorf("%s: %s", t.name(), r.Error))
	case r.Listening != "":
		t.Address = r.Listening
		t.launched()
		t.join()
	case r.Stats != nil && generation == t.generation:
		x := w.stats.Targets[t.ID]
		x.Generation, x.BusyAt, x.Busy, x.Slots, x.Served = generation, r.Stats.At, r.Stats.Busy, r.Stats.Slots, r.Stats.Served
		w.stats.Targets[t.ID] = x
	}
}

// fail notes that a target can't run: before the load begins it ends the run, later it is told.
func (t *target) fail(err error) {
	if !t.w.started {
		t.failure = err
		return
	}
	t.w.emit(plan.Event{Kind: plan.Broken, Group: t.Group, Target: t.ID, Detail: err.Error()})
}

func (t *target) startCommand() error {
	w := t.w
	if err := t.assignAddress(); err != nil {
		return err
	}
	log, err := w.logFile(t.ID)
	if err != nil {
		return err
	}
	_, port, _ := net.SplitHostPort(t.Address) // we made it
	withPort := func(texts []string) []string {
		out := make([]string, len(texts))
		for i, text := range texts {
			out[i] = strings.ReplaceAll(text, "{port}", port)
		}
		return out
	}
	args := withPort(t.group.Targets.Command)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir, cmd.Env = t.group.Targets.Dir, withPort(t.group.Targets.Env)
	t.output, t.logPath = &tail{}, log.Name()
	out := io.MultiWriter(log, t.output)
	cmd.Stdout, cmd.Stderr = out, out
	exited := t.exited(t.generation)
	if err := w.launch(cmd, nil, t.started, func(status string) {
		log.Close()
		exited(status)
	}); err != nil {
		log.Close()
		return fmt.Errorf("command %s: %w", args[0], err)
	}
	t.launched()
	if !t.added {
		// It joins once it listens: with checks off the balancer would send it requests too early.
		w.work.Go(func() {
			if waitListening(w.ctx, t.Address) {
				w.post(t.join)
			}
		})
	}
	return nil
}

// waitListening tries to connect until it succeeds or the context ends.
func waitListening(ctx context.Context, address string) bool {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if reachable(ctx, address) == nil {
			return true
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
}

func reachable(ctx context.Context, address string) error {
	d := net.Dialer{Timeout: 2 * time.Second}
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return c.Close()
}

// reach is the start of a target by address: somebody else runs it, so it must be there.
func (t *target) reach() error {
	if err := reachable(t.w.ctx, t.Address); err != nil {
		return fmt.Errorf("it does not answer, and nothing here starts it: %w", err)
	}
	t.join()
	return nil
}

// exited returns what is called when a generation's process has ended.
func (t *target) exited(generation int) func(status string) {
	return func(status string) {
		if generation != t.generation {
			return
		}
		w := t.w
		pid := t.pid
		t.process, t.pid, t.conn = nil, 0, nil
		e := plan.Event{
			Kind: plan.Exited, Group: t.Group, Target: t.ID, Generation: generation, PID: pid, Fault: t.killedBy, Detail: status,
		}
		expected := w.closing || t.retiring || t.killedBy != ""
		t.killedBy = ""
		w.emit(e)
		if !expected {
			t.fail(t.describe(fmt.Errorf("%s (pid %d) ended by itself: %s", t.name(), pid, status)))
		}
	}
}

// apply carries a fault out: the balancer does what acts on exchanges.
func (w *World) apply(a plan.Apply) error {
	k, err := chaos.Kinds().New(a.Fault.Choice)
	if err != nil {
		return err
	}
	if k.Wire != nil {
		w.balancer.send(balancer.Command{FaultOn: &balancer.Fault{
			ID: a.Fault.ID, Kind: chaos.Kinds().Table().Write(a.Fault.Choice), Targets: a.Victims,
		}})
		return nil
	}
	var failed []error
	for _, id := range a.Victims {
		failed = append(failed, w.kill(id, a.Fault.ID))
	}
	return errors.Join(failed...)
}

// kill ends a target's process group with SIGKILL.
func (w *World) kill(id, fault string) error {
	t := w.targets[id]
	if t == nil || !t.running() {
		return fmt.Errorf("kill %s: %w", id, errGone)
	}
	w.balancer.send(balancer.Command{Watch: []string{t.ID}})
	if err := t.process.Kill(); err != nil { // it has just ended by itself: that is told in a moment
		return fmt.Errorf("kill %s: %w", id, err)
	}
	t.killedBy = fault
	return nil
}

// terminate asks the process to end.
func (t *target) terminate() {
	switch {
	case !t.running():
	case t.conn != nil:
		_ = t.conn.Send(backend.Command{Stop: true}) // one that is gone is seen by its exit
	default:
		_ = t.process.Signal(syscall.SIGTERM) // gone already is fine
	}
}

func (t *target) killGroup() {
	if t.running() {
		_ = t.process.Kill() // gone already is fine
	}
}
