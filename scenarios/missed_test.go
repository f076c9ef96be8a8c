package scenarios

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/reports"
	"github.com/seed-8025779b/shakedown/reports/gate"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// errorsFor lets requests of an open loop at 100/s fail that are sent while a fault is in force from 3 s to 5 s; a generator
// that is frozen for a while sends what was due meanwhile only then.
func (r *rehearsal) errorsFor(frozen, until time.Duration) {
	r.fault("err", 3*s, 5*s, "web-1")
	r.openLoop(10*s, frozen, until)
}

// openLoop offers 100 requests a second, of which those fail that are sent while a fault is really in force.
func (r *rehearsal) openLoop(length, frozen, until time.Duration) {
	const took = 20 * ms
	for due := time.Duration(0); due < length; due += 10 * ms {
		sent := due
		if due >= frozen && due < until {
			sent = until
		}
		x := ok
		for _, f := range r.faults {
			if sent >= *f.injected && sent < *f.ended {
				x = failedAt("web-1", f.ID)
			}
		}
		x.Seq, x.Due, x.Offered, x.Sent, x.Done, x.Stalled = r.seq, due, sent, sent, sent+took, sent-due
		r.seq++
		r.rec.sample(&x)
	}
}

// Requests that were due during a fault and left after it succeed: what is measured then is no upper bound.
func TestRequestsThatMissAFaultBecauseTheGeneratorStoodStill(t *testing.T) {
	for name, tc := range map[string]struct {
		course  func(r *rehearsal)
		gates   []string
		verdict reports.Verdict
		says    string
	}{
		"undisturbed": {func(r *rehearsal) { r.errorsFor(0, 0) }, []string{"error_rate < 8%"}, reports.Failed, "error_rate < 8%: observed 20.00 %"},
		"frozen through it": {func(r *rehearsal) { r.errorsFor(3*s, 5*s) }, []string{"error_rate < 8%"}, reports.Invalid,
			"gate error_rate < 8% can't be judged: 0.00 % as measured, and 20.00 % if 200 requests had failed that were due while fault err was in force, and were sent only afterwards"},
		"a gate that does not hang on it":   {func(r *rehearsal) { r.errorsFor(3*s, 5*s) }, []string{"error_rate < 25%"}, reports.Passed, ""},
		"a gate on a latency":               {func(r *rehearsal) { r.errorsFor(3*s, 5*s) }, []string{"p50 < 1s"}, reports.Passed, ""},
		"failed":                            {func(r *rehearsal) { r.errorsFor(3*s, 5*s) }, []string{"failed < 100"}, reports.Invalid, "200 requests had failed"},
		"dropped":                           {func(r *rehearsal) { r.errorsFor(3*s, 5*s) }, []string{"dropped < 100"}, reports.Invalid, "200 requests had failed"},
		"rate":                              {func(r *rehearsal) { r.errorsFor(3*s, 5*s) }, []string{"rate > 90/s"}, reports.Invalid, "200 requests had failed"},
		"status":                            {func(r *rehearsal) { r.errorsFor(3*s, 5*s) }, []string{"status(5xx) < 1%"}, reports.Invalid, "200 requests had failed"},
		"status of a success":               {func(r *rehearsal) { r.errorsFor(3*s, 5*s) }, []string{"status(200) > 99%"}, reports.Invalid, "200 requests had failed"},
		"lost":                              {func(r *rehearsal) { r.errorsFor(3*s, 5*s) }, []string{"lost(err) < 50"}, reports.Invalid, "0 as measured, and 200 if 200 requests had failed"},
		"recover":                           {func(r *rehearsal) { r.errorsFor(3*s, 5*s) }, []string{"recover(err) < 1s"}, reports.Invalid, "gate recover(err) < 1s can't be judged"},
		"residual":                          {func(r *rehearsal) { r.errorsFor(3*s, 4900*ms) }, []string{"residual(err) < 50ms"}, reports.Failed, "residual(err) < 50ms: observed"},
		"eject, which takes requests":       {func(r *rehearsal) { r.errorsFor(3*s, 5*s) }, []string{"eject(err) < 1s"}, reports.Invalid, "gate eject(err) < 1s can't be judged: did not happen as measured, and 0 ms if"},
		"detect":                            {func(r *rehearsal) { r.errorsFor(3*s, 5*s) }, []string{"detect(err) < 1s"}, reports.Invalid, "gate detect(err) < 1s can't be judged"},
		"eject, too late whatever is known": {func(r *rehearsal) { r.errorsFor(4900*ms, 5*s) }, []string{"eject(err) < 1s"}, reports.Failed, "eject(err) < 1s: observed did not happen"},
		"the fault's own window":            {func(r *rehearsal) { r.errorsFor(3*s, 5*s) }, []string{"error_rate[err] < 8%"}, reports.Invalid, "0.00 % as measured, and 93.90 % if 200"},
		"a phase":                           {func(r *rehearsal) { r.errorsFor(3*s, 5*s) }, []string{"error_rate[a] < 8%"}, reports.Invalid, "if 200 requests had failed"},
		"a little late over its end":        {func(r *rehearsal) { r.errorsFor(4980*ms, 5*s) }, []string{"lost(err) < 199"}, reports.Invalid, "198 as measured, and 200 if 2 requests"},
		"a little late in it":               {func(r *rehearsal) { r.errorsFor(4*s, 4*s+40*ms) }, []string{"lost(err) < 201"}, reports.Passed, ""},
		"frozen outside it":                 {func(r *rehearsal) { r.errorsFor(7*s, 9*s) }, []string{"lost(err) < 201", "error_rate < 21%"}, reports.Passed, ""},
		"a gate that fails for certain": {func(r *rehearsal) {
			r.errorsFor(3*s, 5*s)
			r.ask(300, 6*s, 10*ms, 20*ms, failed)
		}, []string{"error_rate < 8%", "lost(err) < 50"}, reports.Failed, "gate lost(err) < 50 can't be judged"},
		"in force, but the targets changed meanwhile": {func(r *rehearsal) { // killed for good at 3 s and ejected at 4 s: later nothing fails
			f := &faultRun{Fault: &chaos.Fault{ID: "kill", At: 3 * s}, targets: []string{"web-1"}}
			r.fleet.member(plan.Target{ID: "web-1"})
			r.rec.inject(f, 3*s)
			r.faults, r.rec.scheduled = append(r.faults, f), append(r.rec.scheduled, f)
			real := *f
			at := 4 * s
			real.ended, r.faults[0] = &at, &real
			r.openLoop(10*s, 3*s, 4*s)
			r.faults[0] = f
		}, []string{"error_rate < 8%"}, reports.Invalid, "if 96 requests had failed"},
		"the fault came late as well": {func(r *rehearsal) { // in force from 5.1 s, when the generator runs again, and reverted at once
			f := &faultRun{Fault: &chaos.Fault{ID: "err", At: 3 * s, For: 2 * s}, targets: []string{"web-1"}}
			r.fleet.member(plan.Target{ID: "web-1"})
			r.rec.scheduled = append(r.rec.scheduled, f)
			r.rec.inject(f, 5100*ms)
			r.rec.revert(f, 5101*ms)
			r.rec.cut(5101 * ms)
			r.openLoop(10*s, 2900*ms, 5100*ms)
			r.faults = append(r.faults, f)
		}, []string{"error_rate < 8%", "lost(err) < 50", "recover(err) < 1s", "error_rate[err] < 8%"}, reports.Invalid, "gate recover(err) < 1s can't be judged: 25 ms as measured, and 2.12 s if 216 requests"},
		"a collapse that may have been": {func(r *rehearsal) {
			r.fault("err", 3*s, 9*s, "web-1")
			r.openLoop(10*s, 3*s, 9*s)
		}, []string{"p50 < 10s"}, reports.Invalid, "0.0 % of the requests failed as measured, 0.0 % without failures that may be the generator's own doing, and 60.0 % with successes"},
		"one request": {func(r *rehearsal) { r.errorsFor(4990*ms, 5*s) }, []string{"lost(err) < 200"}, reports.Invalid, "if 1 request had failed that was due while fault err was in force, and was sent only afterwards"},
		"several faults": {func(r *rehearsal) {
			r.fault("a", 3*s, 4*s, "web-1")
			r.fault("b", 3500*ms, 5*s, "web-1")
			r.openLoop(10*s, 3*s, 5*s)
		}, []string{"error_rate < 8%"}, reports.Invalid, "if 200 requests had failed that were due while faults a and b were in force, and were sent only afterwards"},
		"without gates": {func(r *rehearsal) { r.errorsFor(3*s, 5*s) }, nil, reports.Invalid, "0 requests failed, and 200 if 200 requests had failed"},
	} {
		r := open(10 * s)
		tc.course(r)
		r.rec.planned[0] = r.rec.recorder.Phase(0).Finished()
		got := r.judged(t, tc.gates...)
		told := strings.Join(append(append([]string{}, got.Reasons...), got.Warnings...), "\n")
		if got.Verdict != tc.verdict || !strings.Contains(told, tc.says) {
			t.Errorf("%s: %s\n%s\nwant %s, saying %q", name, got.Verdict, told, tc.verdict, tc.says)
		}
		for _, g := range got.Gates {
			if !g.Judged && g.Why == "" && g.Lower == nil {
				t.Errorf("%s: %s is not judged, and nothing says why: %+v", name, g.Expr, g)
			}
		}
	}
}

// A gate on part of a fault is held to the time that the generator stood still in that part.
func TestUsersThatSendNothingInPartOfAFault(t *testing.T) {
	r := rehearse(plan.Phase{Name: "a", End: 22 * s, Users: 8, Discard: true}, plan.Phase{Name: "b", Start: 22 * s, End: 30 * s, Users: 8})
	f := &faultRun{Fault: &chaos.Fault{ID: "err", At: 3 * s, For: 19900 * ms}, targets: []string{"web-1"}}
	r.fleet.member(plan.Target{ID: "web-1"})
	r.ask(300, 0, 10*ms, 5*ms, ok)
	r.rec.inject(f, 3*s)
	r.faults, r.rec.scheduled = append(r.faults, f), append(r.rec.scheduled, f)
	r.ask(1900, 3*s, 10*ms, 5*ms, failedAt("web-1", "err"))
	r.played.Stalls = []measure.Stall{{From: 22 * s, Resumed: 22900 * ms, To: 22900 * ms, Stopped: 900 * ms}}
	r.rec.revert(f, 22900*ms)
	r.rec.cut(22900 * ms)
	r.ask(710, 22900*ms, 10*ms, 5*ms, ok)
	for i := range r.rec.planned {
		r.rec.planned[i] = r.rec.recorder.Phase(i).Finished()
	}
	if got := r.judged(t, "error_rate < 5%", "failed[b] < 10"); got.Verdict != reports.Invalid || !strings.Contains(strings.Join(got.Reasons, "\n"), "for 0.90 s of the 0.90 s") {
		t.Errorf("%s: %q", got.Verdict, got.Reasons)
	}
}

// Users send nothing while the generator stands still, so that no request tells of a fault that was in force then.
func TestUsersThatSendNothingDuringAFault(t *testing.T) {
	for name, tc := range map[string]struct {
		stall   measure.Stall
		fails   int // requests of the fault's time
		endless bool
		gates   []string
		verdict reports.Verdict
		says    string
		back    time.Duration // of a fault without an end: when its target is back in service
		delays  time.Duration // it does nothing else
	}{
		"undisturbed":                               {measure.Stall{}, 100, false, []string{"lost(err) < 50"}, reports.Failed, "lost(err) < 50: observed 100", 0, 0},
		"frozen through it":                         {measure.Stall{From: 3100 * ms, To: 5 * s}, 1, false, []string{"lost(err) < 50"}, reports.Invalid, "gate lost(err) < 50 can't be judged: the load generator stood still, or worked off what had piled up meanwhile, for 1.90 s of the 2.00 s in which requests would have met fault err", 0, 0},
		"the error rate":                            {measure.Stall{From: 3 * s, To: 5 * s}, 0, false, []string{"error_rate < 8%"}, reports.Invalid, "for 2.00 s of the 2.00 s", 0, 0},
		"of its phase":                              {measure.Stall{From: 3 * s, To: 5 * s}, 0, false, []string{"failed[a] < 8"}, reports.Invalid, "for 2.00 s of the 2.00 s", 0, 0},
		"of another phase":                          {measure.Stall{From: 3 * s, To: 5 * s}, 0, false, []string{"failed[b] < 8"}, reports.Passed, "", 0, 0},
		"of its window":                             {measure.Stall{From: 3 * s, To: 4 * s}, 1, false, []string{"failed[err] < 8"}, reports.Invalid, "for 1.00 s of the 2.00 s", 0, 0},
		"of a request":                              {measure.Stall{From: 3 * s, To: 5 * s}, 0, false, []string{"status(5xx)[get] < 1%"}, reports.Invalid, "for 2.00 s of the 2.00 s", 0, 0},
		"a latency":                                 {measure.Stall{From: 3 * s, To: 5 * s}, 0, false, []string{"p50 < 1s"}, reports.Invalid, "gate p50 < 1s can't be judged", 0, 0},
		"eject":                                     {measure.Stall{From: 3100 * ms, To: 5 * s}, 1, false, []string{"eject(err) < 1s"}, reports.Invalid, "for 1.90 s of the 2.00 s", 0, 0},
		"a gate that fails all the same":            {measure.Stall{From: 3 * s, To: 4 * s}, 60, false, []string{"lost(err) < 50"}, reports.Failed, "lost(err) < 50: observed 60", 0, 0},
		"a twentieth of it":                         {measure.Stall{From: 3 * s, To: 3*s + 100*ms}, 40, false, []string{"lost(err) < 50"}, reports.Passed, "", 0, 0},
		"a little more":                             {measure.Stall{From: 3 * s, To: 3*s + 110*ms}, 40, false, []string{"lost(err) < 50"}, reports.Invalid, "for 0.11 s of the 2.00 s", 0, 0},
		"outside it":                                {measure.Stall{From: 6 * s, To: 8 * s}, 40, false, []string{"lost(err) < 50"}, reports.Passed, "", 0, 0},
		"a fault without an end":                    {measure.Stall{From: 3 * s, To: 4 * s}, 0, true, []string{"error_rate < 8%"}, reports.Invalid, "for 1.00 s of the 1.00 s", 0, 0},
		"long after the target was ejected":         {measure.Stall{From: 7 * s, To: 8 * s}, 0, true, []string{"error_rate < 8%"}, reports.Passed, "", 0, 0},
		"its target is back in service":             {measure.Stall{From: 7 * s, To: 8 * s}, 0, true, []string{"error_rate < 8%"}, reports.Invalid, "for 1.00 s of the 14.50 s", 6500 * ms, 0},
		"its target was not back yet":               {measure.Stall{From: 7 * s, To: 8 * s}, 0, true, []string{"error_rate < 8%"}, reports.Passed, "", 9 * s, 0},
		"a delay that nobody met may fail requests": {measure.Stall{From: 3100 * ms, To: 5 * s}, 1, false, []string{"error_rate < 8%", "failed[a] < 8", "status(5xx)[get] < 1%", "lost(err) < 50"}, reports.Invalid, "for 1.90 s of the 2.00 s", 0, 300 * ms},
		"a delay lowers the rate":                   {measure.Stall{From: 3 * s, To: 5 * s}, 0, false, []string{"rate[b] > 49/s", "rate[a] > 79/s"}, reports.Invalid, "gate rate[a] > 79/s can't be judged", 0, 300 * ms},
		"a delay may break the objective":           {measure.Stall{From: 3100 * ms, To: 5 * s}, 1, false, []string{"recover(err) < 1s"}, reports.Invalid, "gate recover(err) < 1s can't be judged: the load generator stood still", 0, 300 * ms},
		"a delay as long as a timeout":              {measure.Stall{From: 3 * s, To: 5 * s}, 0, false, []string{"error_rate < 8%"}, reports.Invalid, "for 2.00 s of the 2.00 s", 0, 2 * s},
	} {
		r := rehearse(plan.Phase{Name: "a", End: 10 * s, Users: 8}, plan.Phase{Name: "b", Start: 10 * s, End: 20 * s, Users: 8})
		f := &faultRun{Fault: &chaos.Fault{ID: "err", At: 3 * s, For: 2 * s}, targets: []string{"web-1"}}
		m := r.fleet.member(plan.Target{ID: "web-1"})
		if tc.endless {
			f.For = 0
			m.changes = []change{{at: 0, from: "initial", to: "healthy"}, {at: 3500 * ms, from: "healthy", to: "unhealthy"}}
			if tc.back > 0 {
				m.changes = append(m.changes, change{at: tc.back, from: "unhealthy", to: "healthy"})
			}
		}
		r.s.Client.Timeout = 2 * s
		f.kind.Delays = tc.delays
		get := ok
		get.Request = "get"
		r.ask(300, 0, 10*ms, 5*ms, get)
		r.rec.inject(f, 3*s)
		r.faults, r.rec.scheduled = append(r.faults, f), append(r.rec.scheduled, f)
		met := failedAt("web-1", "err")
		if tc.delays > 0 {
			met = get
		}
		r.ask(tc.fails, 3*s, 10*ms, 5*ms, met)
		if !tc.endless {
			r.rec.revert(f, 5*s)
			r.rec.cut(5 * s)
		}
		r.ask(1500, 5*s, 10*ms, 5*ms, get)
		if r.played.Stalls = nil; tc.stall.To > 0 {
			tc.stall.Resumed = tc.stall.To
			r.played.Stalls = []measure.Stall{tc.stall}
		}
		for i := range r.rec.planned {
			r.rec.planned[i] = r.rec.recorder.Phase(i).Finished()
		}
		got := r.judged(t, tc.gates...)
		told := strings.Join(append(append([]string{}, got.Reasons...), got.Warnings...), "\n")
		if got.Verdict != tc.verdict || !strings.Contains(told, tc.says) {
			t.Errorf("%s: %s\n%s\nwant %s, saying %q", name, got.Verdict, told, tc.verdict, tc.says)
		}
	}
}

// calmLoop offers 100 requests a second, each of which succeeds at once; a generator that is frozen for a while sends what was
// due meanwhile only then.
func (r *rehearsal) calmLoop(from, to, frozen, until, took time.Duration) {
	for due := from; due < to; due += 10 * ms {
		x, sent := ok, due
		x.Request = "get"
		if due >= frozen && due < until {
			sent = until
		}
		x.Seq, x.Due, x.Offered, x.Sent, x.Done, x.Stalled = r.seq, due, sent, sent, sent+took, sent-due
		r.seq++
		r.rec.sample(&x)
	}
}

// told judges a run of an open loop and returns its verdict and what is said of it.
func (r *rehearsal) told(t *testing.T, gates ...string) (reports.Verdict, string) {
	t.Helper()
	for i := range r.rec.planned {
		r.rec.planned[i] = r.rec.recorder.Phase(i).Finished()
	}
	got := r.judged(t, gates...)
	return got.Verdict, strings.Join(append(append([]string{}, got.Reasons...), got.Warnings...), "\n")
}

// begin injects a fault whose end comes later, or never.
func (r *rehearsal) begin(f *faultRun, at time.Duration) {
	r.rec.scheduled = append(r.rec.scheduled, f)
	r.rec.inject(f, at)
	r.faults = append(r.faults, f)
	for _, id := range f.targets {
		r.fleet.member(plan.Target{ID: id})
	}
}

// Once a fault's targets are out of service the system is the same until one is back or the fault ends: what is late meanwhile
// has missed nothing.
func TestWhatIsLateWhileTheTargetsAreOutOfServiceMissesNothing(t *testing.T) {
	const in, out = "healthy", "unhealthy"
	type state struct {
		at time.Duration
		to string
	}
	ejected := []state{{0, in}, {3500 * ms, out}}
	for name, tc := range map[string]struct {
		lasts         time.Duration // 0: without an end
		targets       [][]state
		frozen, until time.Duration
		missed        bool
	}{
		"long after the ejection":            {0, [][]state{ejected}, 11 * s, 11150 * ms, false},
		"before the ejection":                {0, [][]state{ejected}, 3200 * ms, 3350 * ms, true},
		"over the ejection":                  {0, [][]state{ejected}, 3400 * ms, 3550 * ms, true},
		"in the objective's window":          {0, [][]state{ejected}, 3700 * ms, 3850 * ms, true},
		"after the objective's window":       {0, [][]state{ejected}, 4050 * ms, 4200 * ms, false},
		"it was never taken out of service":  {0, [][]state{{{0, in}}}, 11 * s, 11150 * ms, true},
		"nothing is known of it":             {0, [][]state{nil}, 11 * s, 11150 * ms, true},
		"one of two stayed":                  {0, [][]state{ejected, {{0, in}}}, 11 * s, 11150 * ms, true},
		"one of two left later":              {0, [][]state{ejected, {{0, in}, {9 * s, out}}}, 8 * s, 8150 * ms, true},
		"both have left":                     {0, [][]state{ejected, {{0, in}, {9 * s, out}}}, 11 * s, 11150 * ms, false},
		"it was back in service":             {0, [][]state{{{0, in}, {3500 * ms, out}, {10 * s, in}}}, 11 * s, 11150 * ms, true},
		"it came back meanwhile":             {0, [][]state{{{0, in}, {3500 * ms, out}, {11100 * ms, in}}}, 11 * s, 11150 * ms, true},
		"it was back, and left again":        {0, [][]state{{{0, in}, {3500 * ms, out}, {10 * s, in}, {10200 * ms, out}}}, 11 * s, 11150 * ms, false},
		"of a fault with an end":             {12 * s, [][]state{ejected}, 11 * s, 11150 * ms, false},
		"over its end":                       {12 * s, [][]state{ejected}, 14900 * ms, 15050 * ms, true},
		"over all of it":                     {12 * s, [][]state{ejected}, 4100 * ms, 15050 * ms, true},
		"it had been out of service already": {0, [][]state{{{0, in}, {s, out}}}, 11 * s, 11150 * ms, false},
		"after the end of one":               {4 * s, [][]state{ejected}, 11 * s, 11150 * ms, false},
	} {
		r := open(20 * s)
		f := &faultRun{Fault: &chaos.Fault{ID: "k", At: 3 * s, For: tc.lasts}}
		for i, states := range tc.targets {
			id, was := []string{"web-1", "web-2"}[i], "initial"
			f.targets = append(f.targets, id)
			m := r.fleet.member(plan.Target{ID: id})
			for _, x := range states {
				m.changes = append(m.changes, change{at: x.at, from: was, to: x.to})
				was = x.to
			}
		}
		r.begin(f, 3*s)
		end := 20 * s
		if tc.lasts > 0 {
			end = 3*s + tc.lasts
		}
		r.calmLoop(0, end, tc.frozen, tc.until, 5*ms)
		if tc.lasts > 0 {
			r.rec.revert(f, end)
		}
		r.calmLoop(end, 20*s, tc.frozen, tc.until, 5*ms)
		r.rec.planned[0] = 2000
		got := r.judged(t, "error_rate < 0.1%", "failed < 1", "status(200) > 99.9%", "status(200)[get] > 99.9%", "failed[a] < 1", "failed[k] < 1", "lost(k) < 1", "recover(k) < 10ms")
		for _, g := range got.Gates {
			if g.Judged == tc.missed || !tc.missed && !g.Passed {
				t.Errorf("%s, %s: passed %v, judged %v: %s", name, g.Expr, g.Passed, g.Judged, g.Why)
			}
		}
	}
}

// What became of a fault's targets is asked for each row of requests and each window of the objective: it is found out anew only
// when a target changed, or the fault did.
func TestAskingAgainWhetherTargetsWereInServiceCostsNothing(t *testing.T) {
	r := open(100 * s)
	f := &faultRun{Fault: &chaos.Fault{ID: "k", At: 3 * s}, targets: []string{"web-1"}, kind: chaos.Kind{Delays: 10 * ms}}
	r.s.Client.Timeout = 10 * s
	changed := func(at time.Duration, from, to string) {
		r.rec.event(&plan.Event{At: at, Kind: plan.Changed, Target: "web-1", From: from, To: to})
	}
	changed(0, "initial", inServiceState)
	r.begin(f, 3*s)
	for _, tc := range []struct {
		change      func()
		at          time.Duration // asked of a tenth of a second
		quiet, left bool
	}{
		{func() {}, 11 * s, false, false},
		{func() { changed(5*s, inServiceState, "unhealthy") }, 11 * s, true, true},
		{func() {}, 4500 * ms, false, true},
		{func() { changed(12*s, "unhealthy", inServiceState) }, 11 * s, true, true},
		{func() {}, 12 * s, false, true},
		{func() { r.rec.event(&plan.Event{At: 6 * s, Kind: plan.FailOpen}) }, 11 * s, false, true},
		{func() { r.rec.event(&plan.Event{At: 8 * s, Kind: plan.FailShut}) }, 11 * s, true, true},
		{func() {}, 7 * s, false, true},
		{func() { changed(20*s, inServiceState, "draining") }, 30 * s, true, true},
		{func() { r.rec.revert(f, 25*s) }, 30 * s, false, true},
		{func() { r.rec.revert(f, 4*s) }, 11 * s, false, true}, // by the scenario it has no end
		{func() { r.rec.strike(f, nil) }, 11 * s, false, false},
	} {
		tc.change()
		ask := func() {
			if quiet, left := r.rec.quietFor(f, tc.at, tc.at+100*ms), r.rec.canFail(f); quiet != tc.quiet || left != tc.left {
				t.Errorf("at %v: quiet %v, left %v; want %v, %v", tc.at, quiet, left, tc.quiet, tc.left)
			}
		}
		ask()
		if n := testing.AllocsPerRun(10, ask); n > 0 {
			t.Errorf("at %v: %v allocations each time", tc.at, n)
		}
	}
}

// A fault is felt until all of its targets are back that it took out of service, in whatever order they stand.
func TestAFaultIsFeltUntilItsTargetsAreBack(t *testing.T) {
	for _, targets := range [][]string{{"web-1", "web-2"}, {"web-2", "web-1"}} {
		r := open(30 * s)
		r.fleet.member(plan.Target{ID: "web-1"}).changes = []change{{at: -s, to: "healthy"}, {at: 6 * s, from: "healthy", to: "ejected"}, {at: 15 * s, from: "ejected", to: "healthy"}}
		r.fleet.member(plan.Target{ID: "web-2"}).changes = []change{{at: -s, to: "healthy"}, {at: 12 * s, from: "healthy", to: "ejected"}, {at: 25 * s, from: "ejected", to: "healthy"}}
		r.fault("f", 5*s, 10*s, targets...)
		if _, to := r.rec.effect(r.faults[0]); to != 15*s {
			t.Errorf("%q: until %v, and web-2 left when the fault had ended", targets, to)
		}
		r.faults[0].lasted = 12 * s
		if _, to := r.rec.effect(r.faults[0]); to != 25*s {
			t.Errorf("%q: until %v", targets, to)
		}
	}
}

// What is late while a fault is in force on another group than it was for misses nothing.
func TestAFaultOfAnotherGroupIsNotMissed(t *testing.T) {
	for group, missed := range map[string]bool{"api": false, "web": true} {
		r := open(20 * s)
		r.fleet.member(plan.Target{ID: "web-1", Group: "web"})
		f := &faultRun{Fault: &chaos.Fault{ID: "err", At: 5 * s, For: 10 * s, Select: chaos.Selector{Group: group}}, targets: []string{"x-1"}}
		r.begin(f, 5*s)
		r.rec.sample(&measure.Sample{Due: 10 * s, Offered: 11 * s, Sent: 11 * s, Done: 12 * s, Stalled: s, Status: 200, Target: "web-1"})
		if r.countMissed(); (f.missed.n > 0) != missed {
			t.Errorf("a fault of %s: %d missed it", group, f.missed.n)
		}
	}
}

// A fault that does nothing but delay requests fails none, unless a timeout is near, or it is known to have failed some.
func TestWhatMissesADelayHasNotFailed(t *testing.T) {
	for name, tc := range map[string]struct {
		delay, jitter time.Duration
		change        func(r *rehearsal, f *faultRun)
		fails         []measure.Sample // besides
		frozen, until time.Duration
		gates         []string
		verdict       reports.Verdict
		says          string
	}{
		"through it":              {300 * ms, 0, nil, nil, 3 * s, 5 * s, []string{"error_rate < 8%", "failed < 8", "failed[lat] < 8", "status(200) > 99%", "lost(lat) < 1"}, reports.Passed, ""},
		"in it":                   {300 * ms, 0, nil, nil, 4 * s, 4200 * ms, []string{"error_rate < 1%", "lost(lat) < 1"}, reports.Passed, ""},
		"half of the timeout":     {s, 0, nil, nil, 3 * s, 5 * s, []string{"error_rate < 8%"}, reports.Invalid, "if 200 requests had failed"},
		"with its jitter":         {900 * ms, 100 * ms, nil, nil, 3 * s, 5 * s, []string{"error_rate < 8%"}, reports.Invalid, "if 200 requests had failed"},
		"nearly":                  {900 * ms, 99 * ms, nil, nil, 3 * s, 5 * s, []string{"error_rate < 8%"}, reports.Passed, ""},
		"the target's response":   {300 * ms, 0, func(r *rehearsal, _ *faultRun) { r.s.Topology.Groups[0].Timeouts.Response = 500 * ms }, nil, 3 * s, 5 * s, []string{"error_rate < 8%"}, reports.Invalid, "if 200 requests had failed"},
		"the target's exchange":   {300 * ms, 0, func(r *rehearsal, _ *faultRun) { r.s.Topology.Groups[0].Timeouts.Exchange = 600 * ms }, nil, 3 * s, 5 * s, []string{"error_rate < 8%"}, reports.Invalid, "if 200 requests had failed"},
		"the client's first byte": {300 * ms, 0, func(r *rehearsal, _ *faultRun) { r.s.Client.Stages.FirstByte = 600 * ms }, nil, 3 * s, 5 * s, []string{"error_rate < 8%"}, reports.Invalid, "if 200 requests had failed"},
		"a target was taken out of service by it": {300 * ms, 0, func(r *rehearsal, _ *faultRun) {
			r.fleet.byID["web-1"].changes = []change{{at: 0, from: "initial", to: "healthy"}, {at: 4 * s, from: "healthy", to: "unhealthy"}}
		}, nil, 3 * s, 5 * s, []string{"error_rate < 8%"}, reports.Invalid, "if 200 requests had failed"},
		"a target was taken out of service later": {300 * ms, 0, func(r *rehearsal, _ *faultRun) {
			r.fleet.byID["web-1"].changes = []change{{at: 0, from: "initial", to: "healthy"}, {at: 6 * s, from: "healthy", to: "unhealthy"}}
		}, nil, 3 * s, 5 * s, []string{"error_rate < 8%"}, reports.Passed, ""},
		"one has failed by it":          {300 * ms, 0, nil, []measure.Sample{failedAt("web-1", "lat")}, 3500 * ms, 5 * s, []string{"error_rate < 8%"}, reports.Invalid, "if 150 requests had failed"},
		"one has failed on its target":  {300 * ms, 0, nil, []measure.Sample{failedAt("web-1", "")}, 3500 * ms, 5 * s, []string{"error_rate < 8%"}, reports.Invalid, "if 150 requests had failed"},
		"one has failed, nobody knows":  {300 * ms, 0, nil, []measure.Sample{failed}, 3500 * ms, 5 * s, []string{"error_rate < 8%"}, reports.Invalid, "if 150 requests had failed"},
		"one has failed elsewhere":      {300 * ms, 0, nil, []measure.Sample{failedAt("web-2", "")}, 3500 * ms, 5 * s, []string{"error_rate < 8%"}, reports.Passed, ""},
		"one has failed by another one": {300 * ms, 0, nil, []measure.Sample{failedAt("web-1", "other")}, 3500 * ms, 5 * s, []string{"error_rate < 8%"}, reports.Passed, ""},
		"it would have broken the objective": {400 * ms, 0, nil, nil, 4600 * ms, 5 * s, []string{"recover(lat) < 100ms"}, reports.Invalid,
			"gate recover(lat) < 100ms can't be judged: 0 ms as measured, and 2.12 s if 40 requests had taken longer that were due while fault lat was in force"},
		"it would not have broken the objective": {100 * ms, 0, nil, nil, 4700 * ms, 5 * s, []string{"recover(lat) < 100ms"}, reports.Passed, ""},
	} {
		r := open(10 * s)
		r.s.Topology = &plan.Topology{Groups: []plan.Group{{Name: "web"}}}
		r.s.Client.Timeout = 2 * s
		f := &faultRun{Fault: &chaos.Fault{ID: "lat", At: 3 * s, For: 2 * s, Select: chaos.Selector{Group: "web"}}, targets: []string{"web-1"}}
		f.Choice = spec.Choice{Kind: "latency", Values: spec.Values{"delay": tc.delay, "jitter": tc.jitter, "share": 1., "probes": true}}
		kind, err := chaos.Kinds().New(f.Choice)
		if err != nil {
			t.Fatal(err)
		}
		f.kind = kind
		r.begin(f, 3*s)
		if tc.change != nil {
			tc.change(r, f)
		}
		r.calmLoop(0, 3500*ms, tc.frozen, tc.until, 5*ms)
		for _, x := range tc.fails {
			r.ask(1, 3500*ms, ms, 5*ms, x)
		}
		r.calmLoop(3500*ms, 5*s, tc.frozen, tc.until, 5*ms)
		r.rec.revert(f, 5*s)
		r.rec.cut(5 * s)
		r.calmLoop(5*s, 10*s, tc.frozen, tc.until, 5*ms)
		if verdict, told := r.told(t, tc.gates...); verdict != tc.verdict || !strings.Contains(told, tc.says) {
			t.Errorf("%s: %s\n%s\nwant %s, saying %q", name, verdict, told, tc.verdict, tc.says)
		}
	}
}

// A request that was due before the injection counts against the objective from the injection on, and no more than that.
func TestWhatWasDueBeforeTheInjection(t *testing.T) {
	for name, tc := range map[string]struct {
		injected      time.Duration // it should have been at 3 s
		frozen, until time.Duration
		gates         []string
		verdict       reports.Verdict
		says          string
	}{
		"one": {3 * s, 2990 * ms, 3041 * ms, []string{"recover(err) < 50ms", "residual(err) < 50ms", "error_rate < 1%", "error_rate[err] < 1.5%"}, reports.Passed, ""},
		"many, over a late injection": {3090 * ms, 3 * s, 3085 * ms, []string{"recover(err) < 50ms"}, reports.Invalid,
			"gate recover(err) < 50ms can't be judged: 0 ms as measured, and 125 ms if 4 requests"},
		"a wider gate": {3090 * ms, 3 * s, 3085 * ms, []string{"recover(err) < 400ms"}, reports.Passed, ""},
	} {
		r := open(10 * s)
		f := &faultRun{Fault: &chaos.Fault{ID: "err", At: 3 * s, For: 2 * s}, targets: []string{"web-1"}}
		r.s.Faults = []chaos.Fault{*f.Fault}
		r.rec = newRecord(r.s, r.sched, r.fleet, 125*ms, false, nil)
		r.rec.scheduled = append(r.rec.scheduled, f)
		r.fleet.member(plan.Target{ID: "web-1"})
		r.calmLoop(0, tc.injected, tc.frozen, tc.until, 3*ms)
		r.rec.inject(f, tc.injected)
		r.faults = append(r.faults, f)
		r.calmLoop((tc.injected+9*ms)/(10*ms)*(10*ms), 5*s, tc.frozen, tc.until, 3*ms)
		r.rec.revert(f, 5*s)
		r.rec.cut(5 * s)
		r.calmLoop(5*s, 10*s, tc.frozen, tc.until, 3*ms)
		if verdict, told := r.told(t, tc.gates...); verdict != tc.verdict || !strings.Contains(told, tc.says) {
			t.Errorf("%s: %s\n%s\nwant %s, saying %q", name, verdict, told, tc.verdict, tc.says)
		}
	}
}

// What did not happen on a side is said so, whatever else is known of the fault.
func TestObservedOfWhatDidNotHappen(t *testing.T) {
	for _, note := range []string{"", gate.BrokenBefore} {
		if got := observed(&gate.Judgement{Note: note}); got != "did not happen" {
			t.Errorf("%q: %q", note, got)
		}
	}
}

// Requests that were late may come in while targets leave and come: the race detector looks.
func TestLateRequestsComeInWhileTargetsLeave(t *testing.T) {
	r := open(20 * s)
	r.begin(&faultRun{Fault: &chaos.Fault{ID: "k", At: 3 * s}, targets: []string{"web-1"}}, 3*s)
	var work sync.WaitGroup
	work.Go(func() { r.calmLoop(0, 20*s, 6*s, 6200*ms, 5*ms) })
	for i := range 100 {
		at := 3*s + time.Duration(i)*100*ms
		r.event(plan.Event{At: at, Kind: plan.Changed, Target: "web-1", From: "healthy", To: "unhealthy"})
		r.event(plan.Event{At: at, Kind: plan.Changed, Target: "web-1", From: "unhealthy", To: "healthy"})
		r.rec.join(plan.Target{ID: fmt.Sprint("web-", i+2)})
	}
	work.Wait()
	if r.countMissed(); r.faults[0].missed.n != 16 {
		t.Errorf("%d missed it", r.faults[0].missed.n)
	}
}
