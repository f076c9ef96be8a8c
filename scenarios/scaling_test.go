package scenarios

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/autoscale"
	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/profile"
	"github.com/seed-8025779b/shakedown/reports"
	"github.com/seed-8025779b/shakedown/reports/gate"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// scriptedWorld is a world of timers only: it notes what it is asked to do, and its targets obey at once.
type scriptedWorld struct {
	p       *player
	now     time.Duration
	late    func(nominal time.Duration) time.Duration // by how much a timer misses its instant
	frozen  [2]time.Duration                          // nothing happens meanwhile: no load, and no timer
	timers  []timer
	round   time.Duration // of the instants of actions
	actions []string
	busy    float64 // share of the slots, of every target
	total   map[string]time.Duration
}

type timer struct {
	at time.Duration
	f  func()
}

func (w *scriptedWorld) Now() time.Duration { return w.now }

func (w *scriptedWorld) At(t time.Duration, f func()) func() bool {
	w.timers = append(w.timers, timer{t, f})
	return func() bool { return false }
}

func (w *scriptedWorld) Do(a plan.Action) error {
	switch a := a.(type) {
	case plan.Start:
		w.actions = append(w.actions, fmt.Sprintf("%v start %s", w.now.Round(w.round), a.Target.ID))
		w.p.event(plan.Event{At: w.now, Kind: plan.Launched, Group: a.Target.Group, Target: a.Target.ID, Generation: 1})
		w.p.event(plan.Event{At: w.now, Kind: plan.Changed, Group: a.Target.Group, Target: a.Target.ID, From: "initial", To: "healthy"})
	case plan.Apply:
		if a.Fault.Kind != "kill" {
			w.actions = append(w.actions, fmt.Sprintf("%v %s on %v", w.now.Round(w.round), a.Fault.ID, a.Victims))
			break
		}
		for _, id := range a.Victims {
			m := w.p.fleet.byID[id]
			w.p.event(plan.Event{At: w.now, Kind: plan.Exited, Group: m.Group, Target: m.ID, Fault: a.Fault.ID})
			w.p.event(plan.Event{At: w.now, Kind: plan.Changed, Group: m.Group, Target: m.ID, From: "healthy", To: "unhealthy"})
		}
	case plan.Retire:
		w.actions = append(w.actions, fmt.Sprintf("%v retire %s", w.now.Round(w.round), a.Target))
		w.p.event(plan.Event{At: w.now, Kind: plan.Changed, Group: a.Group, Target: a.Target, From: "healthy", To: "gone"})
		w.p.event(plan.Event{At: w.now, Kind: plan.Exited, Group: a.Group, Target: a.Target})
	}
	return nil
}

// ran is how long before an instant the world was not frozen.
func (w *scriptedWorld) ran(t time.Duration) time.Duration {
	return t - max(min(t, w.frozen[1])-w.frozen[0], 0)
}

// measure tells counters that show the targets as busy as they are said to be since the last time.
func (w *scriptedWorld) measure(since time.Duration) {
	s := &plan.Stats{At: w.now, Targets: map[string]plan.TargetStats{}}
	for _, m := range w.p.fleet.members {
		w.total[m.ID] += time.Duration(w.busy * float64(w.ran(w.now)-w.ran(since)))
		s.Targets[m.ID] = plan.TargetStats{Group: m.Group, Generation: 1, BusyAt: w.now, Busy: w.total[m.ID], Slots: 1}
	}
	w.p.event(plan.Event{Kind: plan.Measured, Stats: s})
}

func (w *scriptedWorld) Play(_ context.Context, _ profile.Schedule, _ func(*measure.Sample)) (plan.Played, error) {
	for last := time.Duration(0); len(w.timers) > 0; last = w.now {
		slices.SortStableFunc(w.timers, func(a, b timer) int { return int(a.at - b.at) })
		next := w.timers[0]
		w.timers = w.timers[1:]
		w.now = max(w.now, next.at+w.late(next.at))
		if w.now > w.frozen[0] {
			w.now = max(w.now, w.frozen[1])
		}
		w.measure(last)
		next.f()
	}
	return plan.Played{}, nil
}

func (w *scriptedWorld) InFlight() int64    { return 0 }
func (w *scriptedWorld) Settle(func() bool) {}
func (w *scriptedWorld) Close() error       { return nil }

// tracking is a policy that keeps targets half busy, and scales out or in after so many datapoints.
func tracking(datapoints int) []spec.Choice {
	return []spec.Choice{{Kind: "target_tracking", Values: spec.Values{"metric": "cpu", "target": .5, "datapoints": datapoints, "datapoints_in": datapoints}}}
}

// playScaled plays a group of three targets in two zones that is scaled each second, and returns the player.
func playScaled(t *testing.T, length time.Duration, policy autoscale.Config, faults []chaos.Fault, change func(*scriptedWorld)) (*player, *scriptedWorld) {
	t.Helper()
	if policy.Policies == nil {
		policy.Policies = tracking(1)
	}
	s := &plan.Scenario{
		Seed: 1,
		Topology: &plan.Topology{Groups: []plan.Group{{
			Name: "web", Targets: plan.Targets{Run: plan.Builtin, Count: 3, Zones: []string{"a", "b"}, Weights: []int{1, 2}, StartTimeout: time.Second},
		}}},
		Load:    plan.Load{Phases: []plan.Phase{{Name: "main", End: length, Rate: spec.Choice{Kind: "hold", Values: spec.Values{"rate": 1., "for": length}}}}},
		Scaling: []plan.Scaling{{Group: "web", Policy: policy, Timing: autoscale.Timing{MetricPeriod: time.Second, Launch: 500 * time.Millisecond}}},
		Faults:  faults,
	}
	sched, err := s.Schedule()
	if err != nil {
		t.Fatal(err)
	}
	p := newPlayer(s, sched, Options{})
	w := &scriptedWorld{p: p, round: time.Second, late: func(time.Duration) time.Duration { return 0 }, total: map[string]time.Duration{}}
	p.world = w
	for n := range 3 {
		if err := w.Do(plan.Start{Target: s.Topology.Groups[0].Target(n)}); err != nil {
			t.Fatal(err)
		}
	}
	w.actions = nil
	change(w)
	if err := p.play(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p, w
}

func kill(id, target string, restartAfter time.Duration) chaos.Fault {
	return chaos.Fault{
		ID: id, At: 1500 * time.Millisecond, Select: chaos.Selector{Group: "web", ID: target},
		Choice: spec.Choice{Kind: "kill", Values: spec.Values{"restart_after": restartAfter}},
	}
}

// A cooldown of three periods lasts three periods, although ticks come a little early or late.
func TestCooldownCountsNominalTicks(t *testing.T) {
	p, w := playScaled(t, 11*time.Second, autoscale.Config{Min: 1, Max: 99, Cooldown: 3 * time.Second}, nil, func(w *scriptedWorld) {
		w.busy = .6
		w.late = func(nominal time.Duration) time.Duration {
			if nominal%(2*time.Second) == time.Second {
				return 400 * time.Microsecond
			}
			return -400 * time.Microsecond
		}
	})
	var at []float64
	for i, d := range p.scalers[0].decisions {
		if d.Signal.At%time.Second != 0 || d.AtMS != reports.MS(d.Signal.At) {
			t.Errorf("decision %d is at %v ms, its signal at %v", i, d.AtMS, d.Signal.At)
		}
		if d.Decision.Desired != d.Signal.Desired {
			at = append(at, d.AtMS/1000)
		}
	}
	if !slices.Equal(at, []float64{2, 5, 8}) {
		t.Errorf("changes at %v s: %v", at, w.actions)
	}
}

// A server that died for good is not warming: it neither keeps the group from being scaled in, nor does a living one
// have to go in its place. One that will be started again is waited for.
func TestScaleInWithADeadServer(t *testing.T) {
	for _, tc := range []struct {
		name    string
		restart time.Duration
		busy    float64
		want    []string
	}{
		{"for good", 0, .4, []string{"3s retire web-1"}},
		{"for good, and another is too many", 0, .2, []string{"2s retire web-1", "3s retire web-3"}},
		{"for a while", 3 * time.Second, .3, []string{"5s start web-1", "5s retire web-3"}},
	} {
		_, w := playScaled(t, 8*time.Second, autoscale.Config{Min: 1, Max: 99}, []chaos.Fault{kill("k", "web-1", tc.restart)}, func(w *scriptedWorld) {
			w.busy = .5 // as wanted
			w.At(1500*time.Millisecond, func() { w.busy = tc.busy })
		})
		if !slices.Equal(w.actions, tc.want) {
			t.Errorf("%s: %q, want %q", tc.name, w.actions, tc.want)
		}
	}
}

// Servers that scaling adds have the zones and weights of the group's next targets, and faults on their zone hit them.
func TestAddedServersHaveZones(t *testing.T) {
	zone := chaos.Fault{
		ID: "outage", At: 5 * time.Second, Select: chaos.Selector{Group: "web", Zone: "b"},
		Choice: spec.Choice{Kind: "latency", Values: spec.Values{"delay": time.Second, "share": 1., "probes": true}},
	}
	p, w := playScaled(t, 6*time.Second, autoscale.Config{Min: 1, Max: 5, Cooldown: time.Minute}, []chaos.Fault{zone}, func(w *scriptedWorld) { w.busy = .7 })
	if want := []string{"3s start web-4", "3s start web-5", "5s outage on [web-2 web-4]"}; !slices.Equal(w.actions, want) {
		t.Errorf("%q, want %q", w.actions, want)
	}
	for n, m := range p.fleet.members {
		if want := p.s.Topology.Groups[0].Target(n); m.Target != want {
			t.Errorf("%+v, want %+v", m.Target, want)
		}
	}
}

// A tick that the player could not take, because it was frozen, is no datapoint, nor is the time in which it was frozen part
// of one: four in a row stay four in a row. What the scaling came to is not held against the system.
func TestTicksOfAFrozenPlayer(t *testing.T) {
	for _, tc := range []struct {
		name    string
		frozen  [2]time.Duration
		decided float64 // in seconds
		late    string  // the reason why the gate is not judged; "" when it is
	}{
		{"never", [2]time.Duration{}, 5, ""},
		{"for a moment", [2]time.Duration{4950 * time.Millisecond, 5050 * time.Millisecond}, 5, ""},
		{"over a tick", [2]time.Duration{4600 * time.Millisecond, 5300 * time.Millisecond}, 6, "300ms"},
		{"over two ticks", [2]time.Duration{4400 * time.Millisecond, 6800 * time.Millisecond}, 8, "1.8s"},
		{"until just before a tick", [2]time.Duration{4400 * time.Millisecond, 6950 * time.Millisecond}, 8, "1.95s"},
		{"until a while before a tick", [2]time.Duration{4400 * time.Millisecond, 6400 * time.Millisecond}, 7, "1.4s"},
		{"until a tick", [2]time.Duration{4400 * time.Millisecond, 7 * time.Second}, 8, "2s"},
	} {
		p, w := playScaled(t, 12*time.Second, autoscale.Config{Min: 1, Max: 4, Policies: tracking(4)}, nil, func(w *scriptedWorld) {
			w.busy, w.frozen = .6, tc.frozen
			for at := 100 * time.Millisecond; at < 12*time.Second; at += 200 * time.Millisecond {
				w.At(at, func() {}) // counters are told
			}
		})
		decided, last := 0., 0.
		for _, d := range p.scalers[0].decisions {
			if d.Decision.Desired != d.Signal.Desired {
				decided = d.AtMS / 1000
				if d.Breach != 2*time.Second {
					t.Errorf("%s: the breach was at %v", tc.name, d.Breach)
				}
			}
			if x := d.Signal.Points[len(d.Signal.Points)-1]; x.Missing && d.AtMS > 1000 || d.AtMS <= last {
				t.Errorf("%s: %+v after %v", tc.name, d, last)
			}
			if last = d.AtMS; d.Repeats != nil {
				last = d.Repeats.UntilMS
			}
		}
		if decided != tc.decided || len(w.actions) != 1 || last != 11000 {
			t.Errorf("%s: decided at %v s, want %v; %q, last decision at %v ms", tc.name, decided, tc.decided, w.actions, last)
		}
		r := judgedScaling(t, p, "scale_out(web) < 2s")
		if why := r.Gates[0].Why; strings.Contains(why, "group web was looked at") != (tc.late != "") || !strings.Contains(why, tc.late) {
			t.Errorf("%s: %q", tc.name, why)
		}
		if open := !r.Gates[0].Judged; open != (tc.late != "") || r.Validity.Valid == open {
			t.Errorf("%s: the gate is %+v, reasons %q", tc.name, r.Gates[0], r.Validity.Reasons)
		}
	}
}

// A gate on a group's scale-outs is open when what moved one of them may be the load generator's doing, and not for what came when all
// were in service. A stall that stands for several counts by the longest of them.
func TestStallsThatChangeNoScaleOut(t *testing.T) {
	const tolerated = 100 * ms
	stall := func(from, stopped time.Duration) measure.Stall {
		return measure.Stall{From: from, Resumed: from + stopped, To: from + stopped, Stopped: stopped}
	}
	joined := func(from, to, stopped, longest time.Duration) measure.Stall {
		return measure.Stall{From: from, Resumed: to, To: to, Stopped: stopped, Ran: to - from - stopped, Longest: longest}
	}
	for name, tc := range map[string]struct {
		servers []time.Duration // when each came into service, decided on 3 s before
		stalls  []measure.Stall
		ticks   []lateTick
		open    bool
	}{
		"before the decision":              {[]time.Duration{10 * s}, []measure.Stall{stall(6500*ms, 300*ms)}, nil, true},
		"long before it":                   {[]time.Duration{10 * s}, []measure.Stall{stall(2*s, 300*ms)}, nil, false},
		"when a server is on its way":      {[]time.Duration{10 * s}, []measure.Stall{stall(8*s, 300*ms)}, nil, false},
		"before the second decision":       {[]time.Duration{10 * s, 14 * s}, []measure.Stall{stall(10900*ms, 300*ms)}, nil, true},
		"the second one was sooner":        {[]time.Duration{14 * s, 10 * s}, []measure.Stall{stall(10900*ms, 300*ms)}, nil, true},
		"when all are in service":          {[]time.Duration{10 * s}, []measure.Stall{stall(10*s, 300*ms)}, nil, false},
		"there was no scale-out":           {nil, []measure.Stall{stall(15*s, 300*ms)}, nil, false},
		"tolerated":                        {[]time.Duration{10 * s}, []measure.Stall{stall(6500*ms, tolerated)}, nil, false},
		"a late tick before it":            {[]time.Duration{10 * s}, nil, []lateTick{{9 * s, 200 * ms}}, true},
		"a late tick after it":             {[]time.Duration{10 * s}, nil, []lateTick{{11 * s, 200 * ms}}, false},
		"late ticks on both sides":         {[]time.Duration{10 * s}, nil, []lateTick{{9 * s, 200 * ms}, {11 * s, 500 * ms}}, true},
		"a late tick without a scale-out":  {nil, nil, []lateTick{{9 * s, 200 * ms}}, true},
		"one for several, of which one":    {[]time.Duration{10 * s}, []measure.Stall{joined(s, 8*s, 700*ms, 300*ms)}, nil, true},
		"one for several, which are short": {[]time.Duration{10 * s}, []measure.Stall{joined(s, 8*s, 700*ms, 20*ms)}, nil, false},
		"one for several, after it":        {[]time.Duration{10 * s}, []measure.Stall{joined(11*s, 18*s, 700*ms, 300*ms)}, nil, false},
	} {
		r := open(20 * s)
		sc := &scaler{cfg: &plan.Scaling{Group: "web", Timing: autoscale.Timing{MetricPeriod: s}}, late: tc.ticks}
		r.scalers, r.played.Stalls = []*scaler{sc}, tc.stalls
		for i, at := range tc.servers {
			m := r.fleet.member(plan.Target{ID: fmt.Sprintf("web-%d", i+1), Group: "web"})
			m.inServiceAt, m.changes = &at, []change{{at: at, from: "initial", to: inServiceState}}
			sc.waterfall, sc.scaled = append(sc.waterfall, &stages{id: m.ID, breach: at - 3*s, decided: at - 3*s}), append(sc.scaled, at-3*s)
		}
		g, err := gate.Parse("scale_out(web) < 60s")
		if err != nil {
			t.Fatal(err)
		}
		if told := r.otherCourse(&g, &figures{p: r.player, otherCourse: r.firstCourseChange()}); (told != "") != tc.open {
			t.Errorf("%s: %q", name, told)
		}
	}
}

// However long a run is, decisions that changed nothing take little room: those that follow each other and are alike are
// told of as one, with their number and the range of the metric. Each that changed something is there, and what is there
// can be decided again.
func TestDecisionsOfALongRunAreFew(t *testing.T) {
	const length = 2 * time.Hour
	for _, tc := range []struct {
		name    string
		busy    func(second int) float64
		policy  autoscale.Config
		most    int // entries
		changes int
	}{
		{"calm", func(second int) float64 { return .46 + .001*float64(second*7%40) }, autoscale.Config{Min: 1, Max: 9}, 2, 0},
		{"restless within limits", func(second int) float64 { return .3 + .1*float64(second*7%5) }, autoscale.Config{Min: 3, Max: 3}, keptDecisions, 0},
		{"more each half hour", func(second int) float64 { return .48 + .03*float64(second%1800/1799) }, autoscale.Config{Min: 1, Max: 99}, 50, 3},
	} {
		p, _ := playScaled(t, length, tc.policy, nil, func(w *scriptedWorld) {
			w.late = func(nominal time.Duration) time.Duration {
				w.busy = tc.busy(int((nominal - 1) / time.Second))
				return 0
			}
		})
		list := p.scalers[0].decisions
		changes, ticks, until := 0, 0, 0.
		var signals []autoscale.Signal
		for _, d := range list {
			if d.Desired != d.Signal.Desired {
				changes++
			}
			if d.AtMS != until+1000 {
				t.Fatalf("%s: %v ms follows %v ms", tc.name, d.AtMS, until)
			}
			until, ticks = d.AtMS, ticks+1
			signals = append(signals, d.Signal)
			if x := d.Repeats; x != nil {
				until, ticks = x.UntilMS, ticks+x.Count
				checkRange(t, tc.name, &d, tc.busy)
			}
		}
		if len(list) > tc.most || changes != tc.changes || until != 1000*(length.Seconds()-1) || ticks != int(length/time.Second)-1 {
			t.Errorf("%s: %d entries, %d changes, %d ticks until %v ms", tc.name, len(list), changes, ticks, until)
		}
		again, err := autoscale.Replay(p.s.Scaling[0].Policy, signals)
		if err != nil {
			t.Fatal(err)
		}
		for i, d := range list {
			if again[i] != d.Decision {
				t.Fatalf("%s: %+v, and decided again %+v", tc.name, d.Decision, again[i])
			}
		}
	}
}

// checkRange compares an entry's range of the metric with what the targets were told to be busy with.
func checkRange(t *testing.T, name string, d *reports.Decision, busy func(second int) float64) {
	t.Helper()
	lowest, highest := 1., 0.
	for second := int(d.AtMS/1000) - 1; second < int(d.Repeats.UntilMS/1000); second++ {
		if second > 0 { // in the first one there is no datapoint
			lowest, highest = min(lowest, busy(second)), max(highest, busy(second))
		}
	}
	if x := d.Repeats; x.Lowest == nil || math.Abs(*x.Lowest-lowest) > 1e-6 || math.Abs(*x.Highest-highest) > 1e-6 {
		t.Errorf("%s: from %v ms on: %v and %v, want %v to %v", name, d.AtMS, x.Lowest, x.Highest, lowest, highest)
	}
}

// judgedScaling is the result of a played scenario in which each request was answered in time.
func judgedScaling(t *testing.T, p *player, expr string) *reports.Result {
	t.Helper()
	g, err := gate.Parse(expr)
	if err != nil {
		t.Fatal(err)
	}
	p.s.Gates = []plan.Gate{plan.Gate(g)}
	for w := p.sched.Walk(); ; {
		seq, due, more := w.Next()
		if !more {
			break
		}
		p.rec.sample(&measure.Sample{Seq: seq, Due: due, Offered: due, Sent: due, First: due, Done: due + time.Millisecond, Status: 200})
	}
	p.rec.end(false, p.ended, p.sched)
	return p.result()
}
