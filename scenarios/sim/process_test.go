package sim

import (
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/scenarios/plan"
)

// A process ends once: a target that is retired after it was killed, or killed while it drains, is not ended again.
func TestProcessesEndOnce(t *testing.T) {
	killed, retired := kill("k", "web-1"), plan.Retire{Group: "web", Target: "web-1"}
	for _, order := range [][]plan.Action{{killed, retired}, {retired, killed}} {
		s := scenario(2, 8, -1, constant(300*time.Millisecond), "round_robin", 100, 2*time.Second)
		_, events := play(t, s, time.Second, func(w *World) {
			for _, a := range order {
				if err := w.Do(a); err != nil {
					t.Error(err)
				}
			}
		})
		exits, gone := 0, 0
		for _, e := range events {
			switch {
			case e.Kind == plan.Exited:
				exits++
			case e.To == "gone":
				gone++
			}
		}
		if exits != 1 || gone != 1 {
			t.Errorf("%T first: ended %d times, gone %d times", order[0], exits, gone)
		}
	}
}
