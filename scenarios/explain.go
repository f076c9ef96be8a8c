package scenarios

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/loadgen/profile"
	"github.com/seed-8025779b/shakedown/reports"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
)

// Explain prints what a scenario will do: its timeline, the targets that its faults choose as far as that is certain
// beforehand, and every value with where it came from.
func Explain(w io.Writer, d *Decoded) error {
	s := d.Scenario
	phases, err := explainPhases(s)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%s, seed %d\n", s.Name, s.Seed)
	if s.About != "" {
		fmt.Fprintln(w, s.About)
	}
	fmt.Fprintln(w, "\nTimeline:")
	rows := append(phases, explainFaults(s)...)
	rows = append(rows, moment{s.Length(), "the load ends"})
	slices.SortStableFunc(rows, func(a, b moment) int { return int(a.at - b.at) })
	for _, r := range rows {
		fmt.Fprintf(w, "  %8s  %s\n", r.at, r.text)
	}
	fmt.Fprintln(w, "\nValues:")
	d.Resolved.Print(w)
	return nil
}

// moment is a line of the timeline.
type moment struct {
	at   time.Duration
	text string
}

func explainPhases(s *plan.Scenario) (rows []moment, err error) {
	sched, err := s.Schedule()
	if err != nil {
		return nil, err
	}
	due, err := dueByPhase(s)
	if err != nil {
		return nil, err
	}
	for i, p := range s.Load.Phases {
		var text string
		if p.Users > 0 {
			text = fmt.Sprintf("phase %s: %d users in a closed loop for %v", p.Name, p.Users, p.End-p.Start)
		} else {
			const inside = 1e-9 // at an edge the rate may be the neighbour's
			from, to := sched.Profile.Rate(p.Start.Seconds()+inside), sched.Profile.Rate(p.End.Seconds()-inside)
			text = fmt.Sprintf("phase %s: %s, %s/s to %s/s for %v, %s requests", p.Name, p.Rate.Kind, reports.Quantity(from, ""), reports.Quantity(to, ""), p.End-p.Start, due[i])
		}
		if p.Discard {
			text += ", not judged"
		}
		rows = append(rows, moment{p.Start, text})
	}
	return rows, nil
}

// dueByPhase says how many requests are due in each phase, from the rates' closed forms: a schedule may be long. A Poisson
// phase has that number only in the mean. Recorded instants are counted whatever the arrivals.
func dueByPhase(s *plan.Scenario) ([]string, error) {
	const rounding = 1e-9
	even := func(hits float64) float64 { return math.Ceil(hits - .5 - rounding) } // the k-th is where hits are k − ½
	texts := make([]string, len(s.Load.Phases))
	hits := 0. // since an even schedule's count began
	for i, p := range s.Load.Phases {
		if p.Users > 0 {
			continue
		}
		segment, err := profile.Kinds().New(p.Rate)
		if err != nil {
			return nil, fmt.Errorf("phase %s: %w", p.Name, err)
		}
		more := segment.Hits(segment.Length())
		recorded, isRecorded := segment.(profile.Instants)
		switch {
		case isRecorded:
			texts[i] = fmt.Sprint(recorded.Exact())
			hits = 0
			continue
		case s.Load.Arrivals == profile.Poisson:
			texts[i] = fmt.Sprintf("about %.0f", more)
		default:
			texts[i] = fmt.Sprintf("%.0f", even(hits+more)-even(hits))
		}
		hits += more
	}
	return texts, nil
}

func explainFaults(s *plan.Scenario) (rows []moment) {
	for i := range s.Faults {
		f := &s.Faults[i]
		rows = append(rows, moment{f.At, fmt.Sprintf("fault %s: %s on %s", f.ID, f.Kind, victims(s, i))})
		if end, ok := f.End(); ok {
			rows = append(rows, moment{end, fmt.Sprintf("fault %s ends", f.ID)})
		}
	}
	return rows
}

// victims says what a fault will hit. A run chooses among the targets in service at that time: which ones those are is
// only certain when nothing can have changed the group by then.
func victims(s *plan.Scenario, i int) string {
	f := &s.Faults[i]
	g := s.Group(f.Select.Group)
	var candidates []chaos.Candidate
	var ids []string
	for n := range g.Targets.Count {
		t := g.Target(n)
		candidates = append(candidates, chaos.Candidate{ID: t.ID, Zone: t.Zone})
		ids = append(ids, t.ID)
	}
	chosen := listIDs(f.Select.Choose(s.Seed, f.ID, candidates))
	planned, observed := plannedChanges(s, i), observedChanges(g, f.At)
	switch {
	case len(planned) > 0:
		return fmt.Sprintf("%s of group %s, chosen at that time among those in service: of %s, as %s may have changed them",
			describeSelector(f.Select), g.Name, listIDs(ids), listReasons(append(planned, observed...)))
	case len(observed) > 0:
		return fmt.Sprintf("%s of group %s, chosen at that time among those in service, as %s may have changed them: %s if all of them are",
			describeSelector(f.Select), g.Name, listReasons(observed), chosen)
	}
	return fmt.Sprintf("%s of group %s", chosen, g.Name)
}

// plannedChanges lists what the scenario itself does to a fault's group up to then.
func plannedChanges(s *plan.Scenario, i int) (reasons []string) {
	f := &s.Faults[i]
	for j := range s.Faults {
		if e := &s.Faults[j]; e.Select.Group == f.Select.Group && (e.At < f.At || (e.At == f.At && j < i)) {
			reasons = append(reasons, "fault "+e.ID)
		}
	}
	for _, x := range s.Scaling {
		if x.Group == f.Select.Group && f.At > 0 {
			reasons = append(reasons, fmt.Sprintf("scaling (%d to %d targets)", x.Policy.Min, x.Policy.Max))
		}
	}
	return reasons
}

// observedChanges lists what may take targets of a group out of service because of how they answer: an overload is
// enough. Checks begin before the load does, outliers take requests.
func observedChanges(g *plan.Group, at time.Duration) (reasons []string) {
	if g.Health != nil {
		reasons = append(reasons, "health checks")
	}
	if g.Outliers != nil && at > 0 {
		reasons = append(reasons, "outlier detection")
	}
	return reasons
}

// listReasons writes a list as a sentence does: a, b and c.
func listReasons(reasons []string) string {
	last := len(reasons) - 1
	if last < 1 {
		return strings.Join(reasons, "")
	}
	return strings.Join(reasons[:last], ", ") + " and " + reasons[last]
}

// listIDs writes ids, the most of them by their number.
func listIDs(ids []string) string {
	const most = 8
	if len(ids) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(ids[:most], ", "), len(ids)-most)
	}
	return strings.Join(ids, ", ")
}

func describeSelector(x chaos.Selector) string {
	switch {
	case x.Count == 1:
		return "1 target"
	case x.Count > 0:
		return fmt.Sprintf("%d targets", x.Count)
	case x.Percent > 0:
		return fmt.Sprintf("%.4g%% of the targets", x.Percent*100)
	case x.ID != "":
		return x.ID
	case x.Zone != "":
		return "zone " + x.Zone
	}
	return "every target"
}
