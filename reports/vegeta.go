package reports

import (
	"bytes"
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/vegeta"
)

// WorldVegeta is the world of a result that was made of vegeta's own file.
const WorldVegeta = "vegeta"

// vegetaWindow is how long the windows of a result are that was made of vegeta's own file.
const vegetaWindow = time.Second

// isVegeta reports whether a file is vegeta's rather than ours: ours names its schema at the beginning.
func isVegeta(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, 256)
	n, _ := f.Read(head) // an empty file is nobody's
	return !bytes.Contains(head[:n], []byte(`"schema"`)) && vegeta.IsResults(path)
}

// readVegeta makes a result of a file of vegeta's. There are no gates, no faults and no plan: it has passed unless more
// than half of the requests failed. It lasts from the first stamp to the last; the requests of a file in which they are
// the same have no rate.
func readVegeta(path string) (*Result, error) {
	r := &Result{
		Schema: Schema, World: WorldVegeta, Verdict: Passed, Reasons: []string{"no gates: nothing was asked of the system"}, Scenario: json.RawMessage("{}"),
		Examples: map[string]string{}, Statuses: map[string]uint64{}, Objective: Objective{Latency: []Limit{}},
		Targets: []Target{}, Timeline: []Moment{}, Faults: []Fault{}, Scaling: []Scaling{}, Gates: []Gate{}, Events: []Event{},
		Validity: Validity{Valid: true, Reasons: []string{}},
		Warnings: []string{"vegeta's latency runs from when its worker took a request up, not from when the request was due: waiting for a worker and stalls of the generator do not show, and how late it was is not known"},
	}
	var recorder *measure.Recorder
	var info vegeta.Info
	err := vegeta.ReadResults(path, func(i vegeta.Info) func(*measure.Sample) {
		info = i
		recorder = measure.NewRecorder([]measure.Phase{{End: cmp.Or(i.Length, vegetaWindow)}}, vegetaWindow)
		return func(s *measure.Sample) {
			recorder.Plan(s.Due, 1)
			recorder.Add(s)
		}
	})
	if err != nil {
		return nil, err
	}
	recorder.Finish()
	if r.Name = info.Attack; r.Name == "" {
		r.Name = strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	}
	r.Environment.StartedAt = info.Start
	length := info.Length
	r.DurationMS, r.JudgedMS, r.PlannedMS = MS(length), MS(length), MS(length)
	r.DrainMS = MS(max(recorder.Last()-length, 0))
	t := recorder.Phase(0)
	r.Statuses, r.Bytes = StatusesOf(t), BytesOf(t)
	if reason := Collapse(t); reason != "" {
		r.Verdict, r.Reasons = Failed, []string{reason}
	}
	whole := PeriodOf("attack", 0, length, t, t.Finished())
	r.Totals, r.Rates, r.Latency, r.Errors, r.Histograms = whole.Totals, whole.Rates, whole.Latency, whole.Errors, whole.Histograms
	r.Phases = []Period{whole}
	for _, b := range recorder.Bins() {
		r.Windows = append(r.Windows, WindowOf(b.Start.String(), b))
	}
	for name, t := range recorder.Requests() {
		r.Requests = append(r.Requests, PeriodOf(name, 0, length, t, t.Finished()))
	}
	sort.Slice(r.Requests, func(i, j int) bool { return r.Requests[i].Name < r.Requests[j].Name })
	for class, text := range recorder.Examples() {
		r.Examples[string(class)] = text
	}
	return r, nil
}
