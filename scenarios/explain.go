package scenarios

import (
	"fmt"
	"io"
	"sort"
	"time"

	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
)

// Explain prints what a scenario will do: its timeline, the targets that its faults would choose from the
// start, and every value with where it came from.
func Explain(w io.Writer, d *Decoded) error {
	s := d.Scenario
	sched, err := s.Schedule()
	if err != nil {
		return err
	}
	planned, _ := s.Count(sched, s.Length())
	fmt.Fprintf(w, "%s, seed %d\n", s.Name, s.Seed)
	if s.About != "" {
		fmt.Fprintln(w, s.About)
	}
	fmt.Fprintln(w, "\nTimeline:")
	type row struct {
		at   time.Duration
		text string
	}
	var rows []row
	for i, p := range s.Load.Phases {
		if p.Users > 0 {
			rows = append(rows, row{p.Start, fmt.Sprintf("phase %s: %d users in a closed loop for %v", p.Name, p.Users, p.End-p.Start)})
			continue
		}
		text := fmt.Sprintf("phase %s: %.0f/s to %.0f/s for %v, %d requests", p.Name,
			sched.Profile.Rate(p.Start.Seconds()+1e-9), sched.Profile.Rate(p.End.Seconds()-1e-9), p.End-p.Start, planned[i])
		if p.Discard {
			text += ", not judged"
		}
		rows = append(rows, row{p.Start, text})
	}
	for i := range s.Faults {
		f := &s.Faults[i]
		rows = append(rows, row{f.At, fmt.Sprintf("fault %s: %s on %v of group %s", f.ID, f.Kind, victims(s, f), f.Select.Group)})
		if end, ok := f.End(); ok {
			rows = append(rows, row{end, fmt.Sprintf("fault %s ends", f.ID)})
		}
	}
	rows = append(rows, row{s.Length(), "the load ends"})
	sort.SliceStable(rows, func(i, j int) bool { return rows[i].at < rows[j].at })
	for _, r := range rows {
		fmt.Fprintf(w, "  %8s  %s\n", r.at, r.text)
	}
	fmt.Fprintln(w, "\nValues:")
	d.Resolved.Print(w)
	return nil
}

// victims are the targets that a fault would choose if those of the start were in service.
func victims(s *plan.Scenario, f *chaos.Fault) []string {
	g := s.Group(f.Select.Group)
	var c []chaos.Candidate
	for n := range g.Targets.Count {
		t := g.Target(n)
		c = append(c, chaos.Candidate{ID: t.ID, Zone: t.Zone})
	}
	return f.Select.Choose(s.Seed, f.ID, c)
}
