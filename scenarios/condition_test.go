package scenarios

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
)

var fine = measure.Sample{Status: 200}

// sameCourse plays the same hour with two faults between quiet hours before and after it, with an objective's window of
// 2 s, and returns what is said of the faults.
func sameCourse(t *testing.T, before, after time.Duration) string {
	t.Helper()
	const hour = time.Hour
	r := rehearseIn(2*s, plan.Phase{Name: "before", End: before}, plan.Phase{Name: "course", Start: before, End: before + hour}, plan.Phase{Name: "after", Start: before + hour, End: before + hour + after})
	r.rec.health = newCondition(r.s.Objective, r.s.Length(), 30*s, 250*ms, r.rec.recorder)
	course := func(from, to time.Duration, broken bool) {
		for at := before + from; at < before+to; at += s {
			r.ask(4, at, 200*ms, 70*ms, fine)
			if broken {
				r.ask(1, at+800*ms, 0, 90*ms, failedAt("web-1", ""))
			} else {
				r.ask(1, at+800*ms, 0, 90*ms, fine)
			}
		}
	}
	hung := measure.Sample{Outcome: measure.Failed, Class: measure.Timeout}
	r.ask(int(before/(10*s)), 0, 10*s, 10*ms, fine)
	course(0, 60*s, false)
	r.fault("slow", before+60*s+130*ms, before+700*s, "web-1")
	course(60*s, 373*s, true) // its bins are no longer those that follow a cut closely
	r.ask(3, before+373*s, 10*ms, 29*s, hung)
	course(402*s, 403*s, false)
	course(403*s, 700*s, false)
	r.rec.cut(before + 700*s)
	course(700*s, 1000*s, false)
	r.fault("kill", before+1000*s, before+1001*s+300*ms, "web-1")
	course(1000*s, 1001*s, true)
	r.rec.cut(before + 1001*s + 300*ms)
	course(1001*s, 1400*s, true)
	course(1400*s, hour, false)
	r.ask(int(after/(10*s)), before+hour, 10*s, 10*ms, fine)
	r.rec.end(true, r.ended, r.sched)
	if r.rec.health.late > 0 {
		t.Errorf("%d requests were too late", r.rec.health.late)
	}
	text := ""
	for _, side := range []bool{false, true} {
		for _, m := range r.impacts(side) {
			w := m.tally
			text += fmt.Sprintf("recovered %v after the injection, %v after the end; window of %v, %d succeeded, %d of them in it, %d failed, p99 %v; charged %d, expected %.3f\n",
				*m.Recover, *m.Residual, m.to-m.from, w.Succeeded, w.Within, w.Failed, w.Response.Quantile(.99), m.charged, m.expected)
		}
	}
	return text
}

// What is said of a fault does not depend on how long the run goes on before and after it.
func TestRecoveryDoesNotDependOnTheLengthOfTheRun(t *testing.T) {
	short := sameCourse(t, 10*s, 10*s)
	t.Log(short)
	for _, long := range [][2]time.Duration{{12 * time.Hour, 11 * time.Hour}, {7 * 24 * time.Hour, 10 * s}} {
		if got := sameCourse(t, long[0], long[1]); got != short {
			t.Errorf("after %v and before %v:\n%s\nalone:\n%s", long[0], long[1], got, short)
		}
	}
}

// Memory does not grow while a fault lasts, whether or not the objective holds, and is free when all is known.
func TestWatchingTakesNoMoreMemoryTheLongerItLasts(t *testing.T) {
	for name, broken := range map[string]bool{"broken": true, "not broken": false} {
		t.Run(name, func(t *testing.T) {
			r := measure.NewRecorder([]measure.Phase{{End: 10 * time.Hour}}, 250*ms)
			c := newCondition(plan.Objective{ErrorRate: .1, Window: 2 * s}, 10*time.Hour, 10*s, 250*ms, r)
			w := c.watch(s, r.Cut(s), true)
			most := 0
			ask := func(from, to time.Duration, o measure.Outcome) {
				for at := from; at < to; at += s / 2 {
					x := measure.Sample{Due: at, Done: at + 10*ms, Outcome: o, Class: measure.Refused}
					c.add(&x)
					r.Add(&x)
					most = max(most, len(r.Bins())-600, len(c.rows)) // 600 bins are there without a fault too
				}
			}
			o := measure.Succeeded
			if broken {
				o = measure.Failed
			}
			ask(s, time.Hour, o)
			ask(4*time.Hour, 5*time.Hour, o) // in between nothing ends
			if rows := int(c.after/(250*ms)) + 2; most > rows+600/2+240 {
				t.Errorf("%d bins and rows, %d of them are under way", most, rows)
			}
			w.until = 5 * time.Hour
			ask(5*time.Hour, 6*time.Hour, measure.Succeeded)
			if len(c.watches) > 0 || len(c.rows) > 0 {
				t.Errorf("%d faults are watched, %d rows", len(c.watches), len(c.rows))
			}
			want := recovery{at: s, known: true}
			if broken {
				want = recovery{at: 5*time.Hour - 250*ms, broken: true, known: true} // the last failure ended before that
			}
			if got := w.recovery(asMeasured); got != want {
				t.Errorf("%+v, want %+v", got, want)
			}
		})
	}
}

// An objective that breaks and holds again for hours, while a fault is in force, takes no more memory than a quiet one: only
// the edge where it held again in the end is kept.
func TestAFlappingObjectiveTakesNoMoreMemory(t *testing.T) {
	const length, turn = 6 * time.Hour, 10 * s
	r := measure.NewRecorder([]measure.Phase{{End: length}}, 250*ms)
	c := newCondition(plan.Objective{ErrorRate: .1, Window: 2 * s}, length, 10*s, 250*ms, r, s)
	c.cut(r.Cut(s))
	w := c.watch(s, s, true)
	most, held, turns := 0, false, 0
	for at := s; at < length; at += s / 2 {
		x := measure.Sample{Due: at, Done: at + 10*ms, Class: measure.Refused}
		if at < length-time.Hour && at/turn%2 == 0 {
			x.Outcome = measure.Failed
		}
		if at == length-time.Minute {
			w.until = at
		}
		c.add(&x)
		r.Add(&x)
		most = max(most, len(r.Bins()), len(c.rows))
		if now := w.sides[asMeasured].held; now != held {
			held = now
			turns++
		}
	}
	if most > 1000 { // a quiet one takes up to 900
		t.Errorf("%d bins or rows", most)
	}
	last := length - time.Hour - turn - 250*ms // the last failure ended before that
	if got, want := w.recovery(asMeasured), (recovery{at: last, broken: true, known: true}); got != want || turns < 500 {
		t.Errorf("%+v after it turned %d times, want %+v", got, turns, want)
	}
	r.Finish()
	if !slices.ContainsFunc(r.Bins(), func(b *measure.Bin) bool { return b.Start == last }) {
		t.Errorf("no bin begins at %v", last)
	}
}

// Nothing is counted before a window before an injection, and no more than is needed while that is late.
func TestNothingIsCountedLongBeforeAnInjection(t *testing.T) {
	const coming = time.Hour
	r := measure.NewRecorder([]measure.Phase{{End: 5 * time.Hour}}, 250*ms)
	c := newCondition(plan.Objective{ErrorRate: .1, Window: 2 * s}, 5*time.Hour, 10*s, 250*ms, r, 4*time.Hour, coming)
	ask := func(from, to time.Duration) (most int) {
		for at := from; at < to; at += s / 2 {
			x := measure.Sample{Due: at, Done: at + 10*ms}
			c.add(&x)
			r.Add(&x)
			most = max(most, len(c.rows))
		}
		return most
	}
	if rows := ask(0, coming-2250*ms); rows > 0 {
		t.Errorf("%d rows a while before the first injection", rows)
	}
	few := int(c.after/(250*ms)) + 2
	if rows := ask(coming-2*s, 3*time.Hour); rows == 0 || rows > few {
		t.Errorf("%d rows while the first injection is late", rows)
	}
	at := r.Cut(3 * time.Hour)
	c.cut(at)
	w := c.watch(at, at, true)
	if first := c.rows[0].start; first > at-2*s {
		t.Errorf("rows begin at %v only", first)
	}
	w.until = 3*time.Hour + s
	if rows := ask(3*time.Hour, 3*time.Hour+time.Minute); rows > few+1 {
		t.Errorf("%d rows of the first fault", rows)
	}
	if rows := ask(3*time.Hour+time.Minute, 4*time.Hour-3*s); rows > 0 {
		t.Errorf("%d rows between the faults", rows)
	}
}

// A request that ends later than any should is counted as such, and changes nothing that is decided.
func TestLateRequestsAreTold(t *testing.T) {
	r := measure.NewRecorder([]measure.Phase{{End: time.Minute}}, 250*ms)
	c := newCondition(plan.Objective{ErrorRate: .1, Window: 2 * s}, time.Minute, s, 250*ms, r)
	w := c.watch(s, r.Cut(s), true)
	for at := s / 2; at < 30*s; at += s / 2 {
		x := measure.Sample{Due: at, Done: at + 10*ms}
		if at == 20*s {
			x.Due = s / 2 // before the injection: nobody asks for it
		}
		if at == 25*s {
			x.Due = 2 * s
		}
		c.add(&x)
		r.Add(&x)
	}
	c.finish(time.Minute)
	if got := w.recovery(asMeasured); c.late != 1 || got != (recovery{at: s, known: true}) {
		t.Errorf("%d were late; %+v", c.late, got)
	}
}

// A fault that is injected while another one is watched is looked at from its very injection on.
func TestAShortBreachAtASecondInjection(t *testing.T) {
	r := rehearseIn(2*s, plan.Phase{Name: "a", End: 30 * s})
	r.ask(50, 0, 100*ms, 10*ms, fine)
	r.fault("slow", 5*s, 20*s, "web-1")
	r.ask(51, 5*s, 100*ms, 10*ms, fine) // until 10 s
	r.fault("kill", 10*s+50*ms, 11*s, "web-2")
	r.ask(5, 10*s+60*ms, 10*ms, 10*ms, failedAt("web-2", "")) // all of them before the next edge, at 10.25 s
	r.ask(190, 10*s+300*ms, 100*ms, 10*ms, fine)
	r.rec.end(true, r.ended, r.sched)
	for i, m := range r.impacts(false) {
		if want := []time.Duration{5*s + 250*ms, 200 * ms}[i]; m.Recover == nil || *m.Recover != want || !m.Broken {
			t.Errorf("fault %d: recovered after %v (broken: %v), want %v", i, m.Recover, m.Broken, want)
		}
	}
}
