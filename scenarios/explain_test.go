package scenarios

import (
	"fmt"
	"strings"
	"testing"

	"github.com/seed-8025779b/shakedown/chaos"
)

func explain(t *testing.T, d *Decoded) string {
	t.Helper()
	var b strings.Builder
	if err := Explain(&b, d); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// The counts come from the closed form, and are those of the schedule where that is certain.
func TestExplainedCounts(t *testing.T) {
	const scenario = `version: 1
topology: {groups: {web: {targets: {count: 1}}}}
load:
  arrivals: even
  phases:
    - {name: a, rate: 7/s, for: 1400ms, discard: true}
    - {name: b, rate: {kind: ramp, from: 3/s, to: 11/s}, for: 3s}
    - {name: c, rate: {kind: replay, file: instants.csv}, for: 2s}
    - {name: d, rate: {kind: sine, mean: 9/s, amplitude: 3/s, period: 1s}, for: 2500ms}
    - {name: e, users: 4, for: 1s, discard: true}
    - {name: f, rate: {kind: replay, file: rates.csv}, for: 2s}
    - {name: g, rate: pause, for: 1s}
    - {name: h, rate: {kind: steps, from: 1/s, to: 9/s, count: 3}, for: 3700ms}
`
	d := decode(t, Source{Name: "x.yaml", Text: []byte(scenario), Dir: "testdata"})
	sched, err := d.Schedule()
	if err != nil {
		t.Fatal(err)
	}
	counts := make([]int, len(d.Load.Phases))
	for w, i := sched.Walk(), 0; ; counts[i]++ {
		_, due, more := w.Next()
		if !more {
			break
		}
		for due >= d.Load.Phases[i].End {
			i++
		}
	}
	text := explain(t, d)
	for i, p := range d.Load.Phases {
		line := fmt.Sprintf("for %v, %d requests", p.End-p.Start, counts[i])
		if p.Users > 0 {
			line = "phase e: 4 users in a closed loop for 1s, not judged"
		}
		if !strings.Contains(text, "phase "+p.Name+": ") || !strings.Contains(text, line) {
			t.Errorf("phase %s: explain does not say %q:\n%s", p.Name, line, text[:1500])
		}
	}

	huge := decode(t, Source{Name: "x.yaml", Text: []byte("version: 1\ntarget: http://127.0.0.1:1\nload: {phases: [{name: a, rate: 12345/s, for: 20h}]}\n")})
	if text := explain(t, huge); !strings.Contains(text, "12345/s to 12345/s for 20h0m0s, about 888840000 requests") {
		t.Error(text)
	}
}

// What is certain is drawn by the rule of the run; what depends on the run says so.
func TestExplainedVictims(t *testing.T) {
	const scenario = `version: 1
topology:
  listeners: [{rules: [{path: /b, forward: b}, {path: /c, forward: c}, {path: /d, forward: checked}, {path: /e, forward: watched}, {path: /f, forward: both}, {path: /g, forward: x}, {path: /h, forward: y}, {forward: a}]}]
  groups:
    a: {health: off, outliers: off, targets: {count: 3}}
    b: {health: off, outliers: off, targets: {count: 12}}
    c: {health: off, outliers: off, targets: {count: 2}}
    checked: {outliers: off, targets: {count: 3}}
    watched: {health: off, outliers: {}, targets: {count: 3}}
    both: {outliers: {}, targets: {count: 3}}
    x: {health: off, outliers: {}, targets: {count: 2}}
    y: {outliers: {}, targets: {count: 2}}
load: {phases: [{name: main, rate: 7/s, for: 20s}]}
scaling: [{group: c, min: 2, max: 5, policies: [{kind: target_tracking, target: 60%}]}]
faults:
  - {id: second, at: 5s, kind: kill, target: {group: a, percent: 50%}}
  - {id: first, at: 2s, for: 1s, kind: latency, delay: 1ms, target: {group: a, count: 1}}
  - {id: twin, at: 2s, for: 1s, kind: latency, delay: 1ms, target: {group: a, all: true}}
  - {id: elsewhere, at: 9s, kind: kill, target: {group: b, all: true}}
  - {id: scaled, at: 9s, kind: kill, target: {group: c, count: 2}}
  - {id: over-checked, at: 11s, for: 1s, kind: latency, delay: 1ms, target: {group: checked, count: 1}}
  - {id: over-watched, at: 11s, for: 1s, kind: latency, delay: 1ms, target: {group: watched, all: true}}
  - {id: over-both, at: 11s, for: 1s, kind: latency, delay: 1ms, target: {group: both, count: 1}}
  - {id: later, at: 13s, kind: kill, target: {group: both, count: 1}}
  - {id: begin-watched, at: 0s, for: 1s, kind: latency, delay: 1ms, target: {group: x, all: true}}
  - {id: begin-checked, at: 0s, for: 1s, kind: latency, delay: 1ms, target: {group: y, id: y-2}}
`
	d := decode(t, Source{Name: "x.yaml", Text: []byte(scenario)})
	chosen := d.Faults[1].Select.Choose(d.Seed, "first", []chaos.Candidate{{ID: "a-1"}, {ID: "a-2"}, {ID: "a-3"}})
	ofChecked := d.Faults[5].Select.Choose(d.Seed, "over-checked", []chaos.Candidate{{ID: "checked-1"}, {ID: "checked-2"}, {ID: "checked-3"}})
	text := explain(t, d)
	for _, want := range []string{
		"fault first: latency on " + chosen[0] + " of group a\n",
		"fault twin: latency on every target of group a, chosen at that time among those in service: of a-1, a-2, a-3, as fault first may have changed them\n",
		"fault second: kill on 50% of the targets of group a, chosen at that time among those in service: of a-1, a-2, a-3, as fault first and fault twin may have changed them\n",
		"fault elsewhere: kill on b-1, b-10, b-11, b-12, b-2, b-3, b-4, b-5 and 4 more of group b\n",
		"fault scaled: kill on 2 targets of group c, chosen at that time among those in service: of c-1, c-2, as scaling (2 to 5 targets) may have changed them\n",
		"fault over-checked: latency on 1 target of group checked, chosen at that time among those in service, as health checks may have changed them: " + ofChecked[0] + " if all of them are\n",
		"fault over-watched: latency on every target of group watched, chosen at that time among those in service, as outlier detection may have changed them: watched-1, watched-2, watched-3 if all of them are\n",
		"fault over-both: latency on 1 target of group both, chosen at that time among those in service, as health checks and outlier detection may have changed them: both-",
		"fault later: kill on 1 target of group both, chosen at that time among those in service: of both-1, both-2, both-3, as fault over-both, health checks and outlier detection may have changed them\n",
		"fault begin-watched: latency on x-1, x-2 of group x\n", // no request was sent yet
		"fault begin-checked: latency on y-2 of group y, chosen at that time among those in service, as health checks may have changed them: y-2 if all of them are\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("explain does not say %q:\n%s", want, text[:3600])
		}
	}
}
