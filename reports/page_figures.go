package reports

import (
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/reports/chart"
)

func described(f *chart.Figure) *chart.Figure {
	f.Desc = f.Describe()
	return f
}

// columnFigure is a figure over time with lines of columns.
func columnFigure(r *Result, cols []column, title string, unit chart.Unit) (f *chart.Figure, line func(name string, ink chart.Ink, dashed bool, of func(*column) float64)) {
	f = timeFigure(r, title, unit)
	if n := len(cols); n > 0 {
		f.XMax = max(f.XMax, cols[n-1].to) // requests end after the load
	}
	return f, func(name string, ink chart.Ink, dashed bool, of func(*column) float64) {
		s := chart.Series{Name: name, Ink: ink, Dashed: dashed}
		for i := range cols {
			s.Points = append(s.Points, chart.Point{X: (cols[i].from + cols[i].to) / 2, Y: of(&cols[i])})
		}
		f.Series = append(f.Series, s)
	}
}

func rateFigure(r *Result) *chart.Figure {
	f, line := columnFigure(r, columns(r), "Requests a second", chart.PerSecond)
	byEnd := r.byEnd()
	line("succeeded", chart.Good, false, func(c *column) float64 { return c.succeededRate(byEnd) })
	if len(r.Retried) > 0 {
		line("attempts", chart.Attempts, false, (*column).attemptRate)
	}
	line("offered", chart.Offered, false, (*column).offeredRate)
	line("planned", chart.Planned, true, (*column).plannedRate)
	return described(f)
}

func latencyFigure(r *Result) *chart.Figure {
	title := "Response time of succeeded requests, by when they were due"
	if r.byEnd() {
		title = "Response time of succeeded requests, by when they ended"
	}
	f, line := columnFigure(r, columns(r), title, chart.Milliseconds)
	f.LogY = true
	for _, l := range r.Objective.Latency {
		f.Marks = append(f.Marks, chart.Mark{Y: l.LimitMS, Label: "objective " + percentileName(l.Percentile)})
	}
	line("max", chart.Extreme, false, func(c *column) float64 { return c.max })
	line("p99", chart.Tail, false, func(c *column) float64 { return c.p99 })
	line("p50", chart.Median, false, func(c *column) float64 { return c.p50 })
	return described(f)
}

// percentileFigure shows the whole distribution: x is 1/(1−p) on a logarithmic axis. It ends at the slowest of n
// requests, at x = n. It is nil when no request succeeded.
func percentileFigure(r *Result) *chart.Figure {
	f := &chart.Figure{Title: "Response time by percentile", Unit: chart.Milliseconds, XUnit: chart.Percentile, LogX: true, LogY: true, XMin: 1, XMax: 10}
	for _, x := range []struct {
		name string
		ink  chart.Ink
		h    *measure.Hist
	}{{"response time", chart.Tail, &r.Histograms.Response}, {"service time", chart.Median, &r.Histograms.Service}} {
		n := float64(x.h.Count())
		if n == 0 {
			continue
		}
		s := chart.Series{Name: x.name, Ink: x.ink}
		for _, step := range x.h.Distribution() {
			if q := 1 / (1 - step.Q); q < n {
				s.Points = append(s.Points, chart.Point{X: q, Y: MS(step.Value)})
			}
		}
		s.Points = append(s.Points, chart.Point{X: n, Y: MS(x.h.Max())})
		f.XMax = max(f.XMax, n)
		f.Series = append(f.Series, s)
	}
	if len(f.Series) == 0 {
		return nil
	}
	return described(f)
}

func errorFigure(r *Result, classes []string) *chart.Figure {
	title := "Errors a second by class, by when they were due"
	if r.byEnd() {
		title = "Errors a second by class, by when they happened"
	}
	cols := columns(r)
	f, _ := columnFigure(r, cols, title, chart.PerSecond)
	f.Stacked = true
	for i, class := range classes {
		s := chart.Series{Name: r.className(class), Ink: chart.ErrorColor(i)}
		for j := range cols {
			c := &cols[j]
			// A column is drawn as a block: errors come in bursts, and a slope would invent some.
			y := c.rate(c.errors[class])
			s.Points = append(s.Points, chart.Point{X: c.from, Y: y}, chart.Point{X: c.to, Y: y})
		}
		f.Series = append(f.Series, s)
	}
	return described(f)
}
