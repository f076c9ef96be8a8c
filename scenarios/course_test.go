package scenarios

import (
	"strings"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/autoscale"
	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/reports"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
)

// A system that changes for what the generator itself did takes another course: no figure afterwards bounds anything.
func TestOtherCourses(t *testing.T) {
	stall := func(from, length time.Duration) measure.Stall {
		return measure.Stall{From: from, Resumed: from + length, To: from + length + 100*ms, Stopped: length}
	}
	ejected := []change{{at: -s, from: "initial", to: "healthy"}, {at: 5250 * ms, from: "healthy", to: "ejected", reason: "3 failures in a row"}, {at: 8 * s, from: "ejected", to: "healthy"}}
	fault := &chaos.Fault{ID: "err", At: 5 * s, For: 500 * ms}
	for name, tc := range map[string]struct {
		stall   measure.Stall
		changes []change
		scaled  []time.Duration
		fault   *chaos.Fault // on the target
		fails   int          // requests after 5.3 s
		gates   []string
		verdict reports.Verdict
		says    string
	}{
		"undisturbed": {measure.Stall{}, ejected, nil, nil, 30, []string{"error_rate < 2%"}, reports.Failed, "error_rate < 2%: observed"},
		"a burst that ejects a target, and failures": {stall(5*s, 120*ms), ejected, nil, nil, 30, []string{"error_rate < 2%"}, reports.Invalid,
			"gate error_rate < 2% can't be judged: the load generator stood still at 5.00 s, and target web-1 went out of service at 5.25 s (3 failures in a row): without that"},
		"and none":                              {stall(5*s, 120*ms), ejected, nil, nil, 0, []string{"error_rate < 2%"}, reports.Invalid, "took"},
		"a gate on what was before":             {stall(5*s, 120*ms), ejected, nil, nil, 30, []string{"error_rate[before] < 2%"}, reports.Passed, ""},
		"a gate on what came after":             {stall(5*s, 120*ms), ejected, nil, nil, 30, []string{"p99[after] < 1s"}, reports.Invalid, "went out of service"},
		"without gates":                         {stall(5*s, 120*ms), ejected, nil, nil, 0, nil, reports.Invalid, "went out of service"},
		"too short to matter":                   {stall(5*s, 40*ms), ejected, nil, nil, 30, []string{"error_rate < 2%"}, reports.Failed, "observed"},
		"long before":                           {stall(2*s, 120*ms), ejected, nil, nil, 30, []string{"error_rate < 2%"}, reports.Failed, "observed"},
		"after it":                              {stall(5300*ms, 120*ms), ejected, nil, nil, 30, []string{"error_rate < 2%"}, reports.Failed, "observed"},
		"a return that the burst may have met":  {stall(7800*ms, 90*ms), ejected, nil, nil, 0, []string{"error_rate < 2%"}, reports.Invalid, "came into service at 8.00 s"},
		"a return long after the burst":         {stall(5700*ms, 90*ms), ejected, nil, nil, 30, []string{"error_rate < 2%"}, reports.Failed, "observed"},
		"a return while the generator is still": {stall(7950*ms, 90*ms), ejected, nil, nil, 0, []string{"error_rate < 2%"}, reports.Invalid, "came into service at 8.00 s"},
		"by a fault of the scenario's":          {stall(4900*ms, 60*ms), ejected, nil, fault, 30, []string{"error_rate < 2%"}, reports.Failed, "observed"},
		"scaled after it":                       {stall(5*s, 300*ms), nil, []time.Duration{6 * s}, nil, 0, []string{"error_rate < 2%"}, reports.Invalid, "group web was scaled at 6.00 s"},
		"scaled before it":                      {stall(5*s, 300*ms), nil, []time.Duration{4 * s}, nil, 0, []string{"error_rate < 2%"}, reports.Passed, ""},
		"scaled long after it":                  {stall(5*s, 300*ms), nil, []time.Duration{9500 * ms}, nil, 0, []string{"error_rate < 2%"}, reports.Passed, ""},
		"too short for a datapoint":             {stall(5*s, 90*ms), nil, []time.Duration{6 * s}, nil, 0, []string{"error_rate < 2%"}, reports.Passed, ""},
	} {
		r := rehearse(plan.Phase{Name: "before", End: 5 * s}, plan.Phase{Name: "after", Start: 5 * s, End: 10 * s})
		r.fleet.member(plan.Target{ID: "web-1", Group: "web"}).changes = tc.changes
		if tc.scaled != nil {
			r.scalers = append(r.scalers, &scaler{cfg: &plan.Scaling{Group: "web", Timing: autoscale.Timing{MetricPeriod: s}}, keep: 2, scaled: tc.scaled})
		}
		if tc.fault != nil {
			f := &faultRun{Fault: tc.fault, targets: []string{"web-1"}}
			r.rec.inject(f, tc.fault.At)
			r.faults, r.rec.scheduled = append(r.faults, f), append(r.rec.scheduled, f)
			r.rec.revert(f, tc.fault.At+tc.fault.For)
			f.hits = 1
		}
		r.ask(530, 0, 10*ms, 20*ms, ok)
		r.ask(tc.fails, 5300*ms, 10*ms, 20*ms, failed)
		r.ask(470-tc.fails, 5300*ms+time.Duration(tc.fails)*10*ms, 10*ms, 20*ms, ok)
		if tc.stall.Stopped > 0 {
			r.played.Stalls = []measure.Stall{tc.stall}
		}
		for i := range r.rec.planned {
			r.rec.planned[i] = r.rec.recorder.Phase(i).Finished()
		}
		got := r.judged(t, tc.gates...)
		told := strings.Join(append(append([]string{}, got.Reasons...), got.Warnings...), "\n")
		if got.Verdict != tc.verdict || !strings.Contains(told, strings.ReplaceAll(tc.says, "took", "taken another course")) {
			t.Errorf("%s: %s\n%s\nwant %s, saying %q", name, got.Verdict, told, tc.verdict, tc.says)
		}
	}
}

// What the generator itself delayed into a fault may have failed by that, however small a part of its time the delay was.
func TestFailuresThatWereDelayedIntoAFault(t *testing.T) {
	r := rehearse(plan.Phase{Name: "a", End: 20 * s})
	f := &faultRun{Fault: &chaos.Fault{ID: "hang", At: 3 * s, For: s}}
	r.rec.scheduled = append(r.rec.scheduled, f)
	late := measure.Sample{Outcome: measure.Failed, Class: measure.FirstByteTimeout, Due: 2900 * ms, Offered: 3010 * ms, Sent: 3010 * ms, Done: 13 * s, Stalled: 110 * ms}
	for name, tc := range map[string]struct {
		due  time.Duration
		want bool
	}{"before it": {2900 * ms, true}, "within it": {3005 * ms, false}} {
		x := late
		x.Due, x.Stalled = tc.due, x.Sent-tc.due
		r.rec.turnFailure(&x)
		if x.MayBeTurned() != tc.want {
			t.Errorf("due %s: %v", name, x.MayBeTurned())
		}
	}
}
