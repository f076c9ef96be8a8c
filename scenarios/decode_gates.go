package scenarios

import (
	"fmt"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/reports/gate"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

func (d *decoder) gates(list []*yaml.Node, s *plan.Scenario, out *Resolved) {
	all := out.sub("gates")
	all.List = true
	var names gate.Names
	for _, p := range s.Load.Phases {
		names.Phases = append(names.Phases, p.Name)
	}
	names.Faults = d.ids
	for _, x := range s.Scaling {
		names.Groups = append(names.Groups, x.Group)
	}
	for _, x := range s.Load.Set.Requests {
		names.Requests = append(names.Requests, x.Name)
	}
	seen := map[string]bool{}
	for i, n := range list {
		text, err := d.scalar(n, spec.Param{Type: spec.Text})
		if err != nil {
			d.fail(n, "a gate %v", err)
			continue
		}
		g, err := gate.Parse(text.(string))
		var about []string
		if err == nil {
			if g, err = g.Check(names); err != nil {
				about = []string{phaseNames, faultIDs, requestNames}
				if g.ID != "" {
					about = []string{faultIDs, scaled}
				}
			}
		}
		if err == nil {
			err = d.checkGate(g, s)
		}
		if err == nil && seen[g.Expr] {
			err = fmt.Errorf("gate %q stands here twice", g.Expr)
		}
		if err != nil {
			d.failOf(about, n, "%v", err)
			continue
		}
		seen[g.Expr] = true
		s.Gates = append(s.Gates, plan.Gate(g))
		all.leaf(fmt.Sprint(i+1), g.Expr, d.origin(n))
	}
}

// checkGate refuses a gate that no run of the scenario could pass or be judged by.
func (d *decoder) checkGate(g gate.Gate, s *plan.Scenario) error {
	if s.Topology == nil && g.Metric == "imbalance" {
		return fmt.Errorf("imbalance needs a topology: nobody counts the targets of a system of your own")
	}
	if g.Metric == "residual" {
		for i := range s.Faults {
			if f := &s.Faults[i]; f.ID == g.ID && !ends(f) {
				return fmt.Errorf("%s: fault %s has no end, and residual counts from there: give the fault %s", g.Expr, f.ID, howToEnd(f))
			}
		}
	}
	if err := checkEnd(g, s); err != nil {
		return err
	}
	if g.Window == "" || len(d.causes()) > 0 {
		return nil // only a load without mistakes has a schedule
	}
	from, to, ok := windowOf(s, g.Window)
	if !ok {
		return nil
	}
	sched, err := s.Schedule()
	if err != nil {
		return nil // it was told where the rate stands
	}
	for _, c := range sched.Closed {
		if c.From < to && c.To > from {
			return nil
		}
	}
	if due := sched.Profile.Hits(to.Seconds()) - sched.Profile.Hits(from.Seconds()); due <= 0 {
		return fmt.Errorf("%s: no request is due from %v to %v, so that there is nothing to judge", g.Expr, from, to)
	}
	return nil
}

// checkEnd refuses a gate on when the objective holds again if the load ends before that can be known: it holds when it
// has held for its whole window, and of a fault that ends within the load over the one that begins at its end besides. A fault
// may end a little later than planned, as a process takes its time to start.
func checkEnd(g gate.Gate, s *plan.Scenario) error {
	if g.Metric != "residual" && g.Metric != "recover" {
		return nil
	}
	for i := range s.Faults {
		f := &s.Faults[i]
		if f.ID != g.ID {
			continue
		}
		from, what, needed, known := f.At, "begins", s.Objective.Window, fmt.Sprintf("after its window of %v", s.Objective.Window)
		if end, ok := f.End(); ok && (g.Metric == "residual" || end < s.Length()) {
			from, what, needed = end, "ends", needed+lateEdge
			known += fmt.Sprintf(", which begins up to %v after the planned end", lateEdge)
		}
		if left := s.Length() - from; left < needed {
			return fmt.Errorf("%s: fault %s %s %v before the load ends, and whether the objective holds is known %s: make the last phase longer, or the fault earlier", g.Expr, f.ID, what, max(left, 0), known)
		}
	}
	return nil
}

// windowOf is the stretch of the load in which the requests of a phase's or a fault's window are due. That of a fault
// lasts until its recovery, at most to the end of the load.
func windowOf(s *plan.Scenario, name string) (from, to time.Duration, ok bool) {
	for _, p := range s.Load.Phases {
		if p.Name == name {
			return p.Start, p.End, true
		}
	}
	for _, f := range s.Faults {
		if f.ID == name {
			return f.At, s.Length(), true
		}
	}
	return 0, 0, false
}

func ends(f *chaos.Fault) bool { _, ok := f.End(); return ok }

// howToEnd says which key gives a fault an end.
func howToEnd(f *chaos.Fault) string {
	kind, err := chaos.Kinds().New(f.Choice)
	if err == nil && kind.Process != nil {
		return "restart_after"
	}
	return "a length with for"
}
