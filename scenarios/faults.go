package scenarios

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
)

// faultRun is a fault of the run.
type faultRun struct {
	*chaos.Fault
	kind     chaos.Kind
	targets  []string
	injected *time.Duration
	ended    *time.Duration // when it was reverted
	hits     uint64
	late     string // what of it came late because the player stood still; empty when nothing did

	down map[string]revival // killed targets that are to come back
	due  bool               // the time has come for them to be started again

	watch   *watch         // nil until it is injected
	carried *measure.Tally // requests under way at its injection that failed after it by its doing
	missed  missed         // at the end of the run
	lasted  time.Duration  // when the last request that it may have shaped ended
	course  targetsCourse  // see courseOf
	failed  bool           // a fault that only delays: a request failed by its doing all the same
}

// revival is how far a killed target is on its way back.
type revival int

const (
	dying   revival = iota + 1 // the exit of its process was not heard yet
	dead                       // it was
	started                    // it was asked to start again
)

// caused reports whether a request's failure is the fault's doing: it shaped the final attempt, or that went to
// one of its targets.
func (r *faultRun) caused(s *measure.Sample) bool {
	return s.Fault == r.ID || (s.Fault == "" && slices.Contains(r.targets, s.Target))
}

// mayHaveShaped reports whether a fault may have shaped a request that was under way while it was in force: it did, or the request
// went to others before its final attempt, or nothing says whom it was for.
func (r *faultRun) mayHaveShaped(s *measure.Sample) bool {
	if s.Done < *r.injected || (r.ended != nil && s.Due >= *r.ended) {
		return false
	}
	untold := s.Fault == "" && s.Target == "" && (s.Group == "" || s.Group == r.Select.Group)
	return untold || s.Attempts > 1 || s.ClientAttempts > 1 || r.caused(s)
}

// endsWithin reports whether the plan has an end of the fault within a load of that length.
func (r *faultRun) endsWithin(length time.Duration) bool {
	end, ok := r.End()
	return ok && end < length
}

func (p *player) scheduleFaults() {
	for i := range p.s.Faults {
		f := &p.s.Faults[i]
		kind, err := chaos.Kinds().New(f.Choice)
		if err != nil {
			panic("scenarios: a fault that was checked: " + err.Error())
		}
		r := &faultRun{Fault: f, kind: kind, down: map[string]revival{}}
		p.faults = append(p.faults, r)
		p.rec.scheduled = p.faults
		p.world.At(f.At, func() { p.inject(r) })
	}
}

func (p *player) inject(r *faultRun) {
	if p.stopped {
		return
	}
	r.targets = r.Select.Choose(p.s.Seed, r.ID, p.candidates(r.Select.Group))
	for _, id := range r.targets {
		p.fleet.byID[id].troubled = false
	}
	p.late(r, "was injected", p.world.Now()-r.At)
	p.rec.inject(r, p.world.Now())
	on := strings.Join(r.targets, ", ")
	if on == "" {
		on = "no target: none that fits is in service"
	}
	p.say("fault", r.Select.Group, "", r.ID, fmt.Sprintf("%s on %s", r.Kind, on))
	if len(r.targets) == 0 {
		return // told as invalid at the end: it hit nothing
	}
	if r.kind.Wire != nil {
		if err := p.world.Do(plan.Apply{Fault: r.Fault, Victims: r.targets}); err != nil {
			p.warn("fault %s: %v", r.ID, err)
		}
		if end, ok := r.End(); ok {
			p.world.At(end, func() { p.end(r, end) })
		}
		return
	}
	p.kill(r)
}

// kill kills the fault's targets. Those that come back are started again when their time has passed since then, and the
// exit of their process was heard.
func (p *player) kill(r *faultRun) {
	at, after := p.world.Now(), r.kind.Process.RestartAfter
	var struck []string
	for _, id := range r.targets {
		if after > 0 {
			r.down[id] = dying
		}
		if err := p.world.Do(plan.Apply{Fault: r.Fault, Victims: []string{id}}); err != nil {
			p.warn("fault %s: %v", r.ID, err)
			delete(r.down, id)
			continue
		}
		struck = append(struck, id)
		r.hits++
	}
	p.rec.strike(r, struck)
	if after > 0 {
		p.world.At(at+after, func() { p.restart(r, at+after) })
	}
}

// lateEdge is how late a fault may begin or end without a word.
const lateEdge = 100 * time.Millisecond

// late warns of an edge of a fault that came later than the scenario says, because the machine or this process stood still.
// Its window is the real one, but it is not the fault that the scenario asks about: see judge.
func (p *player) late(r *faultRun, what string, by time.Duration) {
	if by > lateEdge {
		r.late = fmt.Sprintf("fault %s %s %v later than the scenario says: the load generator's process stood still", r.ID, what, by.Round(time.Millisecond))
		p.warn("%s", r.late)
	}
}

// end reverts a fault at its planned end.
func (p *player) end(r *faultRun, planned time.Duration) {
	if !p.stopped {
		p.late(r, "ended", p.world.Now()-planned)
		p.revert(r)
	}
}

func (p *player) revert(r *faultRun) {
	if r.ended == nil {
		if err := p.world.Do(plan.Revert{Fault: r.ID}); err != nil {
			p.warn("fault %s: %v", r.ID, err)
		}
	}
}

// restart starts the killed targets again of which the exit was heard; the others follow when it is.
func (p *player) restart(r *faultRun, planned time.Duration) {
	if p.stopped {
		return // the whole topology is about to end
	}
	p.late(r, "restarted its targets", p.world.Now()-planned)
	r.due = true
	for _, id := range r.targets {
		p.startAgain(r, id)
	}
}

func (p *player) startAgain(r *faultRun, id string) {
	if p.stopped || !r.due || r.down[id] != dead {
		return
	}
	r.down[id] = started
	if err := p.world.Do(plan.Start{Target: p.fleet.byID[id].Target}); err != nil {
		p.warn("fault %s: %s could not be started again: %v", r.ID, id, err)
	}
}

// exited hears of the end of a process, which may be one that was killed.
func (p *player) exited(e *plan.Event) {
	for _, r := range p.faults {
		if r.down[e.Target] == dying {
			r.down[e.Target] = dead
			p.startAgain(r, e.Target)
		}
	}
}

// reverted hears that a wire fault is no longer in force.
func (p *player) reverted(e *plan.Event) {
	for _, r := range p.faults {
		if r.ID == e.Fault && r.ended == nil {
			r.hits = e.Hits
			p.over(r, e.At)
			e.Detail = fmt.Sprintf("%s reverted; it touched %d exchanges", r.Kind, e.Hits)
		}
	}
}

// over notes that a fault ended at an instant of which the player hears now. From now on a bin begins, unless the load has
// ended: what drains then is looked at by nobody, and the last request ends in this very instant.
func (p *player) over(r *faultRun, at time.Duration) {
	p.rec.revert(r, at)
	if !p.stopped {
		p.rec.cut(p.world.Now())
	}
}

// restarted hears of a launch, which may be the one that ends a kill.
func (p *player) restarted(e *plan.Event) {
	for _, r := range p.faults {
		if r.down[e.Target] > dying { // of one that is dying it was launched before it was killed
			delete(r.down, e.Target)
			if len(r.down) == 0 && r.ended == nil {
				p.over(r, e.At)
			}
		}
	}
}

// revertFaults reverts what is still in force when the load has ended, however it ended.
func (p *player) revertFaults() {
	var open []*faultRun
	for _, r := range p.faults {
		if r.kind.Wire != nil && r.injected != nil && r.ended == nil && len(r.targets) > 0 {
			p.revert(r)
			open = append(open, r)
		}
	}
	p.world.Settle(func() bool {
		for _, r := range open {
			if r.ended == nil {
				return false
			}
		}
		return true
	})
}
