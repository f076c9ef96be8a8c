// Package inject carries faults out in a live run.
//
// Wire holds the faults in force on a balancer's connections; they live in the memory of that process, so
// that whatever ends it reverts them too. Process and Held end process groups, and never another than is meant.
package inject

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// Wire is the wire faults in force. Touch is for the data plane: it reads an atomic pointer.
type Wire struct {
	seed   draw.Seed
	mu     sync.Mutex // serialises On and Off
	active atomic.Pointer[chaos.Active]
}

// NewWire returns a Wire without faults.
func NewWire(seed draw.Seed) *Wire { return &Wire{seed: seed} }

// On puts a fault in force on the given targets.
func (w *Wire) On(id string, kind spec.Written, targets []string) error {
	choice, err := chaos.Kinds().Table().Read(kind)
	if err != nil {
		return fmt.Errorf("fault %s: %w", id, err)
	}
	k, err := chaos.Kinds().New(choice)
	if err != nil {
		return fmt.Errorf("fault %s: %w", id, err)
	}
	if k.Wire == nil {
		return fmt.Errorf("fault %s: %s does not act on connections", id, kind.Kind)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.active.Store(w.active.Load().With(w.seed, id, k.Wire, targets))
	return nil
}

// Off reverts a fault and returns how many exchanges it has touched. Reverting what is not in force is no
// error: a fault may be reverted both by its end and by the run's.
func (w *Wire) Off(id string) (hits uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.active.Load()
	w.active.Store(before.Without(id))
	return before.Hits(id)
}

// Touch is what the faults in force do to an exchange.
func (w *Wire) Touch(x *chaos.Exchange) chaos.Effect { return w.active.Load().Touch(x) }
