package scenarios

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/health"
	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/profile"
	"github.com/seed-8025779b/shakedown/reports"
	"github.com/seed-8025779b/shakedown/reports/gate"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
)

const s = time.Second

// course plays half seconds from letters: "." a good one, "e" one with errors, "l" a late one, " " one in which no
// request ended, "d" one whose requests were late because the generator was. In each 100 requests end. A fault is in
// force from t0 to tr, or to the end of the load when tr is forever.
func course(letters string, t0, tr time.Duration, side int) recovery {
	w := watchCourse(letters, t0, tr)
	return w.recovery(side)
}

func watchCourse(letters string, t0, tr time.Duration) *watch {
	width, length := s/2, time.Duration(len(letters))*s/2
	r := measure.NewRecorder([]measure.Phase{{End: length}}, width)
	c := newCondition(plan.Objective{
		Quantiles: []plan.Quantile{{Q: .99, Limit: 100 * time.Millisecond}}, ErrorRate: .01, Window: s,
	}, length, s, width, r, t0)
	var w *watch
	for i, letter := range letters {
		switch time.Duration(i) * width {
		case t0:
			at := r.Cut(t0)
			c.cut(at)
			w = c.watch(at, at, tr < length)
		case tr:
			w.until = tr
		}
		for n := range 100 {
			at := time.Duration(i)*width + 200*time.Millisecond
			x := measure.Sample{Due: at - 10*time.Millisecond, Done: at}
			switch {
			case letter == ' ':
				continue
			case letter == 'e' && n < 10:
				x.Outcome, x.Class = measure.Failed, measure.Refused
			case letter == 'l':
				x.Due = at - s
			case letter == 'd':
				x.Due, x.Stalled = at-s, s
			}
			c.add(&x)
			r.Add(&x)
		}
	}
	c.finish(length)
	return w
}

func TestRecovery(t *testing.T) {
	for _, tc := range []struct {
		name, letters string
		t0, tr        time.Duration
		ts            time.Duration // where it is not known, not before then
		broken, known bool
	}{
		{"never broken", "..........", 1 * s, 2 * s, 1 * s, false, true},
		{"broken by errors", "..eee.....", 1 * s, 2 * s, 5 * s / 2, true, true},
		{"broken by latency", "..lll.....", 1 * s, 2 * s, 5 * s / 2, true, true},
		{"never again", "..eeeeeeee", 1 * s, 2 * s, 5 * s, true, false},
		{"good for less than the window", "..ee.ee...", 1 * s, 2 * s, 7 * s / 2, true, true},
		{"good, but the run ends first", "........e.", 4 * s, 4500 * time.Millisecond, 4500 * ms, true, false},
		{"late breach still counts", ".....e....", 1 * s, 2 * s, 3 * s, true, true},
		{"another fault's breach does not", "........e.........", 1 * s, 2 * s, 1 * s, false, true},
		{"no requests prove nothing", "..ee      ", 1 * s, 2 * s, 2 * s, true, false},
		{"until there are some", "..ee   ...", 1 * s, 2 * s, 3 * s, true, true},
		{"broken again in force", "..ee....ee......", 1 * s, 6 * s, 5 * s, true, true},
		{"broken again and again", "..e...l...e.........", 1 * s, 7 * s, 11 * s / 2, true, true},
		{"broken at once, at its end and after it", "..e.....ee......", 1 * s, 4 * s, 5 * s, true, true},
		{"broken again in a window that begins at its end", "..ee.....e......", 1 * s, 4 * s, 5 * s, true, true},
		{"broken again in a later window only", "..ee.....e......", 1 * s, 7 * s / 2, 2 * s, true, true},
		{"first broken in a window that begins at its end", ".........e......", 1 * s, 4 * s, 5 * s, true, true},
		{"first broken in a later window", ".........e......", 1 * s, 7 * s / 2, 1 * s, false, true},
		{"broken again and never good again", "..ee....eeeeeeee", 1 * s, 4 * s, 8 * s, true, false},
		{"broken again, and the load ends first", "..ee..........e.", 1 * s, 7 * s, 7500 * ms, true, false},
		{"without an end the first hold is the last", "..ee....ee......", 1 * s, forever, 2 * s, true, true},
		{"in force when no request ends for a while", "..ee..    ......", 1 * s, 4 * s, 2 * s, true, true},
	} {
		got := course(tc.letters, tc.t0, tc.tr, asMeasured)
		if got != (recovery{tc.ts, tc.broken, tc.known}) {
			t.Errorf("%s: %+v, want %+v", tc.name, got, tc)
		}
	}
}

// What the generator itself delayed breaks the objective only as measured.
func TestRecoveryWithoutTheGeneratorsOwnDelays(t *testing.T) {
	if got := course("..dd......", 1*s, 2*s, asMeasured); got != (recovery{2 * s, true, true}) {
		t.Errorf("as measured: %+v", got)
	}
	if got := course("..dd......", 1*s, 2*s, atBest); got != (recovery{1 * s, false, true}) {
		t.Errorf("without them: %+v", got)
	}
}

// Whether the objective was met already before the injection goes by what could be seen at it: by the requests that had
// ended in the window before it, and by those that had waited too long by then.
func TestTheObjectiveBeforeTheInjection(t *testing.T) {
	for _, tc := range []struct {
		name, letters string
		t0            time.Duration
		broken        bool
	}{
		{"met", "..........", 2 * s, false},
		{"broken long before", "e.........", 2 * s, false},
		{"broken when the window before it begins", "..e.......", 2 * s, true},
		{"broken until it", "eeeeee....", 2 * s, true},
		{"broken in the last half second", "...e......", 2 * s, true},
		{"broken from it on", "....eee...", 2 * s, false},
		{"late answers before it", "..ll......", 2 * s, true},
		{"late answers after it to requests that waited already", "....ll....", 2 * s, true},
		{"late answers after it to later ones", "......l...", 2 * s, false},
		{"no requests prove nothing", "    ee....", 2 * s, false},
		{"sooner after the begin than a window", "e.........", s / 2, false},
		{"a window after the begin", "e.........", 1 * s, true},
		{"the generator's doing counts as measured", "..dd......", 2 * s, true},
	} {
		if got := watchCourse(tc.letters, tc.t0, tc.t0+s).before; got != tc.broken {
			t.Errorf("%s: broken before %v", tc.name, got)
		}
	}
}

// A fault that is blamed for what was wrong before it carries a word about it, in its gates and in a warning.
func TestAFaultIsNotBlamedForWhatWasBefore(t *testing.T) {
	for _, tc := range []struct {
		fails         time.Duration // until then all requests fail
		recover       string
		note, warning bool
	}{
		{11 * s, "1.00 s", true, true},
		{9500 * ms, "0 ms", false, false}, // nothing is wrong at the injection any more, but for the window before it
		{8 * s, "0 ms", false, false},
		{20 * s, "", true, true}, // it never holds again
	} {
		r := rehearse(plan.Phase{Name: "a", End: 20 * s})
		r.s.Faults = []chaos.Fault{{ID: "slow", At: 10 * s, For: s}}
		r.rec = newRecord(r.s, r.sched, r.fleet, 125*ms, false, nil)
		failing := int(tc.fails / (100 * ms))
		r.ask(min(100, failing), 0, 100*ms, 10*ms, failed)
		r.ask(100-min(100, failing), time.Duration(min(100, failing))*100*ms, 100*ms, 10*ms, ok)
		r.fault("slow", 10*s, 11*s, "web-1")
		r.ask(max(failing-100, 0), 10*s, 100*ms, 10*ms, failed)
		r.ask(200-max(failing, 100), max(tc.fails, 10*s), 100*ms, 10*ms, ok)
		r.rec.planned[0] = 200
		got := r.judged(t, "recover(slow) < 10s", "residual(slow) < 9s")
		warned := strings.Contains(strings.Join(got.Warnings, "\n"), "fault slow: the objective was not met already before its injection")
		noted := strings.Contains(got.Gates[0].Note, gate.BrokenBefore) && strings.Contains(got.Gates[1].Note, gate.BrokenBefore)
		if text := got.Gates[0].ObservedText(); warned != tc.warning || noted != tc.note || !strings.HasPrefix(text, tc.recover) {
			t.Errorf("failing until %v: %s, noted %v, warned %v: %+v %q", tc.fails, text, noted, warned, got.Gates, got.Warnings)
		}
	}
}

// Of a fault that was to end within the load it is known when the objective held again only when its window has passed since
// the fault's end, which may come late: a process takes its time to start.
func TestRecoveryThatTheLoadIsTooShortFor(t *testing.T) {
	const notKnown, limit = "has nothing to judge: the load ended before it could be known", "4s"
	for _, tc := range []struct {
		name    string
		ended   time.Duration // of a load of 8 s; the objective's window is 1 s
		fails   time.Duration // requests do so from 4 s until then
		limit   string
		verdict reports.Verdict
		says    string
	}{
		{"ended as planned", 6900 * ms, 6900 * ms, limit, reports.Passed, ""},
		{"ended a whole window before the load", 7 * s, 7 * s, limit, reports.Passed, ""},
		{"ended later", 7010 * ms, 7010 * ms, limit, reports.Invalid, "gate recover(f) < 4s " + notKnown},
		{"ended later, and nothing broke", 7010 * ms, 0, limit, reports.Invalid, "gate recover(f) < 4s " + notKnown},
		{"ended after the load", 8100 * ms, 8 * s, limit, reports.Invalid, "gate residual(f) < 4s " + notKnown},
		{"failed for the whole window after its end", 6900 * ms, 8 * s, limit, reports.Failed, "recover(f) < 4s: observed did not happen"},
		{"and the limit is later than the load's end", 6900 * ms, 8 * s, "4100ms", reports.Invalid, "gate recover(f) < 4100ms " + notKnown},
		{"failed a little longer", 6900 * ms, 7020 * ms, limit, reports.Invalid, "gate recover(f) < 4s " + notKnown},
		{"and for a long time already", 6900 * ms, 7020 * ms, "3s", reports.Failed, "recover(f) < 3s: observed did not happen"},
	} {
		r := rehearse(plan.Phase{Name: "a", End: 8 * s})
		f := &faultRun{Fault: &chaos.Fault{ID: "f", At: 4 * s, For: 2900 * ms}, targets: []string{"web-1"}}
		r.fleet.member(plan.Target{ID: "web-1"})
		r.rec.scheduled, r.faults = append(r.rec.scheduled, f), append(r.faults, f)
		r.ask(400, 0, 10*ms, 5*ms, ok)
		r.rec.inject(f, 4*s)
		for due := 4 * s; due < 8*s; due += 10 * ms {
			if f.ended == nil && due >= tc.ended {
				r.rec.revert(f, tc.ended)
				r.rec.cut(tc.ended)
			}
			x := ok
			if due < tc.fails {
				x = failedAt("web-1", "")
			}
			r.ask(1, due, 0, 5*ms, x)
		}
		if f.ended == nil {
			r.rec.revert(f, tc.ended)
		}
		r.rec.planned[0] = 800
		got := r.judged(t, "recover(f) < "+tc.limit, "residual(f) < 4s", "error_rate <= 60%")
		told := strings.Join(append(append([]string{}, got.Reasons...), got.Validity.Reasons...), "\n")
		if got.Verdict != tc.verdict || !strings.Contains(told, tc.says) {
			t.Errorf("%s: %s\n%s\nwant %s, saying %q", tc.name, got.Verdict, told, tc.verdict, tc.says)
		}
	}
}

// rehearsal is a player that has played a load of its own making.
type rehearsal struct {
	*player
	seq uint64
}

func rehearse(phases ...plan.Phase) *rehearsal { return rehearseIn(s, phases...) }

// rehearseIn is rehearse with an objective's window, of which bins are an eighth.
func rehearseIn(window time.Duration, phases ...plan.Phase) *rehearsal {
	sc := &plan.Scenario{Load: plan.Load{Phases: phases}, Objective: plan.Objective{ErrorRate: .01, Window: window, Quantiles: []plan.Quantile{{Q: .99, Limit: 500 * time.Millisecond}}}}
	var segments []profile.Segment
	for _, ph := range phases {
		segments = append(segments, profile.Pause{Seconds: (ph.End - ph.Start).Seconds()})
	}
	p := newPlayer(sc, profile.Schedule{Profile: profile.New(segments...)}, Options{World: "live"})
	p.ended = sc.Length()
	return &rehearsal{player: p}
}

func (r *rehearsal) fault(id string, at, end time.Duration, targets ...string) {
	f := &faultRun{Fault: &chaos.Fault{ID: id, At: at, For: end - at}, targets: targets}
	r.rec.scheduled = append(r.rec.scheduled, f)
	r.rec.inject(f, at)
	r.rec.revert(f, end)
	r.faults = append(r.faults, f)
	for _, id := range targets {
		r.fleet.member(plan.Target{ID: id})
	}
}

// ask sends n requests that are due one after another from a time on, each taking as long, and all with one end.
func (r *rehearsal) ask(n int, from, step, took time.Duration, x measure.Sample) {
	for i := range n {
		x.Seq, x.Due = r.seq, from+time.Duration(i)*step
		x.Offered, x.Sent, x.Done = x.Due, x.Due, x.Due+took
		r.seq++
		r.rec.sample(&x)
	}
}

const ms = time.Millisecond

var failed = measure.Sample{Outcome: measure.Failed, Class: measure.Status5xx, Status: 502, Attempts: 1}

// lacked failed because the generator's machine had nothing left for a connection.
var lacked = measure.Sample{Outcome: measure.Failed, Class: measure.Resources, Detail: "socket: too many open files"}

func failedAt(target, fault string) measure.Sample {
	x := failed
	x.Target, x.Fault = target, fault
	return x
}

// A request that was under way at the injection and failed after it on a target of the fault belongs to it; one
// that failed elsewhere does not, but is charged to it. What fell due before and went well belongs to nobody.
func TestWhatBelongsToAFault(t *testing.T) {
	r := rehearse(plan.Phase{Name: "a", End: 20 * s})
	r.ask(100, 0, 100*ms, 10*ms, measure.Sample{Status: 200}) // due from 0 to 9.9 s
	r.fault("kill", 10*s, 12*s, "web-1")
	r.ask(30, 9*s, 10*ms, 1500*ms, failedAt("web-1", ""))      // under way at 10 s, failed at 10.5 to 10.8 s
	r.ask(4, 9*s, 10*ms, 1500*ms, failedAt("web-2", ""))       // the same, on another
	r.ask(5, 9*s, 10*ms, 1500*ms, measure.Sample{Status: 200}) // answered in spite of all
	r.ask(20, 10*s, 50*ms, 20*ms, measure.Sample{Status: 200}) // due from 10 to 10.95 s
	r.ask(10, 11*s, 50*ms, 20*ms, failedAt("web-1", ""))       // from 11 to 11.45 s
	r.rec.cut(12 * s)
	r.ask(80, 12*s, 100*ms, 10*ms, measure.Sample{Status: 200}) // until 19.9 s
	r.rec.end(true, r.ended, r.sched)

	m := r.impacts(false)[0]
	if m.Recover == nil || *m.Recover < 1400*ms || *m.Recover > 1625*ms || !m.Broken {
		t.Errorf("recovered after %v", m.Recover)
	}
	if m.from != 10*s || m.to != 12*s {
		t.Errorf("window from %v to %v", m.from, m.to)
	}
	if m.tally.Succeeded != 20 || m.tally.Failed != 40 || m.tally.Within != 20 {
		t.Errorf("%d succeeded, %d failed, %d within", m.tally.Succeeded, m.tally.Failed, m.tally.Within)
	}
	if m.charged != 44 || m.expected != 0 || m.Lost != 44 {
		t.Errorf("charged %d, expected %v, lost %v", m.charged, m.expected, m.Lost)
	}
}

// Each failed request is charged to exactly one of overlapping faults.
func TestOverlappingFaultsShareTheirFailures(t *testing.T) {
	r := rehearse(plan.Phase{Name: "warm-up", End: 5 * s, Discard: true}, plan.Phase{Name: "a", Start: 5 * s, End: 30 * s})
	r.ask(50, 0, 100*ms, 10*ms, failed)                        // another phase: no baseline of ours
	r.ask(40, 5*s, 100*ms, 10*ms, measure.Sample{Status: 200}) // 5 to 9 s
	r.ask(10, 9*s, 100*ms, 10*ms, failed)                      // 9 to 10 s: a fifth of these 50 fail without a fault
	r.fault("slow", 10*s, 20*s, "web-1")
	r.ask(10, 10*s, 100*ms, 10*ms, failed) // nobody says: slow, the only one
	r.fault("kill", 12*s, 16*s, "web-2")
	r.ask(7, 12*s, 10*ms, 10*ms, failedAt("web-1", "slow")) // slow shaped them
	r.ask(6, 12500*ms, 10*ms, 10*ms, failedAt("web-1", "")) // a target of slow
	r.ask(5, 13*s, 10*ms, 10*ms, failedAt("web-2", ""))     // a target of kill
	r.ask(4, 13500*ms, 10*ms, 10*ms, failedAt("web-3", "")) // elsewhere: the later one
	r.ask(3, 14*s, 10*ms, 10*ms, failed)                    // nobody says: the later one
	r.rec.cut(16 * s)
	r.rec.cut(20 * s)
	r.ask(20, 22*s, 100*ms, 10*ms, measure.Sample{Status: 200})
	r.rec.end(true, r.ended, r.sched)

	impacts := r.impacts(false)
	slow, kill := impacts[0], impacts[1]
	if slow.charged != 23 || kill.charged != 12 {
		t.Errorf("slow is charged with %d, kill with %d", slow.charged, kill.charged)
	}
	// Outside all windows 70 requests of the phase ended, 10 of them failed. 23 requests count for slow, 12 for kill.
	if got, want := slow.expected, 23.*10/70; math.Abs(got-want) > 1e-9 {
		t.Errorf("slow: %v expected, want %v", got, want)
	}
	if got, want := kill.expected, 12.*10/70; math.Abs(got-want) > 1e-9 {
		t.Errorf("kill: %v expected, want %v", got, want)
	}
	if lost := slow.Lost + kill.Lost; lost > 35 || math.Abs(kill.Lost-(12-kill.expected)) > 1e-9 {
		t.Errorf("lost %v of 35 failures", lost)
	}
}

// Where a share of the requests fails without faults, a fault within another one's window takes no more from it than it
// was expected to be charged with: each is expected to be charged with that share of the requests that count for it.
func TestLostOfAFaultWithinAnother(t *testing.T) {
	touched := func(fault, target string) measure.Sample {
		return measure.Sample{Status: 200, Fault: fault, Target: target}
	}
	for _, tc := range []struct {
		name   string
		inside func(r *rehearsal) // from 10 s to 12 s, 600 requests of which f fails 60 %, or all
		f, g   float64
	}{
		{"every request fails by the outer one", func(r *rehearsal) {
			r.ask(600, 10*s, ms, ms, failedAt("web-1", "f"))
		}, 400, 0},
		{"the inner one is harmless", func(r *rehearsal) {
			r.ask(360, 10*s, ms, ms, failedAt("web-1", "f"))
			r.ask(80, 10500*ms, ms, ms, failedAt("web-1", "g"))
			r.ask(160, 11*s, ms, ms, touched("g", "web-1"))
		}, 240, 0},
		{"the inner one is harmless to other targets", func(r *rehearsal) {
			r.ask(180, 10*s, ms, ms, failedAt("web-1", "f"))
			r.ask(40, 10500*ms, ms, ms, failedAt("web-1", ""))
			r.ask(80, 10600*ms, ms, ms, touched("", "web-1"))
			r.ask(100, 11*s, ms, ms, failedAt("web-2", ""))
			r.ask(100, 11*s, ms, ms, touched("", "web-2"))
			r.ask(100, 11*s, ms, ms, touched("g", "web-2"))
		}, 120, 0},
		{"nothing is told of the others", func(r *rehearsal) { // 240 are g's, being the later one: 80 of them were to be expected
			r.ask(360, 10*s, ms, ms, failedAt("web-1", "f"))
			r.ask(80, 10500*ms, ms, ms, failed)
			r.ask(160, 11*s, ms, ms, measure.Sample{Status: 200})
		}, 240, 0},
		{"both fail requests", func(r *rehearsal) {
			r.ask(300, 10*s, ms, ms, failedAt("web-1", "f"))
			r.ask(150, 10500*ms, ms, ms, failedAt("web-1", "g"))
			r.ask(50, 11*s, ms, ms, failedAt("web-1", "g"))
			r.ask(100, 11*s, ms, ms, touched("g", "web-1"))
		}, 200, 100},
	} {
		r := rehearse(plan.Phase{Name: "a", End: 30 * s})
		r.ask(600, 0, ms, ms, measure.Sample{Status: 200})
		r.ask(300, s, ms, ms, failed)
		of, inner := []string{"web-1"}, []string{"web-1"}
		if strings.Contains(tc.name, "other targets") {
			inner = []string{"web-2"}
		}
		r.fault("f", 10*s, 12*s, of...)
		r.fault("g", 10*s, 12*s, inner...)
		tc.inside(r)
		r.rec.cut(12 * s)
		r.ask(600, 20*s, ms, ms, measure.Sample{Status: 200})
		r.ask(300, 21*s, ms, ms, failed)
		r.rec.end(true, r.ended, r.sched)

		got := r.impacts(false)
		if math.Abs(got[0].Lost-tc.f) > 1e-9 || math.Abs(got[1].Lost-tc.g) > 1e-9 {
			t.Errorf("%s: lost(f) = %v of %d, %v expected; lost(g) = %v of %d, %v expected; want %v and %v", tc.name,
				got[0].Lost, got[0].charged, got[0].expected, got[1].Lost, got[1].charged, got[1].expected, tc.f, tc.g)
		}
	}
}

// The answer to a request that the client gave up is read by nobody: the balancer tells which target had it, and
// until then its failure waits. What it does not tell of is charged without a target.
func TestFailuresWaitForWhatTheBalancerTells(t *testing.T) {
	r := rehearse(plan.Phase{Name: "a", End: 20 * s})
	r.rec.traced = true
	var rows []reports.SampleRow
	r.rec.rows = func(x *reports.SampleRow) { rows = append(rows, *x) }
	r.fault("slow", 10*s, 12*s, "web-1")
	lost := measure.Sample{Outcome: measure.Failed, Class: measure.Timeout, ClientAttempts: 1}
	r.ask(3, 9500*ms, ms, 900*ms, lost)
	if len(rows) != 0 {
		t.Fatalf("%d rows before anything is known", len(rows))
	}
	r.ask(1, 9500*ms, ms, 900*ms, measure.Sample{Outcome: measure.Failed, Class: measure.Status5xx, Status: 503, Told: true})
	if len(rows) != 1 {
		t.Fatalf("what the balancer has told, that no target was tried, waits: %d rows", len(rows))
	}
	rows = nil
	r.event(plan.Event{At: 11 * s, Kind: plan.Abandoned, Abandoned: []plan.AbandonedRequest{
		{Seq: 1, Retry: 1, Target: "web-2", Attempts: 1}, // of another attempt of its client's
		{Seq: 1, Target: "web-1", Fault: "slow", Attempts: 2},
	}})
	r.event(plan.Event{At: 11 * s, Kind: plan.Measured, Stats: &plan.Stats{}})
	if len(rows) != 1 || rows[0].Target != "web-1" || rows[0].Fault != "slow" || rows[0].Attempts != 2 {
		t.Fatalf("%+v", rows)
	}
	r.event(plan.Event{At: 12 * s, Kind: plan.Measured, Stats: &plan.Stats{}})
	if len(rows) != 3 || rows[2].Target != "" {
		t.Fatalf("%d rows a second later: %+v", len(rows), rows)
	}
	r.rec.end(true, r.ended, r.sched)
	if m := r.impacts(false)[0]; m.charged != 4 || m.tally.Failed != 1 {
		t.Errorf("charged %d, %d belong to it", m.charged, m.tally.Failed)
	}
}

func TestEjection(t *testing.T) {
	r := rehearse(plan.Phase{Name: "a", End: 30 * s})
	r.fault("kill", 10*s, 15*s, "web-1", "web-2")
	r.fleet.byID["web-1"].changes = []change{
		{at: 0, from: "initial", to: "healthy", lastRouted: -1},
		{at: 12 * s, from: "healthy", to: "ejected", lastRouted: 11 * s},
		{at: 13 * s, from: "ejected", to: "unhealthy", lastRouted: 12*s + 2*ms}, // one more was chosen in that instant
		{at: 20 * s, from: "unhealthy", to: "healthy", lastRouted: 12*s + 2*ms},
	}
	web2 := r.fleet.byID["web-2"]
	check := func(what string, eject, last time.Duration) {
		t.Helper()
		m := r.impacts(false)[0]
		got := func(d *time.Duration) time.Duration {
			if d == nil {
				return -1
			}
			return *d
		}
		if got(m.Eject) != eject || got(m.lastRouted) != last {
			t.Errorf("%s: ejected after %v, last routed after %v", what, got(m.Eject), got(m.lastRouted))
		}
	}
	check("the other was not in service", 2*s, 2*s+2*ms)
	web2.changes = []change{{at: 0, from: "initial", to: "healthy"}}
	check("the other stayed", -1, 2*s+2*ms)
	web2.changes = append(web2.changes, change{at: 14 * s, from: "healthy", to: "unhealthy", lastRouted: 9 * s})
	r.stats = &plan.Stats{Targets: map[string]plan.TargetStats{"web-2": {LastRoute: 13 * s}}}
	check("both", 4*s, 3*s)
	web2.changes[1].at = 16 * s
	check("the other left after the fault's end", -1, 2*s+2*ms)
	r.ask(1, 14*s, 0, 2400*ms, failedAt("web-2", "kill"))
	check("the other left by a request that the fault had shaped", 6*s, 3*s)
	web2.changes[1].at = 17 * s
	check("the other left when the last one of them had ended", -1, 2*s+2*ms)
	r.s.Topology = &plan.Topology{Groups: []plan.Group{{Health: &health.Config{Timeout: 2 * s}}}}
	check("the other left by a check that had begun before the end", 7*s, 3*s)
}
