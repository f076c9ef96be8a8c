// Package sim plays a scenario in virtual time: an event heap, and the same policies as the live world.
//
// It shares the group's state machine, the strategies, the backend's queueing model, faults and schedule
// with the live world, and with the same seed every draw. One scenario, seed, binary and architecture give
// the same result to the byte.
//
// What it leaves out of every scenario: the time that balancer, backends, generator and network take themselves (a live
// request costs a fraction of a millisecond more), the sizes of messages, and connections: a request that the client gave
// up holds no socket. What it leaves out of some is listed in unsupported.go: Open refuses a scenario whose figures would
// be about another system, and Warnings tells of the rest.
package sim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/backend/model"
	"github.com/seed-8025779b/shakedown/balancer/exchange"
	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/health"
	"github.com/seed-8025779b/shakedown/balancer/pick"
	"github.com/seed-8025779b/shakedown/balancer/route"
	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/loadgen/attempt"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/mix"
	"github.com/seed-8025779b/shakedown/loadgen/profile"
	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
)

// Options are what a simulated world needs beside the scenario.
type Options struct {
	Discard func(seq uint64) bool // requests of discarded phases
	Events  func(plan.Event)
	Attempt func(chaos.Exchange) // is told of each attempt at a target as it begins; nil for nobody
}

// World is a simulated world. It is for one goroutine.
type World struct {
	s      *plan.Scenario
	opts   Options
	now    time.Duration
	q      queue
	mix    *mix.Mix
	sender mix.Sender
	rules  route.Table
	split  draw.Stream // of the choice between a rule's groups

	sources draw.Stream // of client addresses

	setup  exchange.Setup
	count  exchange.Counters
	free   []*exchange.Exchange // to be used again
	groups map[string]*simGroup
	order  []string // groups' names as the scenario lists them
	all    map[string]*simTarget
	active *chaos.Active

	walk    *profile.Walk
	more    bool // requests to come
	users   int  // of closed loops, at it or still to come
	begun   int  // users that have begun
	open    int  // requests without an outcome
	client  attempt.Client
	inUse   int // connections
	waiting []*request
	sink    func(*measure.Sample)
	body    []byte // of the request that is sent, to tell its length
}

type simGroup struct {
	w       *World
	cfg     *plan.Group
	g       *group.Group
	runner  group.Runner
	queue   group.Queue
	times   model.Distribution
	targets []*simTarget
	timer   uint64 // the valid timer's number
}

type simTarget struct {
	plan.Target
	group      *simGroup
	member     *group.Target
	generation int
	alive      bool
	retiring   bool
	bootAt     time.Duration // when it can serve
	m          *model.Model
	running    []*visit // queued or served, as they came
	idle       int      // connections of the balancer's
	served     uint64
	prober     *health.Prober
}

// The statuses that a sample backend answers with.
const statusOK, statusUnavailable = 200, 503

// neverLate is a delay of the generator that a simulated one does not have.
const neverLate = time.Hour

// beforeLoad is when a simulated topology is started: early enough for every first probe.
const beforeLoad = -time.Second

// statsEvery is how often counters are told, as in the live world.
const statsEvery = 200 * time.Millisecond

// InFlight implements the player's world.
func (w *World) InFlight() int64 { return int64(w.open) }

// Open builds the topology with every initial target healthy.
func Open(s *plan.Scenario, opts Options) (*World, error) {
	if s.Topology == nil {
		return nil, fmt.Errorf("%w: a simulated world needs a topology: %s can only be played live", ErrUnsupported, s.Target)
	}
	if err := unsupported(s); err != nil {
		return nil, err
	}
	w := &World{s: s, opts: opts, now: beforeLoad, groups: map[string]*simGroup{}, all: map[string]*simTarget{}}
	var err error
	w.sender = s.Sender()
	if w.mix, err = mix.New(s.Seed, s.Load.Set); err != nil {
		return nil, err
	}
	if w.rules, err = s.Topology.Listeners[0].Rules.Compile(s.Seed); err != nil {
		return nil, err
	}
	w.client = attempt.Client{Config: &s.Client.Config, Tolerated: neverLate}
	w.sources = s.Seed.Stream("client addresses")
	w.split = s.Seed.Stream("split")
	w.setup = exchange.Setup{Match: w.match, Touch: w.touch, Wall: w.wall, Status: &s.Topology.Listeners[0].Options.Status, Count: &w.count}
	for i := range s.Topology.Groups {
		cfg := &s.Topology.Groups[i]
		strategy, err := pick.Kinds().New(cfg.Strategy)
		if err != nil {
			return nil, fmt.Errorf("group %s: %w", cfg.Name, err)
		}
		times, err := model.Times().New(cfg.Service.Time)
		if err != nil {
			return nil, fmt.Errorf("group %s: %w", cfg.Name, err)
		}
		g := &simGroup{w: w, cfg: cfg, times: times, g: group.New(cfg.Name, group.Config{
			Strategy: strategy, Health: cfg.Health, Outliers: cfg.Outliers, Retry: cfg.Retry, FailOpen: cfg.FailOpen, SlowStart: cfg.SlowStart, Drain: cfg.Drain, Seed: s.Seed, Limits: cfg.Limits, Zones: cfg.Zones, Sticky: cfg.Sticky,
		})}
		g.runner = group.Runner{Group: g.g, Tell: g.tell, Serve: g.serve, Arm: g.arm, Disarm: g.disarm}
		w.groups[cfg.Name] = g
		w.order = append(w.order, cfg.Name)
		for n := range cfg.Targets.Count {
			if err := w.start(plan.Start{Target: cfg.Target(n)}); err != nil {
				return nil, err
			}
		}
	}
	return w, nil
}

// wall is the wall clock of a simulated world: its run began at the beginning of 1970.
func (w *World) wall() int64 { return int64(max(w.now, 0) / time.Second) }

// Now implements the player's world.
func (w *World) Now() time.Duration { return w.now }

// At implements the player's world.
func (w *World) At(t time.Duration, f func()) (stop func() bool) {
	fired, stopped := false, false
	w.q.push(item{at: max(t, w.now), f: func() {
		if !stopped {
			fired = true
			f()
		}
	}})
	return func() bool { stopped = true; return !fired }
}

func (w *World) emit(e plan.Event) {
	e.At = w.now
	w.opts.Events(e)
}

// Do implements the player's world.
func (w *World) Do(a plan.Action) error {
	switch a := a.(type) {
	case plan.Start:
		return w.start(a)
	case plan.Apply:
		return w.apply(a)
	case plan.Revert:
		hits := w.active.Hits(a.Fault)
		w.active = w.active.Without(a.Fault)
		w.emit(plan.Event{Kind: plan.Reverted, Fault: a.Fault, Hits: hits})
		return nil
	case plan.Retire:
		t := w.all[a.Target]
		if t == nil {
			return fmt.Errorf("retire %s: no such target", a.Target)
		}
		t.retiring = true
		t.group.runner.Do(w.now, func(now time.Duration) []group.Effect { return t.group.g.Drain(now, t.member) })
		return nil
	}
	return fmt.Errorf("simulated world: unknown action %T", a)
}

// tell tells what a change of the group has caused.
func (g *simGroup) tell(e *group.Effect) {
	w := g.w
	if ev, ok := plan.FailEvent(g.cfg.Name, e); ok {
		w.emit(ev)
		return
	}
	t := w.all[e.Target]
	ev := plan.Event{Group: g.cfg.Name, Target: e.Target, Generation: t.generation, Detail: e.Reason, LastRouted: e.LastRouted}
	if e.Kind == group.Troubled {
		ev.Kind = plan.Trouble
	} else {
		ev.Kind, ev.From, ev.To = plan.Changed, string(e.From), string(e.To)
	}
	w.emit(ev)
	if e.To == group.Gone && t.retiring && t.alive {
		w.end(t, "", "exit status 0")
	}
}

// arm sets the group's timer.
func (g *simGroup) arm(_, at time.Duration) {
	g.timer++
	n := g.timer
	g.w.q.push(item{at: at, f: func() {
		if n == g.timer {
			g.runner.Tick(g.w.now)
		}
	}})
}

func (g *simGroup) disarm() { g.timer++ }

// serve admits requests that wait for a target with room.
func (g *simGroup) serve(now time.Duration) { g.queue.Serve(now, g.g) }

func (w *World) start(a plan.Start) error {
	t := w.all[a.Target.ID]
	if t == nil {
		t = &simTarget{Target: a.Target, group: w.groups[a.Target.Group]}
		w.all[t.ID] = t
		t.group.targets = append(t.group.targets, t)
	}
	if t.alive {
		return fmt.Errorf("target %s is running already", t.ID)
	}
	t.generation++
	t.alive, t.bootAt, t.served = true, w.now+a.Boot, 0
	t.m = model.New(t.group.cfg.Service.Model)
	t.m.BusyTime(w.now) // its integral begins now
	w.emit(plan.Event{
		Kind: plan.Launched, Group: t.Group, Target: t.ID, Generation: t.generation, Detail: fmt.Sprintf("generation %d", t.generation),
	})
	if t.member == nil {
		t.group.runner.Do(w.now, func(now time.Duration) (e []group.Effect) {
			t.member, e = t.group.g.Add(now, group.Member{ID: t.ID, Address: "sim:" + t.ID, Zone: t.Zone, Weight: t.Weight})
			return e
		})
		if h := t.group.cfg.Health; h != nil {
			w.At(w.now, func() {
				t.prober = health.NewProber(h, w.s.Seed, t.ID, func(x *chaos.Exchange) chaos.Effect { return w.active.Touch(x) })
				w.check(t, t.prober.Begin(w.now))
			})
		}
	}
	return nil
}

func (w *World) apply(a plan.Apply) error {
	k, err := chaos.Kinds().New(a.Fault.Choice)
	if err != nil {
		return err
	}
	var failed []error
	for _, id := range a.Victims {
		t := w.all[id]
		if t == nil || (k.Process != nil && !t.alive) {
			failed = append(failed, fmt.Errorf("%s %s: it is not running", a.Fault.Kind, id))
			continue
		}
		t.group.g.Watch(t.member)
		if k.Process != nil {
			w.end(t, a.Fault.ID, "signal: killed")
		}
	}
	if k.Wire != nil {
		w.active = w.active.With(w.s.Seed, a.Fault.ID, k.Wire, a.Victims)
	}
	return errors.Join(failed...)
}

// end ends a target's process: what runs on it breaks off.
func (w *World) end(t *simTarget, fault, status string) {
	t.alive = false
	w.emit(plan.Event{Kind: plan.Exited, Group: t.Group, Target: t.ID, Generation: t.generation, Fault: fault, Detail: status})
	broken := t.running
	t.running, t.idle = nil, 0
	for _, v := range broken {
		w.broken(v)
	}
}

// check performs a step of a target's prober.
func (w *World) check(t *simTarget, step health.Step) {
	if step.Report {
		t.group.runner.Do(w.now, func(now time.Duration) []group.Effect {
			return t.group.g.Probed(now, t.member, step.Finding.Passed, step.Finding.Reason)
		})
	}
	next := func(e health.Event) {
		if t.member.State() != group.Gone {
			w.check(t, t.prober.Next(w.now, e))
		}
	}
	if step.Send {
		next(w.probed(t))
		return
	}
	w.At(step.Until, func() { next(health.Event{Kind: health.Passed}) })
}

// probed is what a target says to a probe: at once, because its checks take no slot. A text that a check looks for in the answer is taken
// to be there.
func (w *World) probed(t *simTarget) health.Event {
	h := t.group.cfg.Health
	switch {
	case !t.alive:
		return health.Event{Kind: health.Failed, Reason: "connection refused"}
	case h.Kind == health.TCP: // a target that boots listens already
		return health.Event{Kind: health.Connected}
	case w.now < t.bootAt:
		return health.Event{Kind: health.Answered, Status: statusUnavailable, Body: []byte(h.Body)}
	}
	return health.Event{Kind: health.Answered, Status: statusOK, Body: []byte(h.Body)}
}

// measure tells the counters, and again after the interval.
func (w *World) measure() {
	w.emit(plan.Event{Kind: plan.Measured, Stats: w.stats()})
	w.At(w.now+statsEvery, w.measure)
}

func (w *World) stats() *plan.Stats {
	s := &plan.Stats{At: w.now, Requests: w.count.Requests.Load(), Retries: w.count.Retries.Load(), Unrouted: w.count.Unrouted.Load(), Limited: w.count.Limited.Load(), Waited: w.count.Waited.Load(), Overflow: w.count.Overflowed.Load(), Targets: map[string]plan.TargetStats{}}
	for _, name := range w.order {
		w.groups[name].g.Share()
		for _, t := range w.groups[name].targets {
			st := t.member.Status()
			s.Targets[t.ID] = plan.TargetStats{
				Group: name, Address: st.Address, Requests: st.Requests, Discarded: st.Discarded, Expected: st.Expected, LastRoute: st.LastRouted,
				Generation: t.generation, BusyAt: w.now, Busy: t.m.BusyTime(w.now), Slots: t.group.cfg.Service.Model.Concurrency, Served: t.served,
			}
		}
	}
	return s
}

// checkEvery is after how many requests' events an end of the context from outside is looked for.
const checkEvery = 4096

// Play implements the player's world: it runs virtual time until every request has its outcome and the schedule is over,
// or until the context ends.
func (w *World) Play(ctx context.Context, sched profile.Schedule, sink func(*measure.Sample)) (plan.Played, error) {
	w.walk, w.sink = sched.Walk(), sink
	w.nextArrival()
	for _, c := range sched.Closed {
		w.users += c.Users
		w.At(c.From, func() { // last in its instant: what stops the run in the same one comes first
			w.At(c.From, func() { w.beginClosed(c) })
		})
	}
	w.At(0, w.measure)
	end := w.s.Length()
	for n := 0; w.more || w.open > 0 || w.users > 0 || w.q.items[0].at <= end; n++ {
		it := w.q.pop()
		w.now = it.at
		w.handle(&it)
		if (it.kind == control || n%checkEvery == 0) && ctx.Err() != nil { // what the run does itself stops it in that very instant
			w.cancel()
			break
		}
	}
	if ctx.Err() == nil {
		w.now = max(w.now, end)
	}
	w.emit(plan.Event{Kind: plan.Measured, Stats: w.stats()})
	return plan.Played{LagLimit: time.Nanosecond}, nil
}

// Settle implements the player's world: here every answer comes at once.
func (w *World) Settle(func() bool) {}

// Close implements the player's world.
func (w *World) Close() error { return nil }
