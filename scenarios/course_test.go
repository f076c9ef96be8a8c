package scenarios

import (
	"strings"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/autoscale"
	"github.com/seed-8025779b/shakedown/balancer/health"
	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/loadgen/attempt"
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
		change  func(r *rehearsal)
	}{
		"undisturbed": {measure.Stall{}, ejected, nil, nil, 30, []string{"error_rate < 2%"}, reports.Failed, "error_rate < 2%: observed", nil},
		"a burst that ejects a target, and failures": {stall(5*s, 120*ms), ejected, nil, nil, 30, []string{"error_rate < 2%"}, reports.Invalid,
			"gate error_rate < 2% can't be judged: the load generator stood still at 5.00 s, and target web-1 went out of service at 5.25 s (3 failures in a row): without that", nil},
		"and none":                              {stall(5*s, 120*ms), ejected, nil, nil, 0, []string{"error_rate < 2%"}, reports.Invalid, "took", nil},
		"a gate on what was before":             {stall(5*s, 120*ms), ejected, nil, nil, 30, []string{"error_rate[before] < 2%"}, reports.Passed, "", nil},
		"a gate on what came after":             {stall(5*s, 120*ms), ejected, nil, nil, 30, []string{"p99[after] < 1s"}, reports.Invalid, "went out of service", nil},
		"without gates":                         {stall(5*s, 120*ms), ejected, nil, nil, 0, nil, reports.Invalid, "went out of service", nil},
		"too short to matter":                   {stall(5*s, 40*ms), ejected, nil, nil, 30, []string{"error_rate < 2%"}, reports.Failed, "observed", nil},
		"long before":                           {stall(2*s, 120*ms), ejected, nil, nil, 30, []string{"error_rate < 2%"}, reports.Failed, "observed", nil},
		"after it":                              {stall(5300*ms, 120*ms), ejected, nil, nil, 30, []string{"error_rate < 2%"}, reports.Failed, "observed", nil},
		"a return that the burst may have met":  {stall(7800*ms, 90*ms), ejected, nil, nil, 0, []string{"error_rate < 2%"}, reports.Invalid, "came into service at 8.00 s", nil},
		"a return long after the burst":         {stall(5700*ms, 90*ms), ejected, nil, nil, 30, []string{"error_rate < 2%"}, reports.Failed, "observed", nil},
		"a return while the generator is still": {stall(7950*ms, 90*ms), ejected, nil, nil, 0, []string{"error_rate < 2%"}, reports.Invalid, "came into service at 8.00 s", nil},
		"by a fault of the scenario's":          {stall(4900*ms, 60*ms), ejected, nil, fault, 30, []string{"error_rate < 2%"}, reports.Failed, "observed", nil},
		"scaled after it":                       {stall(5*s, 300*ms), nil, []time.Duration{6 * s}, nil, 0, []string{"error_rate < 2%"}, reports.Invalid, "group web was scaled at 6.00 s", nil},
		"scaled before it":                      {stall(5*s, 300*ms), nil, []time.Duration{4 * s}, nil, 0, []string{"error_rate < 2%"}, reports.Passed, "", nil},
		"scaled long after it":                  {stall(5*s, 300*ms), nil, []time.Duration{9500 * ms}, nil, 0, []string{"error_rate < 2%"}, reports.Passed, "", nil},
		"too short for a datapoint":             {stall(5*s, 90*ms), nil, []time.Duration{6 * s}, nil, 0, []string{"error_rate < 2%"}, reports.Passed, "", nil},
		"a server that scaling had decided on before": {stall(5*s, 60*ms), []change{{at: 5100 * ms, from: "initial", to: "healthy"}}, []time.Duration{2 * s}, nil, 0, []string{"error_rate < 2%"}, reports.Passed, "", func(r *rehearsal) {
			r.launched("web-1", 2*s, 4500*ms, 5100*ms)
		}},
		"one that was launched late": {stall(5*s, 60*ms), []change{{at: 5100 * ms, from: "initial", to: "healthy"}}, []time.Duration{2 * s}, nil, 0, []string{"error_rate < 2%"}, reports.Invalid, "came into service at 5.10 s", func(r *rehearsal) {
			r.launched("web-1", 2*s, 5010*ms, 5100*ms)
		}},
		"one that scaling added long before, and that left": {stall(5*s, 60*ms), []change{{at: 3 * s, from: "initial", to: "healthy"}, {at: 5100 * ms, from: "healthy", to: "ejected"}}, []time.Duration{s}, nil, 0, []string{"error_rate < 2%"}, reports.Invalid, "went out of service at 5.10 s", func(r *rehearsal) {
			r.launched("web-1", s, 2500*ms, 3*s)
		}},
		"scaled in, and too short for a datapoint": {stall(5950*ms, 60*ms), []change{{at: -s, from: "initial", to: "healthy"}, {at: 6001 * ms, from: "healthy", to: "draining"}}, []time.Duration{6 * s}, nil, 0, []string{"error_rate < 2%"}, reports.Passed, "", nil},
		"a tick that came late":                    {measure.Stall{}, nil, []time.Duration{}, nil, 0, []string{"error_rate < 2%"}, reports.Invalid, "the load generator stood still at 6.00 s, and group web was looked at 300ms late", func(r *rehearsal) { r.scalers[0].late = []lateTick{{6 * s, 300 * ms}} }},
		"a check that began in the burst failed": {stall(5*s, 60*ms), []change{{at: -s, from: "initial", to: "healthy"}, {at: 5900 * ms, from: "healthy", to: "unhealthy"}}, nil, nil, 0, []string{"error_rate < 2%"}, reports.Invalid, "went out of service at 5.90 s", func(r *rehearsal) {
			r.s.Topology = &plan.Topology{Groups: []plan.Group{{Name: "web", Health: &health.Config{Timeout: s}}}}
		}},
		"clients that try again what a stall held back": {stall(5*s, 120*ms), nil, nil, nil, 30, []string{"error_rate < 2%"}, reports.Invalid, "stood still at 5.00 s, and clients tried again what it had held back", func(r *rehearsal) {
			r.s.Client.Retry = &attempt.Retry{Attempts: 1}
			x := stalled(100*ms, measure.Sample{Retried: []measure.Class{measure.FirstByteTimeout}, ClientAttempts: 2})
			x.Due, x.Offered, x.Sent, x.Done = 5010*ms, 5110*ms, 5200*ms, 5250*ms
			r.rec.sample(&x)
		}},
		"and a gate on what was before": {stall(5*s, 120*ms), nil, nil, nil, 30, []string{"error_rate[before] < 2%"}, reports.Passed, "", func(r *rehearsal) {
			r.s.Client.Retry = &attempt.Retry{Attempts: 1}
			x := stalled(100*ms, measure.Sample{Retried: []measure.Class{measure.FirstByteTimeout}, ClientAttempts: 2})
			x.Due, x.Offered, x.Sent, x.Done = 5010*ms, 5110*ms, 5200*ms, 5250*ms
			r.rec.sample(&x)
		}},
		"clients that try again for another reason": {stall(5*s, 120*ms), nil, nil, nil, 30, []string{"error_rate < 2%"}, reports.Failed, "observed", func(r *rehearsal) {
			r.s.Client.Retry = &attempt.Retry{Attempts: 1}
			x := measure.Sample{Retried: []measure.Class{measure.Status5xx}, ClientAttempts: 2, Due: 5010 * ms, Offered: 5010 * ms, Sent: 5200 * ms, Done: 5250 * ms}
			r.rec.sample(&x)
		}},
		"requests of the burst hung": {stall(4*s, 60*ms), []change{{at: -s, from: "initial", to: "healthy"}, {at: 6900 * ms, from: "healthy", to: "ejected"}}, nil, nil, 0, []string{"error_rate < 2%"}, reports.Invalid, "went out of service at 6.90 s", func(r *rehearsal) {
			x := stalled(50*ms, failed)
			x.Due, x.Offered, x.Sent, x.Done = 4010*ms, 4060*ms, 4060*ms, 7*s
			r.rec.sample(&x)
		}},
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
		if tc.change != nil {
			tc.change(r)
		}
		r.calmLoop(0, 5300*ms, tc.stall.From, tc.stall.Resumed, 20*ms)
		r.ask(tc.fails, 5300*ms, 10*ms, 20*ms, failed)
		r.calmLoop(5300*ms+time.Duration(tc.fails)*10*ms, 10*s, tc.stall.From, tc.stall.Resumed, 20*ms)
		if tc.stall.Stopped > 0 {
			r.played.Stalls = []measure.Stall{tc.stall}
		}
		if verdict, told := r.told(t, tc.gates...); verdict != tc.verdict || !strings.Contains(told, strings.ReplaceAll(tc.says, "took", "taken another course")) {
			t.Errorf("%s: %s\n%s\nwant %s, saying %q", name, verdict, told, tc.verdict, tc.says)
		}
	}
}

// launched notes that scaling decided on a target, launched it and brought it into service. A launch takes 2.5 s.
func (r *rehearsal) launched(id string, decided, launched, inService time.Duration) {
	m := r.fleet.member(plan.Target{ID: id, Group: "web"})
	m.launched, m.inServiceAt = &launched, &inService
	sc := r.scalers[0]
	sc.cfg.Timing.Launch = 2500 * ms
	sc.waterfall = append(sc.waterfall, &stages{id: id, breach: decided - s, decided: decided})
}

// What comes when all that a gate asks about is known does not make it open, and what comes before does. A fault is in force from 3 s to
// 5 s, its target is back at 5.5 s; a scale-out is in service at 4 s.
func TestUntilWhenGatesLook(t *testing.T) {
	for _, tc := range []struct {
		gate         string
		before, then time.Duration // stalls that make it open, and that don't
	}{
		{"recover(slow) < 2s", 5900 * ms, 6500 * ms}, // 1 s, the objective's window, after the fault's end
		{"residual(slow) < 2s", 5900 * ms, 6500 * ms},
		{"p99[slow] < 2s", 5900 * ms, 6500 * ms},
		{"lost(slow) < 5", 9500 * ms, 18 * s}, // what was to be expected is told by the rest of the phase
		{"detect(slow) < 2s", 3020 * ms, 3200 * ms},
		{"eject(slow) < 2s", 3050 * ms, 3200 * ms},
		{"scale_out(web) < 9s", 3900 * ms, 4100 * ms},
		{"p99[a] < 2s", 9500 * ms, 10500 * ms},
		{"error_rate < 2%", 11500 * ms, 12500 * ms},
		{"failed[get] < 2", 11500 * ms, 12500 * ms},
		{"", 11500 * ms, 12500 * ms},
	} {
		for stall, want := range map[time.Duration]reports.Verdict{tc.before: reports.Invalid, tc.then: reports.Passed} {
			r := rehearse(plan.Phase{Name: "a", End: 10 * s}, plan.Phase{Name: "b", Start: 10 * s, End: 12 * s}, plan.Phase{Name: "cool-down", Start: 12 * s, End: 20 * s, Discard: true})
			r.fleet.member(plan.Target{ID: "web-1", Group: "web"}).changes = []change{{at: -s, to: "healthy"}, {at: stall + 80*ms, from: "healthy", to: "ejected"}}
			hit := r.fleet.member(plan.Target{ID: "web-2", Group: "web"})
			hit.changes = []change{{at: -s, to: "healthy"}, {at: 3100 * ms, from: "healthy", to: "ejected"}, {at: 5500 * ms, from: "ejected", to: "healthy"}}
			hit.troubles = []trouble{{at: 3100 * ms}}
			r.scalers = append(r.scalers, &scaler{cfg: &plan.Scaling{Group: "web", Timing: autoscale.Timing{MetricPeriod: s}}, keep: 2, scaled: []time.Duration{1500 * ms}})
			r.launched("web-3", 1500*ms, 3990*ms, 4*s)
			f := &faultRun{Fault: &chaos.Fault{ID: "slow", At: 3 * s, For: 2 * s}, targets: []string{"web-2"}}
			r.calmLoop(0, 3*s, 0, 0, 20*ms)
			r.begin(f, 3*s)
			r.calmLoop(3*s, 5*s, stall, stall+60*ms, 20*ms)
			r.rec.revert(f, 5*s)
			r.rec.cut(5 * s)
			r.calmLoop(5*s, 20*s, stall, stall+60*ms, 20*ms)
			r.played.Stalls = []measure.Stall{{From: stall, Resumed: stall + 60*ms, To: stall + 60*ms, Stopped: 60 * ms}}
			var gates []string
			if tc.gate != "" {
				gates = append(gates, tc.gate)
			}
			if verdict, told := r.told(t, gates...); verdict != want || (want == reports.Invalid && !strings.Contains(told, "another course") && !strings.Contains(told, "can't be judged")) {
				t.Errorf("%q, a stall at %v: %s, want %s\n%s", tc.gate, stall, verdict, want, told)
			}
		}
	}
}

// What the balancer notices of a fault's targets while the generator works off a stall may be of the burst, unless their process is gone.
func TestWhatIsNoticedInTheWakeOfAStall(t *testing.T) {
	for kind, want := range map[string]reports.Verdict{"latency": reports.Invalid, "kill": reports.Passed} {
		for _, expr := range []string{"detect(f) < 3s", "eject(f) < 3s"} {
			r := rehearse(plan.Phase{Name: "a", End: 20 * s})
			hit := r.fleet.member(plan.Target{ID: "web-1", Group: "web"})
			hit.changes = []change{{at: -s, to: "healthy"}, {at: 12050 * ms, from: "healthy", to: "ejected"}, {at: 14 * s, from: "ejected", to: "healthy"}}
			hit.troubles = []trouble{{at: 12040 * ms}}
			f := &faultRun{Fault: &chaos.Fault{ID: "f", At: 10 * s, For: 4 * s}, targets: []string{"web-1"}}
			if kind == "kill" {
				f.kind.Process = &chaos.Process{Kill: true}
			}
			r.calmLoop(0, 10*s, 0, 0, 20*ms)
			r.begin(f, 10*s)
			r.calmLoop(10*s, 20*s, 11980*ms, 12040*ms, 20*ms)
			r.rec.revert(f, 14*s)
			r.played.Stalls = []measure.Stall{{From: 11980 * ms, Resumed: 12040 * ms, To: 12060 * ms, Stopped: 60 * ms}}
			if verdict, told := r.told(t, expr); verdict != want {
				t.Errorf("%s, %s: %s, want %s\n%s", kind, expr, verdict, want, told)
			}
		}
	}
}

// Without a request that it held back a stall has no burst.
func TestAStallInWhichNothingWasDue(t *testing.T) {
	r := rehearse(plan.Phase{Name: "a", End: 4 * s}, plan.Phase{Name: "gap", Start: 4 * s, End: 8 * s}, plan.Phase{Name: "b", Start: 8 * s, End: 12 * s})
	r.fleet.member(plan.Target{ID: "web-1"}).changes = []change{{at: -s, to: "healthy"}, {at: 3900 * ms, from: "healthy", to: "ejected"}, {at: 5550 * ms, from: "ejected", to: "healthy"}}
	r.calmLoop(0, 4*s, 0, 0, 20*ms)
	r.calmLoop(8*s, 12*s, 0, 0, 20*ms)
	r.played.Stalls = []measure.Stall{{From: 5500 * ms, Resumed: 5600 * ms, To: 5600 * ms, Stopped: 100 * ms}}
	if verdict, told := r.told(t, "error_rate < 2%"); verdict != reports.Passed {
		t.Errorf("%s: %s", verdict, told)
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
