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
	down     map[string]bool // killed targets that are to come back

	watch   *watch         // nil until it is injected
	carried *measure.Tally // requests under way at its injection that failed after it by its doing
	missed  missed
}

// caused reports whether a request's failure is the fault's doing: it shaped the final attempt, or that went to
// one of its targets.
func (r *faultRun) caused(s *measure.Sample) bool {
	return s.Fault == r.ID || (s.Fault == "" && slices.Contains(r.targets, s.Target))
}

func (p *player) scheduleFaults() {
	for i := range p.s.Faults {
		f := &p.s.Faults[i]
		kind, err := chaos.Kinds().New(f.Choice)
		if err != nil {
			panic("scenarios: a fault that was checked: " + err.Error())
		}
		r := &faultRun{Fault: f, kind: kind, down: map[string]bool{}}
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
		if err := p.world.Do(plan.WireOn{Fault: r.Fault, Targets: r.targets}); err != nil {
			p.warn("fault %s: %v", r.ID, err)
		}
		if end, ok := r.End(); ok {
			p.world.At(end, func() { p.revert(r) })
		}
		return
	}
	var struck []string // those that were really killed: nothing is charged to the fault on the others
	for _, id := range r.targets {
		if err := p.world.Do(plan.Kill{Target: id, Fault: r.ID}); err != nil {
			p.warn("fault %s: %v", r.ID, err)
			continue
		}
		struck = append(struck, id)
		r.hits++
		if after := r.kind.Process.RestartAfter; after > 0 {
			r.down[id] = true
			p.world.At(r.At+after, func() { p.restart(r, id) })
		}
	}
	r.targets = struck
}

// lateEdge is how late a fault may begin or end without a word.
const lateEdge = 100 * time.Millisecond

// late warns of an edge of a fault that came later than the scenario says, because the machine or this process stood still.
// Its window is the real one.
func (p *player) late(r *faultRun, what string, by time.Duration) {
	if by > lateEdge {
		p.warn("fault %s %s %v later than the scenario says: the load generator's process stood still", r.ID, what, by.Round(time.Millisecond))
	}
}

func (p *player) revert(r *faultRun) {
	if r.ended == nil {
		if err := p.world.Do(plan.WireOff{Fault: r.ID}); err != nil {
			p.warn("fault %s: %v", r.ID, err)
		}
	}
}

func (p *player) restart(r *faultRun, id string) {
	if p.stopped {
		return // the whole topology is about to end
	}
	m := p.fleet.byID[id]
	if err := p.world.Do(plan.Start{Target: m.Target}); err != nil {
		p.warn("fault %s: %s could not be started again: %v", r.ID, id, err)
	}
}

// reverted hears that a wire fault is no longer in force.
func (p *player) reverted(e *plan.Event) {
	for _, r := range p.faults {
		if r.ID == e.Fault && r.ended == nil {
			r.hits = e.Hits
			if end, ok := r.End(); ok {
				p.late(r, "ended", e.At-end)
			}
			p.rec.revert(r, e.At, p.world.Now())
			e.Detail = fmt.Sprintf("%s reverted; it touched %d exchanges", r.Kind, e.Hits)
		}
	}
}

// restarted hears of a launch, which may be the one that ends a kill.
func (p *player) restarted(e *plan.Event) {
	for _, r := range p.faults {
		if r.down[e.Target] {
			delete(r.down, e.Target)
			if len(r.down) == 0 && r.ended == nil {
				p.rec.revert(r, e.At, p.world.Now())
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
