package parity

import (
	"testing"

	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
	"github.com/seed-8025779b/shakedown/scenarios/sim"
)

// simulate plays a row in the simulator.
func simulate(t *testing.T, r *row) (list []decision) {
	t.Helper()
	s := r.plan(t)
	var w *sim.World
	w, err := sim.Open(s, sim.Options{
		Discard: func(uint64) bool { return false },
		Events: func(e plan.Event) {
			if e.Kind == plan.Changed && e.At >= 0 {
				list = append(list, decision{e.At, ofGroup, change(e.Target, e.From, e.To), false})
			}
		},
		Attempt: func(x chaos.Exchange) { list = append(list, decision{w.Now(), x.Seq, attemptAt(&x), false}) },
	})
	if err != nil {
		t.Fatal(err)
	}
	sched, err := s.Schedule()
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range r.happens {
		w.At(h.at, func() {
			if err := w.Do(h.do); err != nil {
				t.Error(err)
			}
		})
	}
	answered := func(m *measure.Sample) { list = append(list, decision{m.Done, m.Seq, answer(m), true}) }
	if _, err := w.Play(t.Context(), sched, answered); err != nil {
		t.Fatal(err)
	}
	return list
}
