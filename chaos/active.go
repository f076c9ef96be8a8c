package chaos

import (
	"sync/atomic"
	"time"

	"github.com/seed-8025779b/shakedown/scenarios/draw"
)

// Active is the wire faults in force at one time. It is immutable but for the counts of what was hit; a
// change makes a new one with With or Without. The nil Active is valid and touches nothing.
type Active struct {
	faults []*activeFault
}

type activeFault struct {
	id      string
	wire    Wire
	stream  draw.Stream
	targets map[string]bool
	hits    atomic.Uint64
}

// With returns the set with one more fault in force on the given targets.
func (a *Active) With(seed draw.Seed, id string, w Wire, targets []string) *Active {
	f := &activeFault{id: id, wire: w, stream: seed.Stream("fault:" + id), targets: map[string]bool{}}
	for _, t := range targets {
		f.targets[t] = true
	}
	next := a.Without(id)
	next.faults = append(next.faults, f)
	return next
}

// Without returns the set without a fault.
func (a *Active) Without(id string) *Active {
	next := &Active{}
	if a != nil {
		for _, f := range a.faults {
			if f.id != id {
				next.faults = append(next.faults, f)
			}
		}
	}
	return next
}

// Touch returns what the faults in force do to an exchange, and counts a hit for each that does anything.
func (a *Active) Touch(x *Exchange) (e Effect) {
	if a == nil {
		return e
	}
	longest := time.Duration(0)
	for _, f := range a.faults {
		before := e
		if !f.targets[x.Target] || !f.wire.Touch(f.stream, x, &e) {
			continue
		}
		f.hits.Add(1)
		switch delay := e.Delay - before.Delay; {
		case e.Status != before.Status:
			e.Fault = f.id
		case e.Status == 0 && delay > longest:
			longest, e.Fault = delay, f.id
		}
	}
	return e
}

// Hits is how many exchanges and probes a fault has touched; 0 when it is not in force.
func (a *Active) Hits(id string) uint64 {
	if a == nil {
		return 0
	}
	for _, f := range a.faults {
		if f.id == id {
			return f.hits.Load()
		}
	}
	return 0
}
