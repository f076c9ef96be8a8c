package scenarios

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/profile"
	"github.com/seed-8025779b/shakedown/reports"
	"github.com/seed-8025779b/shakedown/reports/gate"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
)

// judged ends a rehearsal and judges it, with a tolerance of 1 ms.
func (r *rehearsal) judged(t *testing.T, gates ...string) *reports.Result {
	t.Helper()
	for _, expr := range gates {
		g, err := gate.Parse(expr)
		if err != nil {
			t.Fatal(err)
		}
		r.s.Gates = append(r.s.Gates, g)
	}
	r.played.LagLimit = ms
	r.s.Validity.Offered = .99
	r.rec.end(r.cause != nil, r.sched)
	for _, f := range r.faults {
		f.hits = 1
	}
	return r.result()
}

var ok = measure.Sample{Status: 200}

// stalled is a request of which the generator itself took a part.
func stalled(by time.Duration, x measure.Sample) measure.Sample {
	x.Stalled = by
	return x
}

func open(length time.Duration) *rehearsal { return rehearse(plan.Phase{Name: "a", End: length}) }
func users(length time.Duration) *rehearsal {
	return rehearse(plan.Phase{Name: "a", End: length, Users: 8})
}

// Each row is a course of requests, what is asked of it, and what becomes of that.
func TestVerdictsOfDisturbedRuns(t *testing.T) {
	const n = 1000 // requests of 20 ms over 10 s
	for name, tc := range map[string]struct {
		run     *rehearsal
		course  func(r *rehearsal)
		gates   []string
		verdict reports.Verdict
		says    string // in reasons or warnings
	}{
		"calm": {open(10 * s), func(r *rehearsal) { r.ask(n, 0, 10*ms, 20*ms, ok) }, nil, reports.Passed, ""},
		"p99 is the generator's doing": {open(10 * s), func(r *rehearsal) {
			r.ask(n-50, 0, 10*ms, 20*ms, ok)
			r.ask(50, 5*s, ms, 400*ms, stalled(380*ms, ok))
		}, nil, reports.Invalid, "late or stood still: p98 is 400 ms as measured, and 20 ms without"},
		"the same with a gate that it does not turn": {open(10 * s), func(r *rehearsal) {
			r.ask(n-50, 0, 10*ms, 20*ms, ok)
			r.ask(50, 5*s, ms, 400*ms, stalled(380*ms, ok))
		}, []string{"p99 < 500ms", "p50 < 30ms"}, reports.Passed, "between 20 ms and 400 ms"},
		"the same with a gate that it may have turned": {open(10 * s), func(r *rehearsal) {
			r.ask(n-50, 0, 10*ms, 20*ms, ok)
			r.ask(50, 5*s, ms, 400*ms, stalled(380*ms, ok))
		}, []string{"p99 < 200ms"}, reports.Invalid, "gate p99 < 200ms can't be judged: 400 ms as measured"},
		"the same with a gate that fails either way": {open(10 * s), func(r *rehearsal) {
			r.ask(n-50, 0, 10*ms, 20*ms, ok)
			r.ask(50, 5*s, ms, 400*ms, stalled(380*ms, ok))
		}, []string{"p99 < 10ms"}, reports.Failed, "p99 < 10ms: observed"},
		"a little late throughout, which moves the median": {open(10 * s), func(r *rehearsal) { r.ask(n, 0, 10*ms, 28*ms, stalled(8*ms, ok)) }, nil, reports.Invalid, "p50"},
		"a twentieth late": {open(10 * s), func(r *rehearsal) { r.ask(n, 0, 10*ms, 40*ms, stalled(2*ms, ok)) }, nil, reports.Passed, ""},
		"failures after a stall": {open(10 * s), func(r *rehearsal) {
			r.ask(n, 0, 9*ms, 20*ms, ok)
			r.ask(30, 5*s, ms, 400*ms, stalled(300*ms, failed))
		}, nil, reports.Invalid, "30 of the 30 failed requests had been delayed"},
		"a gate on errors that they turn": {open(10 * s), func(r *rehearsal) {
			r.ask(n, 0, 9*ms, 20*ms, ok)
			r.ask(30, 5*s, ms, 400*ms, stalled(300*ms, failed))
		}, []string{"error_rate < 1%"}, reports.Invalid, "gate error_rate < 1% can't be judged"},
		"a gate on a status that they turn": {open(10 * s), func(r *rehearsal) {
			r.ask(n, 0, 9*ms, 20*ms, ok)
			r.ask(30, 5*s, ms, 400*ms, stalled(300*ms, failed))
		}, []string{"status(502) < 1%"}, reports.Invalid, "gate status(502) < 1% can't be judged"},
		"an overloaded system is never invalid": {open(10 * s), func(r *rehearsal) {
			r.ask(n, 0, 10*ms, 3*s, stalled(10*ms, failed))
		}, []string{"p99_all < 1s"}, reports.Failed, "100.0 % of the requests failed"},
		"a closed loop that stood still": {users(8 * s), func(r *rehearsal) {
			r.ask(n, 0, 5*ms, 20*ms, ok)
			r.ask(8, 5*s, 0, 3*s, stalled(3*s, ok))
			r.played.Stalls = []measure.Stall{{From: 5 * s, Resumed: 8 * s, To: 8 * s}}
		}, nil, reports.Invalid, "stood still for 3.00 of the 8.00 s"},
		"a gate on its rate": {users(8 * s), func(r *rehearsal) {
			r.ask(n, 0, 5*ms, 20*ms, ok)
			r.played.Stalls = []measure.Stall{{From: 5 * s, Resumed: 8 * s, To: 8 * s}}
		}, []string{"rate > 150/s"}, reports.Invalid, "gate rate > 150/s can't be judged"},
		"a closed loop whose answers were often seen late": {users(10 * s), func(r *rehearsal) {
			r.ask(n-200, 0, 10*ms, 20*ms, ok)
			r.ask(200, 0, 10*ms, 60*ms, stalled(40*ms, ok))
		}, nil, reports.Invalid, "p90"},
		"a closed warm-up changes nothing": {rehearseIn(8*s, plan.Phase{Name: "w", End: s, Users: 4, Discard: true}, plan.Phase{Name: "a", Start: s, End: 11 * s}), func(r *rehearsal) {
			r.ask(n-50, s, 10*ms, 20*ms, ok)
			r.ask(50, 5*s, ms, 400*ms, stalled(380*ms, ok))
		}, nil, reports.Invalid, "p98"},
		"a collapse that may be the generator's doing": {open(10 * s), func(r *rehearsal) {
			r.ask(n, 0, 9*ms, 20*ms, stalled(10*ms, failed))
			r.ask(n/2, 0, 9*ms, 20*ms, ok)
		}, []string{"p50 < 1s"}, reports.Invalid, "66.7 % of the requests failed as measured"},
		"a collapse that was asked for": {open(10 * s), func(r *rehearsal) { r.ask(n, 0, 10*ms, 20*ms, failed) }, []string{"error_rate > 90%"}, reports.Passed, ""},
		"a collapse":                    {open(10 * s), func(r *rehearsal) { r.ask(n, 0, 10*ms, 20*ms, failed) }, []string{"dropped < 1"}, reports.Failed, "above 50 % a run has failed"},
	} {
		tc.course(tc.run)
		if tc.run.s.Load.Phases[0].Users == 0 { // the plan is what was asked
			tc.run.rec.planned = []uint64{0, 0}[:len(tc.run.rec.planned)]
			for i := range tc.run.rec.planned {
				x := tc.run.rec.recorder.Phase(i)
				tc.run.rec.planned[i] = x.Finished()
			}
		} else if len(tc.run.rec.planned) > 1 {
			tc.run.rec.planned[1] = tc.run.rec.recorder.Phase(1).Finished()
		}
		r := tc.run.judged(t, tc.gates...)
		told := strings.Join(append(append([]string{}, r.Reasons...), r.Warnings...), "\n")
		if r.Verdict != tc.verdict || !strings.Contains(told, tc.says) {
			t.Errorf("%s: %s\n%s\nwant %s, saying %q", name, r.Verdict, told, tc.verdict, tc.says)
		}
	}
}

// What was planned is counted apart from what became of it, so that a lost sample shows.
func TestPlannedIsCountedApart(t *testing.T) {
	sc := &plan.Scenario{Load: plan.Load{Phases: []plan.Phase{{Name: "a", End: 10 * s}}}, Objective: plan.Objective{Window: s}}
	sched := profile.Schedule{Profile: profile.New(profile.Hold{PerSecond: 100, Seconds: 10}), Arrivals: profile.Even}
	run := func(lose uint64, until time.Duration, ahead bool) *reports.Result {
		p := newPlayer(sc, sched, Options{World: "live"})
		p.ended = 10 * s
		for w := sched.Walk(); ; {
			seq, due, more := w.Next()
			if !more || due >= until {
				break
			}
			if seq != lose {
				p.rec.sample(&measure.Sample{Seq: seq, Due: due, Offered: due, Sent: due, Done: due + 20*ms})
			}
		}
		if until < 10*s {
			p.cause, p.ended = errors.New("stopped"), until
		}
		if ahead { // the generator is behind: what is due has not been offered
			p.rec.mu.Lock()
			p.rec.advance()
			p.rec.mu.Unlock()
		}
		return (&rehearsal{player: p}).judged(t)
	}
	whole := run(1<<40, 10*s, false)
	if x := whole.Totals; x.Planned != 1000 || x.Succeeded != 1000 || x.Cancelled != 0 || whole.Verdict != reports.Passed {
		t.Errorf("whole: %+v, %v", x, whole.Reasons)
	}
	lost := run(500, 10*s, false)
	if x := lost.Totals; x.Planned != 1000 || x.Succeeded != 999 || lost.Verdict != reports.Invalid || !strings.Contains(lost.Reasons[0], "1000 requests were planned, but 999 have an outcome") {
		t.Errorf("one lost: %+v, %v", x, lost.Reasons)
	}
	for _, ahead := range []bool{false, true} {
		stopped := run(1<<40, 3*s, ahead)
		if x := stopped.Totals; x.Planned != 1000 || x.Succeeded != 300 || x.Cancelled != 700 || !stopped.Validity.Valid {
			t.Errorf("stopped: %+v, %v", x, stopped.Validity.Reasons)
		}
		if r := stopped.Rates; r.Planned != 100 || r.Succeeded < 99 || r.Succeeded > 101 {
			t.Errorf("stopped: rates %+v over the time that was played", r)
		}
	}
}

// The most loaded target is held against what it should have had.
func TestImbalance(t *testing.T) {
	for name, tc := range map[string]struct {
		targets map[string]plan.TargetStats
		want    float64
		ok      bool
	}{
		"none":                      {nil, 0, false},
		"equal weights":             {map[string]plan.TargetStats{"a": {Requests: 120, Expected: 100}, "b": {Requests: 80, Expected: 100}}, .2, true},
		"weights":                   {map[string]plan.TargetStats{"a": {Requests: 300, Expected: 300}, "b": {Requests: 110, Expected: 100}}, .1, true},
		"one that came late":        {map[string]plan.TargetStats{"a": {Requests: 950, Expected: 950}, "b": {Requests: 50, Expected: 50}}, 0, true},
		"one that had next to none": {map[string]plan.TargetStats{"a": {Requests: 100, Expected: 99}, "b": {Requests: 3, Expected: 1}}, 1. / 99, true},
	} {
		got, ok := imbalance(&plan.Stats{Targets: tc.targets})
		if ok != tc.ok || got < tc.want-1e-9 || got > tc.want+1e-9 {
			t.Errorf("%s: %v %v, want %v", name, got, ok, tc.want)
		}
	}
}
