package reports

import (
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
)

// older is a result that an older version wrote: it lacks what was added since.
func older(t testing.TB) *Result {
	t.Helper()
	r, err := Read("testdata/result.json")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// fixture is the same run with everything that a result can tell: a load generator that stood still during faults that
// overlap, and failures that happened after their requests were due.
func fixture(t testing.TB) *Result {
	t.Helper()
	r := older(t)
	r.JudgedMS, r.DrainMS = 4500, 90
	r.Statuses = map[string]uint64{"200": 713, "502": 3}
	r.Bytes = Bytes{In: 1_460_000, Out: 0}
	r.Totals.Reconnects, r.Totals.Retries = 2, 4
	r.Validity.StalledRequests, r.Validity.StalledMS = 18, 110
	r.Validity.DrainedMS = 20
	r.Validity.Stalls = []Stall{
		{FromMS: 2100, ResumedMS: 2160, ToMS: 2180, StoppedMS: 60, Cause: "paused"},
		{FromMS: 3700, ResumedMS: 3720, ToMS: 3720, StoppedMS: 20, Cause: "paused"},
		{FromMS: 4200, ResumedMS: 4230, ToMS: 4230, StoppedMS: 30, Cause: "throttled"},
	}
	r.Validity.Bracket = &Bracket{Percentile: 95, UpperMS: 82.687, LowerMS: 61.2}
	addParts(r)
	addEnded(r)
	addFaults(r)
	r.Requests = []Period{r.Phases[1]}
	r.Requests[0].Name = "GET /"
	for i := range r.Gates {
		switch g := &r.Gates[i]; g.Expr {
		case "p99[main] < 50ms":
			lower := 96.5
			g.Lower = &lower
		case "recover(kill-one) < 3s":
			g.Note = "the objective never broke"
		}
	}
	return r
}

func addParts(r *Result) {
	var parts measure.Parts
	for i := range 60 {
		parts.Wait.Record(time.Duration(i+1) * 200 * time.Microsecond)
		parts.Connect.Record(time.Duration(i+1) * 10 * time.Microsecond)
	}
	parts.FirstByte.Merge(&r.Histograms.Service)
	r.Parts = PartsOf(&parts)
}

// addEnded tells what ended in each window: as much as was due in it, but failures half a second later.
func addEnded(r *Result) {
	const later = 4
	for i := range r.Windows {
		w := &r.Windows[i]
		w.Ended = &Ended{Succeeded: w.Totals.Succeeded, Response: w.Latency.Response, Histogram: w.Histograms.Response, Errors: map[string]uint64{}}
		if i >= later {
			w.Ended.Errors, w.Ended.Failed = r.Windows[i-later].Errors, r.Windows[i-later].Totals.Failed
		}
	}
}

// addFaults gives each fault the figures of its own requests, and adds one that overlaps both others.
func addFaults(r *Result) {
	from, to := 2500., 3800.
	r.Faults = append(r.Faults, Fault{ID: "refuse-some", Kind: "error", Targets: []string{"web-1"}, InjectedMS: &from, RevertedMS: &to, Hits: 9})
	for i := range r.Faults {
		f := &r.Faults[i]
		var t measure.Tally
		for j := range r.Windows {
			if w := &r.Windows[j]; w.StartMS >= *f.InjectedMS && w.EndMS <= *f.RevertedMS {
				t.Succeeded += w.Totals.Succeeded
				t.Failed += w.Totals.Failed
				t.Response.Merge(&w.Histograms.Response)
			}
		}
		t.Offered = t.Finished()
		t.Pack()
		p := PeriodOf(f.ID, time.Duration(*f.InjectedMS)*time.Millisecond, time.Duration(*f.RevertedMS)*time.Millisecond, &t, t.Finished())
		last, recovered, residual := 12.5, 640., 40.
		f.Window, f.Charged, f.Expected = &p, t.Failed, .4
		f.Lost = max(0, float64(f.Charged)-f.Expected)
		if i == 0 {
			f.LastRoutedMS, f.RecoverMS, f.ResidualMS = &last, &recovered, &residual
		}
	}
}
