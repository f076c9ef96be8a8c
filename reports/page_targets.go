package reports

import (
	"fmt"
	"strings"

	"github.com/seed-8025779b/shakedown/reports/html"
)

func targetsSection(r *Result) html.Section {
	t := &html.Table{Head: []string{"target", "address", "requests", "share", "processes", "states"}}
	for i := range r.Targets {
		x := &r.Targets[i]
		var processes, states []string
		for _, g := range x.Generations {
			processes = append(processes, g.text())
		}
		for _, c := range x.Changes {
			states = append(states, c.To+" "+when(c.AtMS))
		}
		t.Rows = append(t.Rows, []html.Cell{
			html.Text(x.ID), html.Text(x.Address), html.Num(count(x.Requests)), html.Num(fmt.Sprintf("%.1f %%", x.Share*100)),
			html.Text(strings.Join(processes, "; ")), html.Text(strings.Join(states, ", ")),
		})
	}
	s := html.Section{ID: "targets", Title: "Targets", Text: []string{"Requests as the balancer counted them: every attempt, retries included; in the table without the discarded phases."}}
	for _, f := range targetFigures(r) {
		s.Blocks = append(s.Blocks, html.Block{Figure: f})
	}
	s.Blocks = append(s.Blocks, html.Block{Table: t})
	return s
}

// when writes an instant of the run; what was before the load is told as such.
func when(ms float64) string {
	if ms < 0 {
		return "before the load"
	}
	return "at " + at(ms)
}

// text tells of a process.
func (g *Generation) text() string {
	s := fmt.Sprintf("process %d, started %s", g.Generation, when(g.LaunchedMS))
	if g.Exit != "" && g.ExitedMS != nil {
		s += ", ended " + when(*g.ExitedMS) + " (" + g.Exit + ")"
	}
	if g.Served != nil {
		s += ", served " + count(*g.Served)
	}
	return s
}

func scalingSection(r *Result) html.Section {
	s := html.Section{ID: "scaling", Title: "Scaling"}
	for _, x := range r.Scaling {
		stages := &html.Table{Head: []string{"server of " + x.Group, "threshold crossed", "decided", "launched", "booted", "in service", "first request", "from threshold to service"}}
		for _, w := range x.Waterfall {
			total := Dash
			if w.BreachMS != nil && w.InServiceMS != nil {
				total = Quantity(*w.InServiceMS-*w.BreachMS, "ms")
			}
			stages.Rows = append(stages.Rows, []html.Cell{
				html.Text(w.Server), instant(w.BreachMS), instant(w.DecidedMS), instant(w.LaunchedMS), instant(w.BootedMS), instant(w.InServiceMS), instant(w.FirstRequest), html.Num(total),
			})
		}
		if len(stages.Rows) == 0 {
			s.Text = append(s.Text, fmt.Sprintf("Group %s was never scaled out.", x.Group))
		} else {
			s.Blocks = append(s.Blocks, html.Block{Table: stages})
		}
		decisions, n := &html.Table{Head: []string{"at", "in service", "warming", "desired", "vote", "reason"}}, 0
		for i := range x.Decisions {
			d := &x.Decisions[i]
			n += d.count()
			decisions.Rows = append(decisions.Rows, []html.Cell{
				html.Num(d.when()), html.Num(fmt.Sprint(d.Signal.InService)), html.Num(fmt.Sprint(d.Signal.Warming)),
				html.Num(fmt.Sprintf("%d → %d", d.Signal.Desired, d.Desired)), html.Text(string(d.Vote)), html.Text(d.why()),
			})
		}
		s.Blocks = append(s.Blocks, html.Block{Table: decisions, Fold: fmt.Sprintf("%s for %s", Plural(int64(n), "decision"), x.Group)})
	}
	return s
}

// count is how many decisions an entry stands for.
func (d *Decision) count() int {
	if d.Repeats == nil {
		return 1
	}
	return 1 + d.Repeats.Count
}

// when is the instant of a decision, or of the first and the last one of an entry.
func (d *Decision) when() string {
	if d.Repeats == nil {
		return at(d.AtMS)
	}
	return at(d.AtMS) + " – " + at(d.Repeats.UntilMS)
}

// why is the reason of a decision, with how many more of that kind followed it.
func (d *Decision) why() string {
	x := d.Repeats
	switch {
	case x == nil:
		return d.Reason
	case x.Lowest == nil || x.Highest == nil:
		return fmt.Sprintf("%s; %d more like it", d.Reason, x.Count)
	}
	return fmt.Sprintf("%s; %d more like it, the metric between %.1f%% and %.1f%%", d.Reason, x.Count, *x.Lowest*100, *x.Highest*100)
}
