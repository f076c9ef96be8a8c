package scenarios

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/profile"
	"github.com/seed-8025779b/shakedown/reports"
	"github.com/seed-8025779b/shakedown/scenarios/expose"
	"github.com/seed-8025779b/shakedown/scenarios/live"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
	"github.com/seed-8025779b/shakedown/scenarios/sim"
)

// World is where a scenario is played. The player holds every control loop — faults, scaling, abort rule —
// and a world carries out what they ask for; so both worlds share each decision.
type World interface {
	// Now is the time since the load began; negative before.
	Now() time.Duration
	// At calls f at that time, on the goroutine of Play. stop reports whether it prevented the call.
	At(t time.Duration, f func()) (stop func() bool)
	// Do carries an action out, or begins to.
	Do(plan.Action) error
	// Play offers the load and delivers its samples, from any goroutine. It returns when each has an
	// outcome, or soon after the context has ended.
	Play(ctx context.Context, s profile.Schedule, sink func(*measure.Sample)) (plan.Played, error)
	// InFlight is how many requests were offered and have no outcome yet. It is asked on the goroutine of Play.
	InFlight() int64
}

// stage is a World's beginning and end.
type stage interface {
	World
	// Settle takes in events that are on their way until the condition holds, for a short while at most.
	Settle(until func() bool)
	Close() error
}

// Options are how a scenario is played.
type Options struct {
	World    string // "live" or "sim"
	Exe      string // live: the binary to start children from
	Dir      string // live: existing folder for the logs of commands
	Progress func(Progress)
	Say      func(string)             // one-off messages for a person
	Announce func(string)             // faults, targets that leave or join, scaling: as they happen
	Expose   func(expose.Figures)     // about once a second, when not nil
	Samples  func(*reports.SampleRow) // each planned request, one at a time, when not nil
	Began    func(time.Time)          // live: when the load began, told at that time, when not nil
}

// Progress is how far a run has come.
type Progress struct {
	Now, Length     time.Duration
	Phase           string
	Planned, Ended  uint64 // Planned is the number of the whole load, expected of what is still to come; of closed loops, those so far
	InFlight        int64
	Failed, Dropped uint64
	P50, P99, Lag   time.Duration // response times, and the generator's lateness (p99), of the last second
}

// ErrCannotRun wraps what kept a scenario from being played at all.
var ErrCannotRun = errors.New("could not run")

// Play plays a scenario and judges it. The error is not nil only when there is nothing to report: it wraps
// ErrCannotRun when the topology could not be started, and sim.ErrUnsupported when the scenario can't be simulated.
// An ended context stops the run early, and the result says so.
func Play(ctx context.Context, s *plan.Scenario, opts Options) (*reports.Result, error) {
	sched, err := s.Schedule()
	if err != nil {
		return nil, err
	}
	p := newPlayer(s, sched, opts)
	if err := p.open(ctx); errors.Is(err, sim.ErrUnsupported) {
		return nil, err
	} else if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCannotRun, err)
	}
	defer p.world.Close()
	if err := p.play(ctx); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCannotRun, err)
	}
	if err := p.world.Close(); err != nil {
		p.warn("at the end: %v", err)
	}
	if !p.rec.end(p.cause != nil, p.ended, sched) {
		p.warn("the run was stopped so early that the requests that were never offered were not counted: their number is the one that the profile lets expect")
	}
	if n := p.rec.unknown; n > 0 && len(s.Faults) > 0 {
		p.warn("of %d failed requests the balancer did not tell which target they went to: they are charged by time alone", n)
	}
	if n := p.rec.health.late; n > 0 {
		p.warn("%d requests ended so long after they were due that when the objective broke or held again does not take them in", n)
	}
	return p.result(), nil
}

// player plays one scenario. Everything but the samples is on the goroutine of the world's Play.
type player struct {
	s     *plan.Scenario
	opts  Options
	world stage

	sched profile.Schedule
	rec   *record

	fleet    *fleet
	faults   []*faultRun
	scalers  []*scaler
	stats    *plan.Stats // the latest
	timeline []reports.Moment
	events   []plan.Event
	warnings []string
	broken   []string

	ceiling float64 // requests a second that the generator can offer at all; 0 when not known
	played  plan.Played
	ended   time.Duration
	cancel  context.CancelCauseFunc
	cause   error // why the run was stopped early; nil when it was not

	doubts    []string // figures and gates that may come out otherwise without the generator's own delays
	collapsed string   // the reason why the run has failed whatever is asked of it; empty when it has not
	stopped   bool
}

// binsPerObjective is into how many bins the objective's window is divided, of at least 50 ms and at most a second:
// recovery is known to that resolution.
const binsPerObjective = 8

func newPlayer(s *plan.Scenario, sched profile.Schedule, opts Options) *player {
	if opts.Progress == nil {
		opts.Progress = func(Progress) {}
	}
	if opts.Say == nil {
		opts.Say = func(string) {}
	}
	if opts.Announce == nil {
		opts.Announce = func(string) {}
	}
	width := min(max(s.Objective.Window/binsPerObjective, 50*time.Millisecond), time.Second)
	traced := opts.World == "live" && s.Topology != nil && s.Client.Identify
	fleet := newFleet(s)
	return &player{s: s, opts: opts, sched: sched, fleet: fleet, rec: newRecord(s, sched, fleet, width, traced, opts.Samples)}
}

func (p *player) warn(format string, args ...any) {
	p.warnings = append(p.warnings, fmt.Sprintf(format, args...))
}

// discarded returns the sequence numbers of the phases that are left out of the totals. It returns an error when the
// context has ended before they are counted.
func (p *player) discarded(ctx context.Context) (spans []config.Span, err error) {
	last := -1
	for i, ph := range p.s.Load.Phases {
		if ph.Discard && ph.Users == 0 {
			last = i
		}
	}
	if text := longCount(p.s, p.sched, last); text != "" {
		p.opts.Say(text)
	}
	w := p.sched.Walk()
	from, due, more := w.Next()
	for i, ph := range p.s.Load.Phases {
		if ph.Users > 0 {
			if ph.Discard {
				first, last := profile.ClosedSeqs(i)
				spans = append(spans, config.Span{From: first, To: last})
			}
			continue
		}
		if i > last {
			continue // nothing discarded is to come, and a long load takes its time to walk
		}
		to := from
		for more && due < ph.End {
			to++
			if _, due, more = w.Next(); to%quickCount == 0 && ctx.Err() != nil {
				return nil, ctx.Err()
			}
		}
		if ph.Discard {
			spans = append(spans, config.Span{From: from, To: to})
		}
		from = to
	}
	return spans, nil
}

// quickCount is how many requests are counted in about a second: a person is told of more before.
const quickCount = 10_000_000

// longCount says that the requests up to the end of a phase take their time to count; it is empty when they do not,
// and for no phase, which is -1.
func longCount(s *plan.Scenario, sched profile.Schedule, phase int) string {
	if phase < 0 {
		return ""
	}
	ph := &s.Load.Phases[phase]
	requests := sched.Profile.Hits(ph.End.Seconds())
	if requests <= quickCount {
		return ""
	}
	return fmt.Sprintf("counting the requests of the first %v, about %.0f, to know which ones belong to the discarded phase %s", ph.End, requests, ph.Name)
}

func (p *player) open(ctx context.Context) error {
	for _, text := range Warnings(p.s) {
		p.warnings = append(p.warnings, text)
		p.opts.Say("warning: " + text)
	}
	discard, err := p.discarded(ctx)
	if err != nil {
		return err
	}
	if p.opts.World == "sim" {
		p.world, err = sim.Open(p.s, sim.Options{Events: p.event, Discard: func(seq uint64) bool {
			for _, s := range discard {
				if seq >= s.From && seq < s.To {
					return true
				}
			}
			return false
		}})
		p.warnings = append(p.warnings, sim.Warnings(p.s)...)
		return err
	}
	if err := p.calibrate(ctx); err != nil {
		return err
	}
	w, err := live.Open(ctx, p.s, live.Options{Exe: p.opts.Exe, Dir: p.opts.Dir, Discard: discard, Events: p.event, Say: p.opts.Say})
	if err != nil {
		return err
	}
	p.world = w
	if p.s.Topology != nil && !p.s.Client.Identify && len(p.s.Faults) > 0 {
		p.warn("client.identify is off: the balancer can't tell which target a failed request went to, so that failures are charged to faults by time alone")
	}
	if p.s.RTT > 0 {
		p.warn("network.rtt is only simulated: it had no effect on this live run")
	}
	return nil
}

// ceilingShare is the share of what the generator can do at all that a plan may ask of it without a warning.
const ceilingShare = .7

// calibrate compares the plan with what the generator can do on this machine. A closed loop has no plan.
func (p *player) calibrate(ctx context.Context) (err error) {
	peak := p.s.PeakRate(p.sched)
	if peak == 0 {
		return nil
	}
	if p.ceiling, err = live.Calibrate(ctx, p.s); err != nil {
		return fmt.Errorf("calibration: %w", err)
	}
	if ctx.Err() == nil && peak > ceilingShare*p.ceiling {
		p.warn("the plan asks for %.0f requests a second at its peak: more than %.0f %% of the %.0f that the generator reached on this machine against a server that does nothing; it may be late",
			peak, ceilingShare*100, p.ceiling)
		p.opts.Say("warning: " + p.warnings[len(p.warnings)-1])
	}
	return nil
}

// maxMoments bounds the timeline, so that the memory of a run does not grow with its length.
const maxMoments = 600

var (
	errInterrupted = errors.New("interrupted")
	errAborted     = errors.New("aborted")
)

func (p *player) play(ctx context.Context) error {
	ctx, p.cancel = context.WithCancelCause(ctx)
	defer p.cancel(nil)
	if p.opts.Began != nil && p.opts.World == "live" {
		p.world.At(0, func() { p.opts.Began(time.Now().Add(-p.world.Now())) })
	}
	p.scheduleFaults()
	p.scheduleScaling()
	p.every(max(time.Second, p.s.Length()/maxMoments), func(time.Duration) { p.observe() })
	p.every(time.Second, func(time.Duration) { p.progress() })
	if len(p.s.Abort) > 0 {
		p.every(abortEvery, func(time.Duration) { p.checkAbort() })
	}
	var err error
	p.played, err = p.world.Play(ctx, p.sched, p.rec.sample)
	p.stopped = true
	p.ended = p.s.Length() // what comes after belongs to requests that were due before
	if ctx.Err() != nil {
		if p.cause == nil {
			p.cause = errInterrupted
		}
		p.ended = min(max(p.world.Now(), 0), p.ended)
		p.rec.cut(p.ended)
	}
	p.revertFaults()
	return err
}

// every calls f at each multiple of the period until the load ends, with that instant. Those that have passed when a call
// ends, because the process stood still, are left out.
func (p *player) every(period time.Duration, f func(at time.Duration)) {
	var tick func(t time.Duration)
	tick = func(t time.Duration) {
		if t >= p.s.Length() {
			return
		}
		p.world.At(t, func() {
			if !p.stopped {
				f(t)
				tick(max(t, p.world.Now()/period*period) + period)
			}
		})
	}
	tick(period)
}

// abortEvery is how often the abort rules are looked at.
const abortEvery = 250 * time.Millisecond

func (p *player) checkAbort() {
	p.rec.mu.Lock()
	defer p.rec.mu.Unlock()
	now := p.world.Now()
	for i, a := range p.s.Abort {
		rate, atBest := p.rec.trailing[i].ErrorRate(now)
		if now >= a.Over && (atBest > a.Percent || (a.OrEqual && atBest == a.Percent)) && p.cause == nil { // and so is the rate as measured
			p.cause = fmt.Errorf("%w: %s over %v: it was %.1f%% at %v", errAborted, a.When, a.Over, rate, now.Round(time.Millisecond))
			p.cancel(p.cause)
		}
	}
}

// event takes in what happened in the world.
func (p *player) event(e plan.Event) {
	switch e.Kind {
	case plan.Measured:
		p.stats = e.Stats
		p.fleet.measured(e.Stats)
		for _, sc := range p.scalers {
			sc.lookAgain(e.Stats)
		}
		p.rec.expire(e.At - tellWithin)
		return
	case plan.Abandoned:
		p.rec.tell(e.At, e.Abandoned)
		return
	}
	if !p.rec.event(&e) {
		return
	}
	switch e.Kind {
	case plan.Broken:
		p.broken = append(p.broken, fmt.Sprintf("at %s: %s", clock(e.At), e.Detail))
	case plan.Note:
		p.warn("at %s: %s", clock(e.At), e.Detail)
	case plan.Reverted:
		p.reverted(&e)
	case plan.Launched:
		p.restarted(&e)
	}
	p.events = append(p.events, e)
	p.announce(&e)
	if e.Kind == plan.Exited {
		p.exited(&e)
	}
}

// clock writes a time since the load began.
func clock(t time.Duration) string { return fmt.Sprintf("%.2fs", t.Seconds()) }

// say notes something of the player's own among the events.
func (p *player) say(kind, group, target, fault, detail string) {
	e := plan.Event{At: p.world.Now(), Kind: plan.EventKind(kind), Group: group, Target: target, Fault: fault, Detail: detail}
	p.events = append(p.events, e)
	p.announce(&e)
}

// observe adds a moment to the timeline of each group.
func (p *player) observe() {
	for _, name := range p.fleet.groups {
		desired := p.s.Group(name).Targets.Count
		for _, sc := range p.scalers {
			if sc.cfg.Group == name {
				desired = sc.desired
			}
		}
		p.timeline = append(p.timeline, p.fleet.moment(p.world.Now(), name, desired))
	}
}

// candidates are the targets of a group that a fault may choose: those in service; when there are none,
// those whose process runs.
func (p *player) candidates(group string) (c []chaos.Candidate) {
	for _, inService := range []bool{true, false} {
		for _, m := range p.fleet.members {
			if m.Group == group && (m.inService() || (!inService && m.running)) {
				c = append(c, chaos.Candidate{ID: m.ID, Zone: m.Zone})
			}
		}
		if len(c) > 0 {
			return c
		}
	}
	return nil
}
