package live

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"time"

	"github.com/seed-8025779b/shakedown/balancer"
	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/balancer/control"
	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/proxy"
	"github.com/seed-8025779b/shakedown/chaos/inject"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
)

// balancerChild is the balancer's process.
type balancerChild struct {
	conn    *control.Conn
	process *inject.Process
	pid     int
	address string
	problem string // it said that it can't run
	output  tail
	gone    bool
}

// send ignores errors: a balancer that is gone is seen by its exit.
func (b *balancerChild) send(c balancer.Command) {
	if b != nil && b.conn != nil && !b.gone {
		_ = b.conn.Send(c)
	}
}

func (b *balancerChild) kill() {
	if b.process != nil && !b.gone {
		_ = b.process.Kill() // refuses only what has ended
	}
}

func (w *World) balancerConfig() *config.Config {
	c := w.s.Topology.Balancer(w.s.Seed, false) // targets join as they are started
	c.Discard = w.opts.Discard
	c.Trace = true
	return &c
}

// startTimeout is how long a child of our own binary may take to listen.
const startTimeout = 20 * time.Second

func (w *World) startBalancer(ctx context.Context) error {
	b := &balancerChild{}
	w.balancer = b
	conn, err := w.spawn(child{
		command: "balance", output: &b.output,
		started: func(p *inject.Process) { b.process, b.pid = p, p.ID().PID },
		exited:  w.balancerGone,
		receive: func(c *control.Conn) error {
			var r balancer.Report
			if err := c.Receive(&r); err != nil {
				return err
			}
			w.post(func() { w.balancerSays(&r) })
			return nil
		},
	})
	if err != nil {
		return fmt.Errorf("balancer: %w", err)
	}
	b.conn = conn
	b.send(balancer.Command{Config: w.balancerConfig()})
	w.loop(ctx, func() bool { return b.address != "" || b.problem != "" || b.gone }, startTimeout)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case b.problem != "":
		return fmt.Errorf("balancer: %s", b.problem)
	case b.address == "":
		return fmt.Errorf("balancer did not start\n%s", b.output.String())
	}
	return nil
}

// child is a process of our own binary with a control channel.
type child struct {
	command string
	output  *tail
	started func(*inject.Process)
	exited  func(status string)
	receive func(*control.Conn) error // takes one message in; an error ends the channel
}

func (w *World) spawn(ch child) (*control.Conn, error) {
	conn, theirs, err := control.Pair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	cmd := exec.Command(w.opts.Exe, ch.command, "--controlled")
	cmd.Args[0] = programName
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.Stdout, cmd.Stderr = ch.output, ch.output
	drained := make(chan struct{})
	if err := w.launch(cmd, drained, ch.started, func(status string) {
		conn.Close()
		ch.exited(status)
	}); err != nil {
		conn.Close()
		return nil, err
	}
	w.work.Go(func() {
		defer close(drained)
		for ch.receive(conn) == nil {
		}
	})
	return conn, nil
}

// launch starts a process under the guardian's eye. When it ends, the rest of its group is killed.
// Its exit is told only once its last words have been taken in, which drained tells; nil when it has none.
func (w *World) launch(cmd *exec.Cmd, drained <-chan struct{}, started func(*inject.Process), exited func(status string)) error {
	cmd.Env = slices.Concat(os.Environ(), cmd.Env, []string{RunVariable + "=" + w.run})
	// Grandchildren may keep the output pipe open after the leader's end; Wait must not wait for them.
	cmd.WaitDelay = 100 * time.Millisecond
	if err := w.spawner.start(cmd); err != nil {
		return err
	}
	process := inject.NewProcess(cmd)
	id := process.ID()
	started(process)
	w.guardian.tell(guardMessage{Add: &id})
	w.work.Go(func() {
		err := process.Wait()
		status := cmd.ProcessState.String()
		if err != nil && cmd.ProcessState.Success() && !errors.Is(err, exec.ErrWaitDelay) {
			status += " (" + err.Error() + ")"
		}
		if drained != nil {
			<-drained
		}
		w.post(func() {
			if !w.closing { // at the end the guardian is dismissed with its list
				w.guardian.tell(guardMessage{Remove: &id})
			}
			exited(status)
		})
	})
	return nil
}

func (w *World) balancerGone(status string) {
	b := w.balancer
	b.gone = true
	if !w.closing && b.address != "" {
		detail := fmt.Sprintf("the balancer (pid %d) ended: %s", b.pid, status)
		if out := b.output.String(); out != "" {
			detail += "\n" + out
		}
		w.emit(plan.Event{Kind: plan.Broken, Detail: detail})
	}
}

func (w *World) balancerSays(r *balancer.Report) {
	switch {
	case r.Listening != nil:
		w.balancer.address = r.Listening[0]
	case r.Error != "":
		w.balancer.problem = r.Error
		if w.started {
			w.emit(plan.Event{Kind: plan.Note, Detail: "balancer: " + r.Error})
		}
	case r.Effect != nil:
		w.effect(r.Group, r.Effect)
	case r.Reverted != nil:
		w.emitAt(r.Reverted.At, plan.Event{Kind: plan.Reverted, Fault: r.Reverted.ID, Hits: r.Reverted.Hits})
	case r.Stats != nil:
		w.abandoned(r.Stats.At, r.Abandoned)
		w.merge(r.Stats)
	}
}

// abandoned passes on what the balancer knows of requests whose clients cannot have read the answer.
func (w *World) abandoned(at time.Duration, a *balancer.Abandoned) {
	if a == nil {
		return
	}
	e := plan.Event{Kind: plan.Abandoned}
	a.Each(func(x proxy.Abandoned) {
		e.Abandoned = append(e.Abandoned, plan.AbandonedRequest{Seq: x.Seq, Retry: x.Retry, Target: x.Target, Fault: x.Fault, Attempts: x.Attempts})
	})
	w.emitAt(at, e)
	if a.Lost > 0 {
		w.emitAt(at, plan.Event{Kind: plan.Note, Detail: fmt.Sprintf("the balancer could not tell which target had %d more requests that clients gave up", a.Lost)})
	}
}

func (w *World) effect(groupName string, e *group.Effect) {
	if ev, ok := plan.FailEvent(groupName, e); ok {
		w.emitAt(e.At, ev)
		return
	}
	t := w.targets[e.Target]
	if t == nil {
		return
	}
	ev := plan.Event{Group: groupName, Target: e.Target, Generation: t.generation, Detail: e.Reason, LastRouted: e.LastRouted - w.epoch}
	if e.LastRouted < 0 {
		ev.LastRouted = -1 << 62 // long before everything: it was never routed to
	}
	if e.Kind == group.Troubled {
		t.trouble = e.Reason
		ev.Kind = plan.Trouble
		w.emitAt(e.At, ev)
		return
	}
	t.state = string(e.To)
	ev.Kind, ev.From, ev.To = plan.Changed, string(e.From), string(e.To)
	w.emitAt(e.At, ev)
	if e.To == group.Gone && t.retiring {
		t.terminate()
	}
}

// merge takes in the balancer's counts and passes the world's on.
func (w *World) merge(s *balancer.Stats) {
	w.stats.Requests, w.stats.Retries, w.stats.Unrouted = s.Requests, s.Retries, s.Unrouted
	w.stats.Limited, w.stats.Waited, w.stats.Overflow = s.Limited, s.Waited, s.Overflow
	for name, statuses := range s.Groups {
		for _, st := range statuses {
			x := w.stats.Targets[st.ID]
			x.Group, x.Address = name, st.Address
			x.Requests, x.Discarded, x.Expected, x.LastRoute = st.Requests, st.Discarded, st.Expected, st.LastRouted-w.epoch
			w.stats.Targets[st.ID] = x
		}
	}
	w.measured(s.At)
}

func (w *World) measured(at time.Duration) {
	if !w.started {
		return
	}
	s := w.stats
	s.At = at - w.epoch
	s.Targets = map[string]plan.TargetStats{}
	for id, x := range w.stats.Targets {
		x.BusyAt -= w.epoch
		s.Targets[id] = x
	}
	w.emitAt(at, plan.Event{Kind: plan.Measured, Stats: &s})
}
