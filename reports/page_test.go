package reports

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/reports/chart"
)

func pageOf(t *testing.T, r *Result) string {
	t.Helper()
	var b bytes.Buffer
	if err := WriteHTML(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// expect checks what a page says and what it must not say.
func expect(t *testing.T, page string, says, never []string) {
	t.Helper()
	for _, s := range says {
		if !strings.Contains(page, s) {
			t.Errorf("the page does not say %q", s)
		}
	}
	for _, s := range never {
		if strings.Contains(page, s) {
			t.Errorf("the page says %q", s)
		}
	}
}

func TestThePageTellsWhatAResultHolds(t *testing.T) {
	expect(t, pageOf(t, fixture(t)), []string{
		"in the 4.5 s that are judged, simulated", "max 151 ms, of only 713 requests",
		"between 96 ms and 115 ms: the load generator was late or stood still", "the objective never broke", "missed by 130 %", "71 % below the limit",
		"stood still for 110 ms in all, took 20 ms more to work off what had piled up meanwhile, and delayed 18 of 716 judged requests (2.51 %)", "The p95 of the response time lies between 61 ms, without that time, and 83 ms",
		">load generator paused or catching up, 2 times<", ">load generator throttled<",
		"60 requests, p50 6.00 ms", "1.5 MB, 0 B", "<td class=\"\">90 ms</td>", "Responses by HTTP status: 200: 713, 502: 3.",
		"by when they happened", "by when they ended", "objective did not break", "request, judged phases", "HTTP 5xx", "† A percentile of fewer than",
	}, []string{"sent on schedule", "generator late", "‡"})
}

// Decisions that are told of as one count as what they are, with the range of the metric where there was one.
func TestDecisionsThatAreToldOfAsOne(t *testing.T) {
	r := fixture(t)
	low, high := .124, .55
	d := r.Scaling[0].Decisions
	d[0].Repeats = &Repeats{Count: 2, UntilMS: 3000}
	d[1].AtMS, d[1].Reason, d[1].Repeats = 3500, "cpu 40.0%, target 60%", &Repeats{Count: 40, UntilMS: 23_500, Lowest: &low, Highest: &high}
	expect(t, pageOf(t, r), []string{
		fmt.Sprintf("%d decisions for web", len(d)+42), d[0].Reason + "; 2 more like it<",
		"3.50 s – 23.50 s", "cpu 40.0%, target 60%; 40 more like it, the metric between 12.4% and 55.0%<",
	}, nil)
}

// A stretch that stands for many stalls is not drawn as if the load generator had stood still all the time.
func TestManyStallsAreDrawnAsNowAndThen(t *testing.T) {
	r := fixture(t)
	r.Validity.Stalls[1].ToMS, r.Validity.Stalls[1].RanMS = 4500, 780
	expect(t, pageOf(t, r), []string{">load generator paused or catching up now and then, 2 times<", ">load generator throttled<"}, nil)
}

// A result of an older version says less, and nothing that is not so.
func TestThePageOfAnOlderResult(t *testing.T) {
	expect(t, pageOf(t, older(t)),
		[]string{"in the 4.5 s that are judged", "Requests were sent on schedule, and every period checked has data.", "request, all phases", "by when they were due"},
		[]string{"stood still", "NaN", "by when they ended", "0 B", "Waited", "Sent again", "HTTP status"})
}

func TestTheClientsTimeoutIsToldWhereItLimits(t *testing.T) {
	r := fixture(t)
	r.Scenario = json.RawMessage(`{"client": {"timeout": "159ms"}}`)
	expect(t, pageOf(t, r), []string{"limited by the client&#39;s timeout of 159 ms", "151 ms ‡", "‡ Limited by the client"}, nil)
	for _, scenario := range []string{`{"client": {"timeout": "161ms"}}`, `{"client": 5}`, `{"client": {"timeout": 5}}`, `{}`, ``} {
		r.Scenario = json.RawMessage(scenario)
		if note := r.timeoutNote(); note != "" {
			t.Errorf("%s: %s", scenario, note)
		}
	}
}

func TestThePageOfARunThatWasStopped(t *testing.T) {
	r := fixture(t)
	r.Verdict, r.Errors = Interrupted, nil
	r.Totals = Totals{Planned: 5000, Sent: 716, Succeeded: 716, Cancelled: 4284}
	r.Gates[1].Judged = false
	expect(t, pageOf(t, r), []string{"<dd>716<small>of 5\u202f000 planned, in the", "the others were cancelled when the run was stopped", "not judged"}, []string{"every request that was judged succeeded"})
}

func TestTheTrustInARunThatWasStopped(t *testing.T) {
	for _, v := range []Verdict{Interrupted, Aborted} {
		r := fixture(t)
		r.Verdict = v
		r.Totals.Planned += 100
		r.Totals.Cancelled += 100
		expect(t, pageOf(t, r), []string{"Only for the time until the run was stopped", "delayed 18 of 716 judged requests (2.51 %)"}, []string{"Yes, within the bounds"})
	}
}

// No limit is told on the p99 of the generator's delay: nothing judges it. A simulated one has none at all.
func TestWhatIsToleratedOfTheGenerator(t *testing.T) {
	r := fixture(t)
	r.World, r.Validity.LagLimitMS = "live", 3
	never := []string{"p99 ≤", "limit 3.00 ms", "limit 0 ms"}
	expect(t, pageOf(t, r), []string{"up to 3.00 ms of a request<", "<small>up to 3.00 ms of a request tolerated<", ">80 %<"}, never)
	r.World, r.Validity.LagLimitMS = "sim", 1e-6
	expect(t, pageOf(t, r), []string{"Delay between scheduled and actual send"}, append(never, "of a request<", "% of its allowance", "0 µs tolerated"))
}

// The peak of the planned rate is of what was played.
func TestThePeakOfARunThatWasStopped(t *testing.T) {
	r := &Result{World: "live", Verdict: Interrupted, DurationMS: 1000, PlannedMS: 2000, Validity: Validity{Ceiling: 9000}, Windows: []Period{window(0, 500, 50, 0), window(500, 1000, 60, 0), window(1000, 1500, 4000, 4000)}}
	r.Windows[0].Rates.Planned, r.Windows[1].Rates.Planned, r.Windows[2].Rates.Planned = 100, 120, 8000
	expect(t, pageOf(t, r), []string{"120.0/s; 9000.0/s"}, nil)
}

func TestTheServersAreDrawnAsTheyCame(t *testing.T) {
	f := serversFigure(fixture(t), "web", "")
	want := map[string][]chart.Point{
		"running": {{X: 0, Y: 3}, {X: 2, Y: 2}, {X: 3, Y: 3}, {X: 3.2, Y: 4}, {X: 5, Y: 4}},
		"desired": {{X: 0, Y: 3}, {X: 3, Y: 4}, {X: 5, Y: 4}},
	}
	for _, s := range f.Series {
		if points, known := want[s.Name]; known && !equal(s.Points, points) {
			t.Errorf("%s: %v, want %v", s.Name, s.Points, points)
		}
		if last := s.Points[len(s.Points)-1]; s.Name == "healthy" && (s.Points[0] != chart.Point{X: 0, Y: 3} || s.Points[1] != chart.Point{X: 2, Y: 2} || last != chart.Point{X: 5, Y: 4}) {
			t.Errorf("healthy: %v", s.Points)
		}
	}
	if len(f.Series) != 3 {
		t.Errorf("%d lines", len(f.Series))
	}
	if f := serversFigure(&Result{Targets: []Target{{Group: "own"}}}, "own", ""); f != nil {
		t.Error("servers of which nothing is known are drawn")
	}
}

func equal(a, b []chart.Point) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if math.Abs(a[i].X-b[i].X) > 1e-9 || a[i].Y != b[i].Y {
			return false
		}
	}
	return true
}

func TestThePercentileCurveEndsAtTheMaximum(t *testing.T) {
	for _, n := range []int{1, 2, 3, 100, 3000} {
		r := &Result{}
		for i := range n {
			r.Histograms.Response.Record(time.Duration(i+1) * time.Millisecond)
		}
		f := percentileFigure(r)
		points := f.Series[0].Points
		last := points[len(points)-1]
		if last.X != float64(n) || last.Y != MS(r.Histograms.Response.Max()) || f.XMax < last.X {
			t.Errorf("of %d: it ends at %+v", n, last)
		}
		for i := range points[1:] {
			if points[i+1].X <= points[i].X || points[i+1].Y < points[i].Y {
				t.Errorf("of %d: %+v after %+v", n, points[i+1], points[i])
			}
		}
	}
	if percentileFigure(&Result{}) != nil {
		t.Error("a curve of nothing")
	}
}

// window is a window with so many requests due, all of which succeeded unless they were cancelled.
func window(from, to float64, planned, cancelled uint64) Period {
	p := Period{StartMS: from, EndMS: to, Totals: Totals{Planned: planned, Sent: planned - cancelled, Succeeded: planned - cancelled, Cancelled: cancelled}, Rates: Rates{Offered: float64(planned-cancelled) / (to - from) * 1000}}
	for range planned - cancelled {
		p.Histograms.Response.Record(time.Millisecond)
	}
	return p
}

// At a hundred requests a second every rate is 100/s, however windows are cut.
func TestColumnsGoByTime(t *testing.T) {
	for name, windows := range map[string][]Period{
		"even":                   {window(0, 500, 50, 0), window(500, 1000, 50, 0), window(1000, 1500, 50, 0)},
		"cut at edges":           {window(0, 400, 40, 0), window(400, 500, 10, 0), window(500, 730, 23, 0), window(730, 1500, 77, 0)},
		"a narrow one at last":   {window(0, 500, 50, 0), window(500, 1000, 50, 0), window(1000, 1490, 49, 0), window(1490, 1500, 1, 0)},
		"the last beyond it":     {window(0, 1000, 100, 0), window(1000, 2000, 50, 0)},
		"none where none is due": {window(0, 500, 50, 0), window(1000, 1500, 50, 0)},
	} {
		r := &Result{DurationMS: 1500, PlannedMS: 1500, Windows: windows}
		last := 0.
		for _, c := range columns(r) {
			if math.Abs(c.from-last) > 1e-9 || (c.to-c.from)*1000 < columnWidth(r.DurationMS)/2 {
				t.Errorf("%s: from %v to %v after %v", name, c.from, c.to, last)
			}
			last = c.to
			if c.planned == 0 && name == "none where none is due" {
				continue
			}
			if math.Abs(c.plannedRate()-100) > 1e-6 || math.Abs(c.rate(c.succeeded)-100) > 1e-6 {
				t.Errorf("%s: %v planned, %v succeeded a second from %v to %v", name, c.plannedRate(), c.rate(c.succeeded), c.from, c.to)
			}
		}
		if last != 1.5 {
			t.Errorf("%s: it ends at %v", name, last)
		}
	}
}

// A run that was stopped shows no dip: what was cancelled is no lower throughput.
func TestAnInterruptedRunEndsWithoutADip(t *testing.T) {
	r := &Result{DurationMS: 1100, PlannedMS: 5000, Windows: []Period{window(0, 500, 50, 0), window(500, 1000, 50, 0), window(1000, 1500, 50, 48)}}
	for _, s := range rateFigure(r).Series {
		for _, p := range s.Points {
			if cut := s.Name != "planned" && p.X > 1; cut != math.IsNaN(p.Y) || !cut && math.Abs(p.Y-100) > 1e-6 {
				t.Errorf("%s: %+v", s.Name, p)
			}
		}
	}
}

// Failures are drawn when they happened, those after the end of the load too, and so are successes.
func TestWhatEndedIsDrawnWhenItEnded(t *testing.T) {
	ended := func(succeeded, failed uint64) *Ended {
		e := &Ended{Succeeded: succeeded, Failed: failed, Errors: map[string]uint64{string(measure.Timeout): failed}}
		for range succeeded {
			e.Histogram.Record(2 * time.Millisecond)
		}
		return e
	}
	r := &Result{DurationMS: 1000, PlannedMS: 1000, DrainMS: 900, Errors: map[string]uint64{"timeout": 50}}
	for i, e := range []*Ended{ended(50, 0), ended(0, 0), ended(0, 50), ended(0, 0)} {
		w := window(float64(i)*500, float64(i+1)*500, 50, 0)
		if w.StartMS >= r.DurationMS {
			w = window(w.StartMS, w.EndMS, 0, 0)
		}
		w.Errors = map[string]uint64{"timeout": 7} // by when they were due: not what is drawn
		w.Ended = e
		r.Windows = append(r.Windows, w)
	}
	total := map[bool]float64{}
	for _, c := range columns(r) {
		total[c.from >= 1] += float64(c.errors["timeout"])
		if c.from >= 1 && !math.IsNaN(c.plannedRate()) {
			t.Errorf("a planned rate of %v after the load", c.plannedRate())
		}
		if c.from == 0 && (c.succeeded != 50 || math.Round(c.p50) != 2) || c.from == .5 && !math.IsNaN(c.p50) {
			t.Errorf("%+v", c)
		}
	}
	if total[false] != 0 || total[true] != 50 {
		t.Errorf("errors before and after the load's end: %v", total)
	}
	if f := errorFigure(r, []string{"timeout"}); f.XMax != 1.9 {
		t.Errorf("the figure ends at %v", f.XMax)
	}
}
