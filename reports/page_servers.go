package reports

import (
	"math"
	"sort"

	"github.com/seed-8025779b/shakedown/reports/chart"
)

// groups lists the groups of targets in the order in which the result names them.
func (r *Result) groups() (groups []string) {
	seen := map[string]bool{}
	add := func(g string) {
		if !seen[g] {
			seen[g] = true
			groups = append(groups, g)
		}
	}
	for _, t := range r.Targets {
		add(t.Group)
	}
	for _, m := range r.Timeline {
		add(m.Group)
	}
	return groups
}

// targetFigures are, for each group, its requests by target, its utilisation and its servers.
func targetFigures(r *Result) (out []*chart.Figure) {
	groups := r.groups()
	for _, g := range groups {
		of := ""
		if len(groups) > 1 {
			of = " of " + g
		}
		var moments []Moment
		for _, m := range r.Timeline {
			if m.Group == g {
				moments = append(moments, m)
			}
		}
		for _, f := range []*chart.Figure{requestsFigure(r, g, of, moments), utilisationFigure(r, of, moments), serversFigure(r, g, of)} {
			if f != nil {
				out = append(out, f)
			}
		}
	}
	return out
}

// requestsFigure is nil when the balancer did not count.
func requestsFigure(r *Result, group, of string, moments []Moment) *chart.Figure {
	if len(moments) == 0 {
		return nil
	}
	f := timeFigure(r, "Requests a second by target"+of, chart.PerSecond)
	f.Stacked = true
	for _, t := range r.Targets {
		if t.Group != group {
			continue
		}
		s := chart.Series{Name: t.ID, Ink: chart.Color(len(f.Series))}
		for _, m := range moments {
			s.Points = append(s.Points, chart.Point{X: m.AtMS / 1000, Y: m.Requests[t.ID]})
		}
		f.Series = append(f.Series, s)
	}
	return described(f)
}

// utilisationFigure is nil when no target tells how busy it is.
func utilisationFigure(r *Result, of string, moments []Moment) *chart.Figure {
	f := timeFigure(r, "Utilisation of healthy servers"+of, chart.Share)
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

// serversFigure shows how many servers of a group were healthy, running and wanted, as exact steps. What is not known
// of the group, such as processes that were not started here, is left out.
func serversFigure(r *Result, group, of string) *chart.Figure {
	f := timeFigure(r, "Servers"+of, chart.Number)
	f.Steps = true
	var healthy, running []step
	for _, t := range r.Targets {
		if t.Group == group {
			healthy = append(healthy, healthySteps(t)...)
			running = append(running, runningSteps(t)...)
		}
	}
	line := func(name string, ink chart.Ink, dashed bool, points []chart.Point) {
		if points != nil {
			f.Series = append(f.Series, chart.Series{Name: name, Ink: ink, Dashed: dashed, Points: points})
		}
	}
	line("healthy", chart.Good, false, sum(healthy, r.DurationMS))
	line("running", chart.Offered, false, sum(running, r.DurationMS))
	line("desired", chart.Planned, true, desired(r, group))
	if len(f.Series) == 0 {
		return nil
	}
	return described(f)
}

// step is a change of a count.
type step struct {
	atMS float64
	by   int
}

// stateHealthy is the balancer's name for a target that takes traffic.
const stateHealthy = "healthy"

func healthySteps(t Target) (out []step) {
	for _, c := range t.Changes {
		switch {
		case c.To == stateHealthy && c.From != stateHealthy:
			out = append(out, step{c.AtMS, 1})
		case c.From == stateHealthy && c.To != stateHealthy:
			out = append(out, step{c.AtMS, -1})
		}
	}
	return out
}

func runningSteps(t Target) (out []step) {
	for _, g := range t.Generations {
		out = append(out, step{g.LaunchedMS, 1})
		if g.ExitedMS != nil {
			out = append(out, step{*g.ExitedMS, -1})
		}
	}
	return out
}

// sum adds steps up to a line from the beginning of the load to its end; nil when there are none.
func sum(steps []step, endMS float64) []chart.Point {
	if len(steps) == 0 {
		return nil
	}
	sort.SliceStable(steps, func(i, j int) bool { return steps[i].atMS < steps[j].atMS })
	n := 0
	points := []chart.Point{{}}
	for _, s := range steps {
		if s.atMS > endMS {
			break
		}
		n += s.by
		at := max(s.atMS, 0) / 1000
		if last := &points[len(points)-1]; last.X == at {
			last.Y = float64(n)
			continue
		}
		points = append(points, chart.Point{X: at, Y: float64(n)})
	}
	return append(points, chart.Point{X: endMS / 1000, Y: float64(n)})
}

// desired is how many servers the group's scaling policy wanted: from the beginning on what it found, then what it
// decided. It is nil for a group that is not scaled.
func desired(r *Result, group string) (points []chart.Point) {
	for _, x := range r.Scaling {
		if x.Group != group || len(x.Decisions) == 0 {
			continue
		}
		n := x.Decisions[0].Signal.Desired
		points = append(points, chart.Point{Y: float64(n)})
		for _, d := range x.Decisions {
			if d.Desired != n {
				n = d.Desired
				points = append(points, chart.Point{X: d.AtMS / 1000, Y: float64(n)})
			}
		}
		return append(points, chart.Point{X: r.DurationMS / 1000, Y: float64(n)})
	}
	return nil
}
