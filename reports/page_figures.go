package reports

import (
	"fmt"
	"math"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/reports/chart"
)

// timeFigure is a figure over the run's time, with its faults shaded.
func timeFigure(r *Result, title string, unit chart.Unit) *chart.Figure {
	f := &chart.Figure{Title: title, Unit: unit, XUnit: chart.Seconds, XMax: max(r.PlannedMS, 1) / 1000}
	f.Bands = append(f.Bands, stalls(r)...)
	for i, x := range r.Faults {
		if x.InjectedMS == nil {
			continue
		}
		end := r.DurationMS
		if x.RevertedMS != nil {
			end = *x.RevertedMS
		}
		f.Bands = append(f.Bands, chart.Band{From: *x.InjectedMS / 1000, To: end / 1000, Label: x.ID, Ink: chart.BandColor(i)})
	}
	return f
}

// stalls are the stretches in which the generator itself was late: what stands there is not the system's
// doing alone.
func stalls(r *Result) (out []chart.Band) {
	for _, w := range r.Windows {
		if r.Validity.LagLimitMS == 0 || w.Lag.P99 <= r.Validity.LagLimitMS {
			continue
		}
		if n := len(out); n > 0 && out[n-1].To == w.StartMS/1000 {
			out[n-1].To = w.EndMS / 1000
			continue
		}
		out = append(out, chart.Band{From: w.StartMS / 1000, To: w.EndMS / 1000, Label: "generator late", Ink: chart.Late})
	}
	if len(out) > maxStalls { // a generator that is late throughout: one label says it
		out = []chart.Band{{From: out[0].From, To: out[len(out)-1].To, Label: "generator late, on and off", Ink: chart.Late}}
	}
	return out
}

// maxStalls is how many stalls are marked one by one.
const maxStalls = 5

func described(f *chart.Figure) *chart.Figure {
	f.Desc = f.Describe()
	return f
}

// maxColumns bounds the points of a line: beyond it neighbouring windows are merged, histograms and all.
const maxColumns = 200

// column is one or more neighbouring windows.
type column struct {
	from, to                    float64 // seconds
	planned, offered, succeeded uint64
	errors                      map[string]uint64
	p50, p99, max               float64 // ms; not a number when nothing succeeded
}

// shortest is the least width of a column: shorter ones hold too few requests for a percentile.
const shortest = 500.

func columns(r *Result) []column {
	if len(r.Windows) == 0 {
		return nil
	}
	width := r.Windows[0].EndMS - r.Windows[0].StartMS
	per := max(int(math.Ceil(shortest/width)), (len(r.Windows)+maxColumns-1)/maxColumns)
	var out []column
	var response measure.Hist // of the present column: one is dense at a time
	for i := range r.Windows {
		w := &r.Windows[i]
		if w.StartMS >= r.DurationMS {
			break
		}
		if i%per == 0 {
			out = append(out, column{from: w.StartMS / 1000, errors: map[string]uint64{}})
			response = measure.Hist{}
		}
		c := &out[len(out)-1]
		c.to = min(w.EndMS, r.DurationMS) / 1000
		c.planned += w.Totals.Planned
		c.offered += w.Totals.Sent + w.Totals.Dropped
		c.succeeded += w.Totals.Succeeded
		for class, n := range w.Errors {
			c.errors[class] += n
		}
		response.Merge(&w.Histograms.Response)
		c.p50, c.p99, c.max = math.NaN(), math.NaN(), math.NaN()
		if response.Count() > 0 {
			c.p50, c.p99, c.max = MS(response.Quantile(.5)), MS(response.Quantile(.99)), MS(response.Max())
		}
	}
	return out
}

func rateFigure(r *Result) *chart.Figure {
	f := timeFigure(r, "Requests a second", chart.PerSecond)
	cols := columns(r)
	line := func(name string, ink chart.Ink, dashed bool, of func(*column) uint64) {
		s := chart.Series{Name: name, Ink: ink, Dashed: dashed}
		for i := range cols {
			c := &cols[i]
			s.Points = append(s.Points, chart.Point{X: (c.from + c.to) / 2, Y: float64(of(c)) / (c.to - c.from)})
		}
		f.Series = append(f.Series, s)
	}
	line("succeeded", chart.Good, false, func(c *column) uint64 { return c.succeeded })
	line("offered", chart.Offered, false, func(c *column) uint64 { return c.offered })
	line("planned", chart.Planned, true, func(c *column) uint64 { return c.planned })
	return described(f)
}

func latencyFigure(r *Result) *chart.Figure {
	f := timeFigure(r, "Response time of succeeded requests", chart.Milliseconds)
	f.LogY = true
	for _, l := range r.Objective.Latency {
		f.Marks = append(f.Marks, chart.Mark{Y: l.LimitMS, Label: fmt.Sprintf("objective p%g", l.Percentile)})
	}
	cols := columns(r)
	line := func(name string, ink chart.Ink, of func(*column) float64) {
		s := chart.Series{Name: name, Ink: ink}
		for i := range cols {
			s.Points = append(s.Points, chart.Point{X: (cols[i].from + cols[i].to) / 2, Y: of(&cols[i])})
		}
		f.Series = append(f.Series, s)
	}
	line("max", chart.Extreme, func(c *column) float64 { return c.max })
	line("p99", chart.Tail, func(c *column) float64 { return c.p99 })
	line("p50", chart.Median, func(c *column) float64 { return c.p50 })
	return described(f)
}

// percentileFigure shows the whole distribution: x is 1/(1−p) on a logarithmic axis.
func percentileFigure(r *Result) *chart.Figure {
	f := &chart.Figure{Title: "By percentile", Unit: chart.Milliseconds, XUnit: chart.Percentile, LogX: true, LogY: true, XMin: 1, XMax: 10}
	for _, x := range []struct {
		name string
		ink  chart.Ink
		h    *measure.Hist
	}{{"response time", chart.Tail, &r.Histograms.Response}, {"service time", chart.Median, &r.Histograms.Service}} {
		s := chart.Series{Name: x.name, Ink: x.ink}
		n := float64(x.h.Count())
		for _, step := range x.h.Distribution() {
			// Beyond one request in n there is nothing to show.
			if q := 1 / (1 - step.Q); q <= max(n, 2) {
				s.Points = append(s.Points, chart.Point{X: q, Y: MS(step.Value)})
			}
		}
		f.XMax = max(f.XMax, n)
		f.Series = append(f.Series, s)
	}
	return described(f)
}

func errorFigure(r *Result, classes []string) *chart.Figure {
	f := timeFigure(r, "Errors a second, by class", chart.PerSecond)
	f.Stacked = true
	cols := columns(r)
	for i, class := range classes {
		s := chart.Series{Name: class, Ink: chart.ErrorColor(i)}
		for _, c := range cols {
			// A column is drawn as a block: errors come in bursts, and a slope would invent some.
			y := float64(c.errors[class]) / (c.to - c.from)
			s.Points = append(s.Points, chart.Point{X: c.from, Y: y}, chart.Point{X: c.to, Y: y})
		}
		f.Series = append(f.Series, s)
	}
	return described(f)
}

// targetFigures are, for each group, its requests by target, its utilisation and its servers.
func targetFigures(r *Result) (out []*chart.Figure) {
	var groups []string
	moments := map[string][]Moment{}
	for _, m := range r.Timeline {
		if moments[m.Group] == nil {
			groups = append(groups, m.Group)
		}
		moments[m.Group] = append(moments[m.Group], m)
	}
	for _, g := range groups {
		of := ""
		if len(groups) > 1 {
			of = " of " + g
		}
		requests := timeFigure(r, "Requests a second by target"+of, chart.PerSecond)
		requests.Stacked = true
		for _, t := range r.Targets {
			if t.Group != g {
				continue
			}
			s := chart.Series{Name: t.ID, Ink: chart.Color(len(requests.Series))}
			for _, m := range moments[g] {
				s.Points = append(s.Points, chart.Point{X: m.AtMS / 1000, Y: m.Requests[t.ID]})
			}
			requests.Series = append(requests.Series, s)
		}
		out = append(out, described(requests), utilisationFigure(r, of, moments[g]), serversFigure(r, of, moments[g]))
	}
	kept := out[:0]
	for _, f := range out {
		if f != nil {
			kept = append(kept, f)
		}
	}
	return kept
}

// utilisationFigure is nil when no target tells how busy it is.
func utilisationFigure(r *Result, of string, moments []Moment) *chart.Figure {
	f := timeFigure(r, "Utilisation"+of+": busy share of the slots in service", chart.Share)
	s := chart.Series{Name: "utilisation", Ink: chart.Median}
	known := false
	for _, m := range moments {
		y := math.NaN()
		if m.Utilisation != nil {
			y, known = *m.Utilisation, true
		}
		s.Points = append(s.Points, chart.Point{X: m.AtMS / 1000, Y: y})
	}
	if !known {
		return nil
	}
	f.Series = []chart.Series{s}
	return described(f)
}

func serversFigure(r *Result, of string, moments []Moment) *chart.Figure {
	f := timeFigure(r, fmt.Sprintf("Servers%s", of), chart.Number)
	f.Steps = true
	line := func(name string, ink chart.Ink, dashed bool, n func(Moment) int) {
		s := chart.Series{Name: name, Ink: ink, Dashed: dashed}
		for _, m := range moments {
			s.Points = append(s.Points, chart.Point{X: m.AtMS / 1000, Y: float64(n(m))})
		}
		f.Series = append(f.Series, s)
	}
	line("in service", chart.Good, false, func(m Moment) int { return m.InService })
	line("running", chart.Offered, false, func(m Moment) int { return m.Running })
	line("desired", chart.Planned, true, func(m Moment) int { return m.Desired })
	return described(f)
}
