package parity

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/scenarios"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
)

const ms = time.Millisecond

// row is a situation that both worlds must decide in the same way.
type row struct {
	name    string
	pins    string   // the rule that it holds
	group   string   // the scenario's only group, web
	load    string   // its load
	happens []happen // in order of time
}

// happen is what becomes of a target.
type happen struct {
	at   time.Duration
	kill string
}

// decision is what a world has decided.
type decision struct {
	at  time.Duration
	seq uint64
	log string
}

func (d decision) String() string { return fmt.Sprintf("%v request %d: %s", d.at, d.seq, d.log) }

// sorted brings decisions into one order: those of one instant by request; those of a request stay as they came.
func sorted(list []decision) []string {
	slices.SortStableFunc(list, func(a, b decision) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.seq, b.seq)) })
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
			if !slices.Equal(simulated, live) {
				t.Errorf("%s\nsimulated:\n  %s\nlive:\n  %s", r.pins, strings.Join(simulated, "\n  "), strings.Join(live, "\n  "))
			}
		})
	}
}

// plan reads a row's scenario.
func (r *row) plan(t *testing.T) *plan.Scenario {
	t.Helper()
	indent := func(text string, by string) string { return by + strings.ReplaceAll(text, "\n", "\n"+by) + "\n" }
	text := "version: 1\nseed: 7\ntopology:\n  groups:\n    web:\n" + indent(r.group, "      ") + "load:\n" + indent(r.load, "  ")
	d, err := scenarios.Decode(scenarios.Source{Name: r.name, Text: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	return d.Scenario
}

func rows() []row {
	return []row{{
		name:  "GET, p2c, reset before the head, one retry",
		pins:  "a request that is safe to repeat, and whose target broke off before its answer, is sent to another one",
		group: "strategy: p2c\nretry: {attempts: 1, on: error, budget: 100%}\ntargets: {count: 3}\nhealth: off\nservice: {time: {kind: constant, mean: 25ms}, concurrency: 2, queue: 2}",
		load:  "arrivals: even\nrequests: [{get: /}]\nphases: [{name: main, rate: 100/s, for: 150ms}]",
		happens: []happen{
			{at: 62 * ms, kill: "web-1"},
		},
	}}
}
