package main

import (
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Every figure of a result that follows from its requests is recomputed from samples.csv, and is the same.
func TestRecompute(t *testing.T) {
	var figures, requests, runs atomic.Int64
	t.Run("runs", func(t *testing.T) {
		for _, r := range rehearsals() {
			t.Run(r.name, func(t *testing.T) {
				t.Parallel() // a live run waits most of the time
				x := r.play(t)
				problems, compared := compare(x)
				const most = 50
				for _, problem := range problems[:min(len(problems), most)] {
					t.Error(problem)
				}
				for _, path := range r.needs {
					if x.d.number(path) <= 0 {
						t.Errorf("%s is %v: the run does not show what it is for", path, x.d[path])
					}
				}
				t.Logf("%d of %d leaves recomputed from %d requests", compared, len(x.d), len(x.rows))
				figures.Add(int64(compared))
				requests.Add(int64(len(x.rows)))
				runs.Add(1)
			})
		}
	})
	t.Logf("%d figures of %d results recomputed from %d requests", figures.Load(), runs.Load(), requests.Load())
}

// A figure that is wrong, and a request that is other than the result knows, are both noticed.
func TestRecomputeSeesChanges(t *testing.T) {
	x := playScenario(t, overlapScenario, nil, "--world", "sim")
	if problems, _ := compare(x); len(problems) > 0 {
		t.Fatal(problems)
	}
	add := func(path string, by float64) func(document, []sampleRow) {
		return func(d document, _ []sampleRow) { d[path] = d.number(path) + by }
	}
	set := func(path string, v any) func(document, []sampleRow) {
		return func(d document, _ []sampleRow) { d[path] = v }
	}
	first := func(cond func(*sampleRow) bool, change func(*sampleRow)) func(document, []sampleRow) {
		return func(_ document, rows []sampleRow) {
			change(&rows[slices.IndexFunc(rows, func(r sampleRow) bool { return !r.discarded && cond(&r) })])
		}
	}
	timedOut := func(r *sampleRow) bool { return r.failed && r.shapedBy == "slow" }
	for name, tc := range map[string]struct {
		change func(document, []sampleRow)
		path   string // of a figure that is noticed
	}{
		"a count":                   {add("totals.failed", 1), "totals.failed"},
		"a count of a phase":        {add("phases[1].totals.succeeded", -1), "phases[1].totals.succeeded"},
		"a rate":                    {add("rates.succeeded", .2), "rates.succeeded"},
		"a percentile":              {add("latency.response.p99_ms", 2), "latency.response.p99_ms"},
		"a mean":                    {add("requests[0].latency.service.mean_ms", .2), "requests[0].latency.service.mean_ms"},
		"a part":                    {add("parts.first_byte.p50_ms", .2), "parts.first_byte.p50_ms"},
		"a lateness":                {set("phases[1].lag_ms.max", nil), "phases[1].lag_ms.max"},
		"a class":                   {add("errors.status_5xx", 1), "errors.status_5xx"},
		"a class of nothing":        {set("errors.refused", 1.), "errors.refused"},
		"a status":                  {add("statuses.503", -1), "statuses.503"},
		"a window's end":            {add("windows[3].end_ms", 1), "windows[4].start_ms"},
		"a window's failures":       {add("windows[30].ended.failed", 1), "windows[30].ended.failed"},
		"a histogram":               {func(d document, _ []sampleRow) { d["histograms.response"] = d["histograms.response_all"] }, "histograms.response"},
		"a charge":                  {add("faults[0].charged", 1), "faults[0].charged"},
		"an expectation":            {add("faults[0].expected", 1), "faults[0].expected"},
		"a recovery":                {add("faults[1].recover_ms", 62.5), "faults[1].recover_ms"},
		"a fault's window":          {add("faults[1].window.totals.planned", 1), "faults[1].window.totals.planned"},
		"a target's share":          {add("targets[0].share", .01), "targets[0].share"},
		"an observation":            {add("gates[1].observed", .1), "gates[1].observed"},
		"a gate that passed":        {set("gates[0].passed", false), "gates[0].passed"},
		"a verdict":                 {set("verdict", "passed"), "verdict"},
		"the drain":                 {add("drain_ms", .001), "drain_ms"},
		"the bracket":               {set("validity.bracket", 1.), "validity.bracket"},
		"a figure that is new":      {set("totals.lost", 1.), "totals.lost was not recomputed"},
		"a failed request":          {first(hasSucceeded, func(r *sampleRow) { r.succeeded, r.failed, r.class = false, true, "refused" }), "errors.refused"},
		"a slower request":          {first(hasSucceeded, func(r *sampleRow) { r.done.at += time.Second }), "latency.response.max_ms"},
		"a request ended elsewhere": {first(timedOut, func(r *sampleRow) { r.done.at += 70 * time.Millisecond }), "ended.failed"},
		"a request of another kind": {first(hasSucceeded, func(r *sampleRow) { r.request = "PUT /" }), "requests.length"},
		"a target of another name":  {first(hasSucceeded, func(r *sampleRow) { r.target = "web-4" }), ".requests"},
		"an unshaped request":       {first(timedOut, func(r *sampleRow) { r.shapedBy, r.target = "", "web-2" }), "faults[1].charged"},
		"another status":            {first(timedOut, func(r *sampleRow) { r.status = 502 }), "statuses.502"},
		"another class":             {first(timedOut, func(r *sampleRow) { r.class = "reset" }), "errors.reset"},
		"a delayed request":         {first(hasSucceeded, func(r *sampleRow) { r.stalled = time.Millisecond }), "validity.stalled_requests"},
		"a retry":                   {first(hasSucceeded, func(r *sampleRow) { r.attempts = 2 }), "totals.retries"},
		"a reconnection":            {first(hasSucceeded, func(r *sampleRow) { r.reconnects = 1 }), "totals.reconnects"},
		"a body":                    {first(hasSucceeded, func(r *sampleRow) { r.bytesIn++ }), "bytes.in"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, rows := maps.Clone(x.d), slices.Clone(x.rows)
			tc.change(d, rows)
			problems, _ := compare(&played{d, rows})
			if !slices.ContainsFunc(problems, func(p string) bool { return strings.Contains(p, tc.path) }) {
				t.Errorf("not noticed at %s, but %q", tc.path, problems)
			}
		})
	}
}
