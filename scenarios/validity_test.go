package scenarios

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/profile"
	"github.com/seed-8025779b/shakedown/reports"
	"github.com/seed-8025779b/shakedown/reports/gate"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// judged ends a rehearsal and judges it, with a tolerance of 1 ms.
func (r *rehearsal) judged(t *testing.T, gates ...string) *reports.Result {
	t.Helper()
	for _, expr := range gates {
		g, err := gate.Parse(expr)
		if err != nil {
			t.Fatal(err)
		}
		r.s.Gates = append(r.s.Gates, plan.Gate(g))
	}
	r.played.LagLimit = ms
	r.s.Validity.Offered = .99
	r.rec.end(r.cause != nil, r.ended, r.sched)
	for _, f := range r.faults {
		if f.injected != nil {
			f.hits = 1
		}
	}
	return r.result()
}

var (
	ok      = measure.Sample{Status: 200}
	dropped = measure.Sample{Outcome: measure.Dropped, Class: measure.NoConnection}
)

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
		}, nil, reports.Invalid, "30 of the 30 failed requests may not have failed without the time"},
		"a gate on errors that they turn": {open(10 * s), func(r *rehearsal) {
			r.ask(n, 0, 9*ms, 20*ms, ok)
			r.ask(30, 5*s, ms, 400*ms, stalled(300*ms, failed))
		}, []string{"error_rate < 1%"}, reports.Invalid, "gate error_rate < 1% can't be judged"},
		"a gate on a status that they turn": {open(10 * s), func(r *rehearsal) {
			r.ask(n, 0, 9*ms, 20*ms, ok)
			r.ask(30, 5*s, ms, 400*ms, stalled(300*ms, failed))
		}, []string{"status(502) < 1%"}, reports.Invalid, "gate status(502) < 1% can't be judged"},
		"failures for what the generator's machine lacked": {open(10 * s), func(r *rehearsal) {
			r.ask(n, 0, 9*ms, 20*ms, ok)
			r.ask(30, 5*s, ms, ms, lacked)
		}, nil, reports.Invalid, "30 of the 30 failed requests may not have failed without what the load generator's machine had no port, descriptor or memory left for"},
		"a few of them": {open(10 * s), func(r *rehearsal) {
			r.ask(n, 0, 9*ms, 20*ms, ok)
			r.ask(5, 5*s, ms, ms, lacked)
		}, nil, reports.Passed, "5 requests failed because the load generator's machine"},
		"a gate on errors that they turn too": {open(10 * s), func(r *rehearsal) {
			r.ask(n, 0, 9*ms, 20*ms, ok)
			r.ask(30, 5*s, ms, ms, lacked)
		}, []string{"error_rate < 1%"}, reports.Invalid, "gate error_rate < 1% can't be judged: 2.91 % as measured, and 0.00 % without what the load generator's machine had no port"},
		"nothing but them": {open(10 * s), func(r *rehearsal) { r.ask(n, 0, 9*ms, ms, lacked) }, nil, reports.Invalid, "100.0 % of the requests failed as measured, 0.0 % without failures that may be the generator's own doing"},
		"an overloaded system is never invalid": {open(10 * s), func(r *rehearsal) {
			r.ask(n, 0, 10*ms, 3*s, stalled(10*ms, failed))
		}, []string{"p99_all < 1s"}, reports.Failed, "100.0 % of the requests failed"},
		"a closed loop that stood still": {users(8 * s), func(r *rehearsal) {
			r.ask(n, 0, 5*ms, 20*ms, ok)
			r.ask(8, 5*s, 0, 3*s, stalled(3*s, ok))
			r.played.Stalls = []measure.Stall{{From: 5 * s, Resumed: 8 * s, To: 8 * s}}
		}, nil, reports.Invalid, "stood still, or worked off what had piled up meanwhile, for 3.00 of the 8.00 s"},
		"a gate on its rate": {users(8 * s), func(r *rehearsal) {
			r.ask(n, 0, 5*ms, 20*ms, ok)
			r.played.Stalls = []measure.Stall{{From: 5 * s, Resumed: 8 * s, To: 8 * s}}
		}, []string{"rate > 150/s"}, reports.Invalid, "gate rate > 150/s can't be judged"},
		"a gate on its rate, which stalls that take little of the time between them do not turn": {users(8 * s), func(r *rehearsal) {
			r.ask(n, 0, 5*ms, 20*ms, ok)
			r.played.Stalls = []measure.Stall{{From: 5 * s, Resumed: 8 * s, To: 8 * s, Stopped: 10 * ms, Ran: 2990 * ms}}
		}, []string{"rate > 150/s"}, reports.Failed, "rate > 150/s: observed"},
		"a closed loop whose answers were often seen late": {users(10 * s), func(r *rehearsal) {
			r.ask(n-200, 0, 10*ms, 20*ms, ok)
			r.ask(200, 0, 10*ms, 60*ms, stalled(40*ms, ok))
		}, nil, reports.Invalid, "p90"},
		"a closed loop of which a few answers were seen late": {users(10 * s), func(r *rehearsal) {
			r.ask(n-30, 0, 10*ms, 20*ms, ok)
			r.ask(30, 0, 10*ms, 200*ms, stalled(180*ms, ok))
		}, nil, reports.Invalid, "p98"},
		"the same, as fast as the generator can": {users(10 * s), func(r *rehearsal) {
			r.ask(n-30, 0, 10*ms, 20*ms, ok)
			r.ask(30, 0, 10*ms, 200*ms, stalled(180*ms, ok))
			r.played.CPU = .95
		}, nil, reports.Passed, ""},
		"a short phase in a long run": {rehearseIn(2*s, plan.Phase{Name: "a", End: 50 * s}, plan.Phase{Name: "b", Start: 50 * s, End: 52 * s}), func(r *rehearsal) {
			r.ask(100*n, 0, ms/2, 20*ms, ok)
			r.ask(160, 50*s, 10*ms, 20*ms, ok)
			r.ask(40, 51600*ms, 10*ms, 400*ms, stalled(380*ms, ok))
		}, nil, reports.Invalid, "in phase b: p90"},
		"a closed warm-up changes nothing": {rehearseIn(8*s, plan.Phase{Name: "w", End: s, Users: 4, Discard: true}, plan.Phase{Name: "a", Start: s, End: 11 * s}), func(r *rehearsal) {
			r.ask(n-50, s, 10*ms, 20*ms, ok)
			r.ask(50, 5*s, ms, 400*ms, stalled(380*ms, ok))
		}, nil, reports.Invalid, "p98"},
		"a collapse that may be the generator's doing": {open(10 * s), func(r *rehearsal) {
			r.ask(n, 0, 9*ms, 20*ms, stalled(10*ms, failed))
			r.ask(n/2, 0, 9*ms, 20*ms, ok)
		}, []string{"p50 < 1s"}, reports.Invalid, "66.7 % of the requests failed as measured"},
		"a collapse that was asked for": {open(10 * s), func(r *rehearsal) { r.ask(n, 0, 10*ms, 20*ms, failed) }, []string{"error_rate > 90%"}, reports.Passed, ""},
		"a collapse of which a few answers were seen late": {open(10 * s), func(r *rehearsal) {
			r.ask(n-20, 0, 10*ms, 20*ms, failed)
			r.ask(20, 0, 10*ms, 20*ms, stalled(10*ms, failed))
		}, []string{"p99 < 1s"}, reports.Failed, "gate p99 < 1s can't be judged"},
		"a gate that fails on both sides beside one that is open": {open(10 * s), func(r *rehearsal) {
			r.ask(n-50, 0, 10*ms, 20*ms, ok)
			r.ask(50, 0, 10*ms, 400*ms, stalled(350*ms, ok))
		}, []string{"p50 < 15ms", "p99 < 300ms"}, reports.Failed, "gate p99 < 300ms can't be judged"},
		"a gate on a status of which only turned failures tell": {rehearseIn(2*s, plan.Phase{Name: "a", End: 50 * s}, plan.Phase{Name: "b", Start: 50 * s, End: 52 * s}), func(r *rehearsal) {
			r.ask(5*n, 0, 10*ms, 20*ms, ok)
			r.ask(60, 50*s, 10*ms, 400*ms, stalled(380*ms, failed))
		}, []string{"status(502)[b] < 1%"}, reports.Invalid, "gate status(502)[b] < 1% can't be judged: 100.00 % as measured, and 0.00 % without"},
		"a gate on a status that passes at best, of all answers": {open(10 * s), func(r *rehearsal) {
			r.ask(900, 0, 10*ms, 20*ms, ok)
			r.ask(40, 0, 10*ms, 20*ms, failed)
			r.ask(60, 5*s, 10*ms, 400*ms, stalled(380*ms, failed))
		}, []string{"status(502) < 4.1%"}, reports.Invalid, "10.00 % as measured, and 4.00 % without"},
		"a gate on a status of successes": {open(10 * s), func(r *rehearsal) {
			r.ask(960, 0, 10*ms, 20*ms, ok)
			r.ask(40, 5*s, 10*ms, 400*ms, stalled(380*ms, failed))
		}, []string{"status(2xx) > 99%"}, reports.Invalid, "gate status(2xx) > 99% can't be judged: 96.00 % as measured, and 100.00 % without"},
		"a latency of requests that were never sent": {rehearseIn(2*s, plan.Phase{Name: "a", End: 50 * s}, plan.Phase{Name: "b", Start: 50 * s, End: 52 * s}), func(r *rehearsal) {
			r.ask(5*n, 0, 10*ms, 20*ms, ok)
			r.ask(60, 50*s, 10*ms, 900*ms, stalled(380*ms, dropped))
		}, []string{"p50[b] < 1s"}, reports.Invalid, "gate p50[b] < 1s can't be judged: no request succeeded as measured, and no figure without"},
		"a latency of requests that all failed": {rehearseIn(2*s, plan.Phase{Name: "a", End: 50 * s}, plan.Phase{Name: "b", Start: 50 * s, End: 52 * s}), func(r *rehearsal) {
			r.ask(5*n, 0, 10*ms, 20*ms, ok)
			r.ask(60, 50*s, 10*ms, 400*ms, stalled(380*ms, failed))
		}, []string{"p50[b] < 1s"}, reports.Invalid, "gate p50[b] < 1s can't be judged: no request succeeded as measured, and no figure without"},
		"no request was answered": {rehearse(plan.Phase{Name: "a", End: 8 * s}, plan.Phase{Name: "b", Start: 8 * s, End: 10 * s}), func(r *rehearsal) {
			r.ask(800, 0, 10*ms, 20*ms, ok)
			r.ask(200, 8*s, 10*ms, 500*ms, measure.Sample{Outcome: measure.Failed, Class: measure.Timeout})
		}, []string{"status(5xx)[b] < 1%"}, reports.Failed, "status(5xx)[b] < 1%: observed no request was answered"},
		"a gate without anything to judge": {open(10 * s), func(r *rehearsal) { r.ask(n, 0, 10*ms, 20*ms, ok) }, []string{"imbalance < 0.5", "error_rate < 1%"}, reports.Invalid, "gate imbalance < 0.5 has nothing to judge"},
		"the same beside one that fails": {open(10 * s), func(r *rehearsal) {
			r.ask(n, 0, 10*ms, 20*ms, ok)
			r.ask(200, 0, 10*ms, 20*ms, failed)
		}, []string{"imbalance < 0.5", "error_rate < 1%"}, reports.Failed, "gate imbalance < 0.5 has nothing to judge"},
		"a fault that hit nothing": {open(10 * s), func(r *rehearsal) {
			r.ask(n, 0, 10*ms, 20*ms, ok)
			r.faults = append(r.faults, &faultRun{Fault: &chaos.Fault{ID: "idle"}})
		}, []string{"error_rate < 1%"}, reports.Invalid, "fault idle hit nothing"},
		"a fault that hit nothing, and a gate about it": {open(10 * s), func(r *rehearsal) {
			r.ask(1000, 0, 10*ms, 20*ms, ok)
			r.faults = append(r.faults, &faultRun{Fault: &chaos.Fault{ID: "idle", At: 3 * s, For: 2 * s}})
		}, []string{"detect(idle) < 1s"}, reports.Invalid, "gate detect(idle) < 1s can't be judged: fault idle hit nothing"},
		"the same beside a gate that fails": {open(10 * s), func(r *rehearsal) {
			r.ask(n, 0, 10*ms, 20*ms, ok)
			r.ask(200, 0, 10*ms, 20*ms, failed)
			r.faults = append(r.faults, &faultRun{Fault: &chaos.Fault{ID: "idle"}})
		}, []string{"error_rate < 1%"}, reports.Failed, "fault idle hit nothing"},
		"a target that ended by itself beside a gate that is open": {open(10 * s), func(r *rehearsal) {
			r.ask(n-50, 0, 10*ms, 20*ms, ok)
			r.ask(50, 5*s, ms, 400*ms, stalled(380*ms, ok))
			r.event(plan.Event{At: 5 * s, Kind: plan.Broken, Detail: "target web-1 ended by itself"})
		}, []string{"p99 < 200ms"}, reports.Failed, "at 5.00s: target web-1 ended by itself"},
		"a collapse that a gate excuses at best": {open(10 * s), func(r *rehearsal) {
			r.ask(400, 0, 9*ms, 20*ms, ok)
			r.ask(520, 0, 9*ms, 20*ms, failed)
			r.ask(80, 0, 9*ms, 20*ms, stalled(10*ms, failed))
		}, []string{"error_rate < 55%"}, reports.Invalid, "gate error_rate < 55% can't be judged: 60.00 % as measured, and 52.00 % without"},
		"a collapse that a gate excuses as measured only": {open(10 * s), func(r *rehearsal) {
			r.ask(400, 0, 9*ms, 20*ms, ok)
			r.ask(520, 0, 9*ms, 20*ms, failed)
			r.ask(80, 0, 9*ms, 20*ms, stalled(10*ms, failed))
		}, []string{"error_rate > 55%"}, reports.Invalid, "gate error_rate > 55% can't be judged: 60.00 % as measured, and 52.00 % without"},
		"requests that were offered too late": {open(10 * s), func(r *rehearsal) {
			r.ask(n-300, 0, 10*ms, 20*ms, ok)
			late := stalled(2900*ms, dropped)
			for i := range 300 {
				late.Seq, late.Due = r.seq, 5*s+time.Duration(i)*10*ms
				late.Offered, late.Done = late.Due+2900*ms, late.Due+2900*ms
				r.seq++
				r.rec.sample(&late)
			}
		}, []string{"p50 < 1s"}, reports.Invalid, "offered only 70.00 % of the requests that were due in time"},
		"a collapse": {open(10 * s), func(r *rehearsal) { r.ask(n, 0, 10*ms, 20*ms, failed) }, []string{"dropped < 1"}, reports.Failed, "above 50 % a run has failed"},
	} {
		tc.course(tc.run)
		for i := range tc.run.rec.planned { // the plan is what was asked
			tc.run.rec.planned[i] = tc.run.rec.recorder.Phase(i).Finished()
		}
		r := tc.run.judged(t, tc.gates...)
		told := strings.Join(append(append([]string{}, r.Reasons...), r.Warnings...), "\n")
		if r.Verdict != tc.verdict || !strings.Contains(told, tc.says) {
			t.Errorf("%s: %s\n%s\nwant %s, saying %q", name, r.Verdict, told, tc.verdict, tc.says)
		}
	}
}

// A percentile that was not judged is not said to be judged on few requests.
func TestNoWarningOfAGateThatWasNotJudged(t *testing.T) {
	for name, tc := range map[string]struct {
		cause error
		took  time.Duration // of a twentieth of the requests, nearly all of it the generator's doing
		warns bool
	}{
		"judged": {nil, 20 * ms, true}, "stopped": {errAborted, 20 * ms, false}, "both sides disagree": {nil, s, false},
	} {
		r := open(10 * s)
		r.cause = tc.cause
		r.ask(380, 0, 10*ms, 20*ms, ok)
		r.ask(20, 5*s, 10*ms, tc.took, stalled(tc.took-20*ms, ok))
		r.rec.planned[0] = 400
		got := r.judged(t, "p99 < 200ms")
		if warned := strings.Contains(strings.Join(got.Warnings, "\n"), "is judged on 400 requests"); warned != tc.warns || got.Gates[0].Judged != tc.warns {
			t.Errorf("%s: judged %v, warnings %q", name, got.Gates[0].Judged, got.Warnings)
		}
	}
}

// One request is one request.
func TestWarningOfAGateThatIsJudgedOnOneRequest(t *testing.T) {
	r := open(10 * s)
	r.ask(1, 0, 10*ms, 20*ms, ok)
	r.rec.planned[0] = 1
	if got := strings.Join(r.judged(t, "p99 < 200ms").Warnings, "; "); !strings.Contains(got, "is judged on 1 request: 2000 are needed") {
		t.Error(got)
	}
}

// Beside an open loop a closed one that takes all of the processor tells nothing of the bracket.
func TestTheBracketIsTheOpenLoops(t *testing.T) {
	r := rehearse(plan.Phase{Name: "a", End: 10 * s}, plan.Phase{Name: "b", Start: 10 * s, End: 20 * s, Users: 8})
	r.ask(1000, 0, 10*ms, 20*ms, ok)
	r.ask(500, 10*s, 10*ms, 20*ms, ok)
	r.ask(500, 10*s, 10*ms, 60*ms, stalled(40*ms, ok))
	r.played.CPU = .95
	r.rec.planned[0], r.rec.planned[1] = 1000, 1000
	if b := r.judged(t).Validity.Bracket; b != nil {
		t.Errorf("%+v", b)
	}
}

// The abort rule fires on what the system did, not on requests that the generator itself sent too late.
func TestTheAbortRuleLeavesOutTheGeneratorsDoing(t *testing.T) {
	for name, tc := range map[string]struct {
		failed, delayed int
		fires           bool
	}{
		"the generator stood still": {0, 80, false}, "the system failed": {80, 0, true}, "both, but the system less than that": {15, 80, false},
	} {
		r := open(20 * s)
		r.s.Abort = []plan.Abort{{When: "error_rate > 50%", Percent: 50, Over: 2 * s}}
		r.rec.trailing = []*measure.Trailing{measure.NewTrailing(2 * s)}
		r.ask(20, 8*s, 10*ms, s, ok)
		r.ask(tc.failed, 8*s, 10*ms, s, failed)
		r.ask(tc.delayed, 8*s, 10*ms, s, stalled(900*ms, dropped))
		r.world, r.cancel = &scriptedWorld{p: r.player, now: 10 * s}, func(error) {}
		if r.checkAbort(); (r.cause != nil) != tc.fires {
			t.Errorf("%s: %v", name, r.cause)
		}
	}
}

// An exact limit is met exactly: 7 of 1,000 are 0.7 %.
func TestTheObjectiveAtItsLimit(t *testing.T) {
	for _, n := range []uint64{3, 7, 9, 14, 29, 57} {
		share, err := spec.Param{Type: spec.Share}.Parse(strconv.FormatFloat(float64(n)/10, 'f', -1, 64) + "%")
		if err != nil {
			t.Fatal(err)
		}
		o := &plan.Objective{ErrorRate: share.(float64)}
		at, above := outcome{finished: 1000, bad: n}, outcome{finished: 1000, bad: n + 1}
		if !at.meets(o) || above.meets(o) {
			t.Errorf("%d of 1000 at a limit of %v: %v; one more: %v", n, o.ErrorRate, at.meets(o), above.meets(o))
		}
	}
}

// A generator that was frozen for 200 ms stood still for 200 ms, however long what had piled up took to drain.
func TestStoppedAndDrainedTimeAreToldApart(t *testing.T) {
	r := open(10 * s)
	r.ask(1000, 0, 10*ms, 20*ms, ok)
	r.played.Stalls = []measure.Stall{
		{From: s, Resumed: 1200 * ms, To: 1982 * ms, Stopped: 200 * ms},
		{From: 3 * s, Resumed: 3100 * ms, To: 3500 * ms, Stopped: 150 * ms},            // it stopped again before the burst had drained
		{From: 4 * s, Resumed: 8990 * ms, To: 9 * s, Stopped: 40 * ms, Ran: 4950 * ms}, // many, between which it ran
	}
	r.rec.planned[0] = 1000
	v := r.judged(t).Validity
	if v.StalledMS != 390 || v.DrainedMS != 782+350+10 {
		t.Errorf("stood still for %v ms, drained for %v ms", v.StalledMS, v.DrainedMS)
	}
	if want := []reports.Stall{{FromMS: 1000, ResumedMS: 1200, ToMS: 1982, StoppedMS: 200}, {FromMS: 3000, ResumedMS: 3100, ToMS: 3500, StoppedMS: 150}, {FromMS: 4000, ResumedMS: 8990, ToMS: 9000, StoppedMS: 40, RanMS: 4950}}; !slices.Equal(v.Stalls, want) {
		t.Errorf("%+v", v.Stalls)
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

// Rates of a stopped run are of what was played, and so is the planned one: 10/s for 5 s, then many more.
func TestRatesOfAStoppedRun(t *testing.T) {
	for name, tc := range map[string]struct {
		then         float64       // a second, in the second phase
		stopped      time.Duration // when
		late         time.Duration // requests due in so much time before were not offered
		whole        float64       // planned a second in what was played, in all
		first, after float64       // and in the phases
	}{
		"in the first phase":              {1000, 3 * s, 0, 10, 10, 0},
		"in the second":                   {1000, 7 * s, 0, 2050. / 7, 10, 1000},
		"as it begins":                    {1000, 5 * s, 0, 10, 10, 0},
		"a generator that was late":       {1000, 7 * s, 300 * ms, 2050. / 7, 10, 1000},
		"too many to count":               {1e9, 3 * s, 0, 10, 10, 0},
		"too many to count, and was late": {1e9, 3 * s, 300 * ms, 10, 10, 0},
		"far too late to count them":      {1e9, 6 * s, s, 1e9 / 6, 10, 1e9},
	} {
		sc := &plan.Scenario{Load: plan.Load{Phases: []plan.Phase{{Name: "a", End: 5 * s}, {Name: "b", Start: 5 * s, End: 10 * s}}}, Objective: plan.Objective{Window: s}}
		sched := profile.Schedule{Profile: profile.New(profile.Hold{PerSecond: 10, Seconds: 5}, profile.Hold{PerSecond: tc.then, Seconds: 5}), Arrivals: profile.Even}
		p := newPlayer(sc, sched, Options{World: "live"})
		p.cause, p.ended = errInterrupted, tc.stopped
		for w := sched.Walk(); ; {
			seq, due, more := w.Next()
			if !more || due >= tc.stopped-tc.late {
				break
			}
			p.rec.sample(&measure.Sample{Seq: seq, Due: due, Offered: due, Sent: due, Done: due + ms})
		}
		p.rec.cut(tc.stopped)
		r := (&rehearsal{player: p}).judged(t)
		near := func(a, b float64) bool { return math.Abs(a-b) < .01*b+.4 } // of too many the number is the expected one
		if a, b := r.Phases[0].Rates.Planned, r.Phases[1].Rates.Planned; !near(r.Rates.Planned, tc.whole) || !near(a, tc.first) || !near(b, tc.after) {
			t.Errorf("%s: planned %v a second, %v and %v in the phases; want %v, %v and %v", name, r.Rates.Planned, a, b, tc.whole, tc.first, tc.after)
		}
		if x := r.Totals; x.Planned != x.Succeeded+x.Cancelled || !near(float64(x.Planned), 50+5*tc.then) || tc.late == 0 && !near(r.Rates.Succeeded, tc.whole) {
			t.Errorf("%s: %+v, %+v", name, x, r.Rates)
		}
		for _, w := range r.Windows {
			if w.StartMS < reports.MS(tc.stopped) && w.Rates.Planned > 2*tc.then || w.EndMS <= 5000 && w.StartMS < reports.MS(tc.stopped) && w.Rates.Planned > 20 {
				t.Errorf("%s: %v planned a second in the window at %v ms", name, w.Rates.Planned, w.StartMS)
			}
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
		if ok != tc.ok || got != tc.want { // exactly, since a gate may have just this limit
			t.Errorf("%s: %v %v, want %v", name, got, ok, tc.want)
		}
	}
}
