package parity

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/scenarios"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
)

const ms = time.Millisecond

// row is a situation that both worlds must decide in the same way.
type row struct {
	name    string
	pins    string // the rule that it holds
	top     string // of the topology, such as its profile
	group   string // settings of the group web
	more    string // groups
	targets string // its targets; by default 3
	service string // their service; by default 23.7 ms each, two at once and two that wait
	listens string // settings of the listener beside its rules
	rules   string // of the listener; by default all goes to the group
	load    string // the requests; by default GET /
	rate    string // of 150 ms, arrivals even; by default 100/s: at 5, 15, … 145 ms
	client  string
	happens []happen // in order of time
	differs string   // in what the worlds differ, which is a defect that is known; empty when they must not
}

// happen is what is done to the targets at an instant of the load.
type happen struct {
	at time.Duration
	do plan.Action
}

// decision is what a world has decided.
type decision struct {
	at  time.Duration
	seq uint64 // of the request; ofGroup for a change of a target's state
	log string

	answers bool // it is what the client sees
}

const ofGroup = math.MaxUint64

func (d decision) String() string {
	if d.seq == ofGroup {
		return fmt.Sprintf("%v %s", d.at, d.log)
	}
	return fmt.Sprintf("%v request %d: %s", d.at, d.seq, d.log)
}

// The decisions as logs have them.
func attemptAt(x *chaos.Exchange) string {
	return fmt.Sprintf("attempt %d at %s", x.Attempt+1, x.Target)
}

func answer(s *measure.Sample) string {
	text := "gave up"
	if s.Status != 0 {
		text = fmt.Sprintf("answered %d", s.Status)
	}
	if s.ClientAttempts > 1 {
		text += fmt.Sprintf(" at last, after %v", s.Retried)
	}
	return text
}

func change(target, from, to string) string {
	return fmt.Sprintf("%s from %s to %s", target, cmp.Or(from, "nothing"), to)
}

// sorted brings decisions into one order, up to the last answer to a client: those of one instant by request; those of a
// request stay as they came.
func sorted(list []decision) []string {
	slices.SortStableFunc(list, func(a, b decision) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.seq, b.seq)) })
	for len(list) > 0 && !list[len(list)-1].answers {
		list = list[:len(list)-1]
	}
	var out []string
	for _, d := range list {
		out = append(out, d.String())
	}
	return out
}

func TestParity(t *testing.T) {
	for _, r := range rows() {
		t.Run(r.name, func(t *testing.T) {
			simulated, live := sorted(simulate(t, &r)), sorted(playLive(t, &r))
			if len(simulated) == 0 {
				t.Error("nothing was decided")
			}
			switch equal := slices.Equal(simulated, live); {
			case equal && r.differs != "":
				t.Errorf("the worlds do not differ any more: %s", r.differs)
			case !equal && r.differs == "":
				t.Errorf("%s\nsimulated:\n  %s\nlive:\n  %s", r.pins, strings.Join(simulated, "\n  "), strings.Join(live, "\n  "))
			}
		})
	}
}

// plan reads a row's scenario.
func (r *row) plan(t *testing.T) *plan.Scenario {
	t.Helper()
	text := fmt.Sprintf(`version: 1
seed: 7
topology:
  %s
  listeners: [{rules: [%s], %s}]
  groups:
    web: {%s, targets: {%s}, service: {%s}}
    %s
client: {%s}
load:
  arrivals: even
  requests: [%s]
  phases: [{name: main, rate: %s, for: 150ms}]
`, r.top, cmp.Or(r.rules, "{forward: web}"), r.listens, r.group, cmp.Or(r.targets, "count: 3"),
		cmp.Or(r.service, "time: {kind: constant, mean: 23.7ms}, concurrency: 2, queue: 2"), r.more, r.client, cmp.Or(r.load, "{get: /}"), cmp.Or(r.rate, "100/s"))
	d, err := scenarios.Decode(scenarios.Source{Name: r.name, Text: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	return d.Scenario
}
