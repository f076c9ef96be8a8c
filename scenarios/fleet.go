package scenarios

import (
	"time"

	"github.com/seed-8025779b/shakedown/reports"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
)

// fleet is what the player knows of the targets, from events alone.
type fleet struct {
	groups  []string
	members []*memberState // those of the start, then as they were launched
	byID    map[string]*memberState
	last    map[string]plan.TargetStats // at the last moment of the timeline of the target's group
	lastAt  map[string]time.Duration    // when that was, by group
	now     *plan.Stats
	turns   int                     // how often a target came into service or left it, or a group began or ended to fail open
	open    map[string]*memberState // by group: stands for a target that is in service while the group fails open
}

// memberState is one target.
type memberState struct {
	plan.Target
	running      bool
	state        string
	retiring     bool
	generations  []reports.Generation
	changes      []change
	troubles     []trouble
	troubled     bool           // one was told since the last fault was injected on it
	launched     *time.Duration // first launch
	inServiceAt  *time.Duration // first admission
	firstRequest *time.Duration
	ended        *time.Duration
	endedBy      string // the fault that ended the latest process; empty when none did
}

type change struct {
	at         time.Duration
	from, to   string
	reason     string
	lastRouted time.Duration
}

// turn is 1 for a target that came into service, -1 for one that left it, and else 0.
func (c *change) turn() int {
	switch was, is := c.from == inServiceState, c.to == inServiceState; {
	case is && !was:
		return 1
	case was && !is:
		return -1
	}
	return 0
}

type trouble struct {
	at     time.Duration
	reason string
}

func newFleet(s *plan.Scenario) *fleet {
	f := &fleet{byID: map[string]*memberState{}, last: map[string]plan.TargetStats{}, lastAt: map[string]time.Duration{}, open: map[string]*memberState{}}
	if s.Topology != nil {
		for i := range s.Topology.Groups {
			g := &s.Topology.Groups[i]
			f.groups = append(f.groups, g.Name)
			for n := range g.Targets.Count { // in their order, whichever is launched first
				f.member(g.Target(n))
			}
		}
	}
	return f
}

func (f *fleet) member(t plan.Target) *memberState {
	m := f.byID[t.ID]
	if m == nil {
		m = &memberState{Target: t}
		f.byID[t.ID] = m
		f.members = append(f.members, m)
	}
	return m
}

// The states of a target that takes traffic, unless its group fails open, and of one that scaling retires.
const (
	inServiceState = "healthy"
	drainingState  = "draining"
)

func (m *memberState) inService() bool { return m.state == inServiceState }

// event takes in what happened to a target. It reports whether the event tells anything new.
func (f *fleet) event(e *plan.Event) bool {
	if e.Kind == plan.FailOpen || e.Kind == plan.FailShut {
		if f.open[e.Group] == nil {
			f.open[e.Group] = &memberState{}
		}
		c := change{at: e.At, from: inServiceState}
		if e.Kind == plan.FailOpen {
			c = change{at: e.At, to: inServiceState}
		}
		f.open[e.Group].changes = append(f.open[e.Group].changes, c)
		f.turns++
	}
	if e.Target == "" {
		return true
	}
	m := f.member(plan.Target{ID: e.Target, Group: e.Group})
	at := e.At
	switch e.Kind {
	case plan.Launched:
		m.running = true
		if m.launched == nil {
			m.launched = &at
		}
		m.generations = append(m.generations, reports.Generation{Generation: e.Generation, PID: e.PID, LaunchedMS: reports.MS(at)})
	case plan.Exited:
		m.running = false
		m.ended, m.endedBy = &at, e.Fault
		if n := len(m.generations); n > 0 {
			g := &m.generations[n-1]
			g.Exit, g.ExitedMS = e.Detail, reports.MSPtr(&at)
		}
	case plan.Changed:
		m.state = e.To
		c := change{at, e.From, e.To, e.Detail, e.LastRouted}
		if m.changes = append(m.changes, c); c.turn() != 0 || len(m.changes) == 1 { // from its first change on something is known of it
			f.turns++
		}
		if e.To == inServiceState && m.inServiceAt == nil {
			m.inServiceAt = &at
		}
	case plan.Trouble:
		if m.troubled { // one after each fault is enough, and a target that fails now and then has no end of them
			return false
		}
		m.troubled = true
		m.troubles = append(m.troubles, trouble{at, e.Detail})
	}
	return true
}

// measured takes in the world's counters.
func (f *fleet) measured(s *plan.Stats) {
	f.now = s
	for id, x := range s.Targets {
		m := f.byID[id]
		if m == nil {
			continue
		}
		if m.firstRequest == nil && x.Requests+x.Discarded > 0 {
			at := s.At
			m.firstRequest = &at
		}
		if n := len(m.generations); n > 0 && x.Slots > 0 && m.generations[n-1].Generation == x.Generation {
			served := x.Served
			m.generations[n-1].Served = &served
		}
	}
}

// moment describes a group since the last moment.
func (f *fleet) moment(now time.Duration, group string, desired int) reports.Moment {
	mo := reports.Moment{AtMS: reports.MS(now), Group: group, Desired: desired, Requests: map[string]float64{}}
	for _, m := range f.members {
		if m.Group == group {
			if m.running {
				mo.Running++
			}
			if m.inService() {
				mo.InService++
			}
		}
	}
	if f.now == nil {
		return mo
	}
	seconds := (f.now.At - f.lastAt[group]).Seconds()
	f.lastAt[group] = f.now.At
	if u, ok := f.utilisation(group, f.last); ok {
		mo.Utilisation = &u
	}
	for id, x := range f.now.Targets {
		if x.Group != group {
			continue
		}
		before := f.last[id]
		if seconds > 0 {
			mo.Requests[id] = float64(x.Requests+x.Discarded-before.Requests-before.Discarded) / seconds
		}
		f.last[id] = x
	}
	return mo
}

// utilisation is the busy share of the slots in service since earlier counters; ok is false without data.
func (f *fleet) utilisation(group string, since map[string]plan.TargetStats) (u float64, ok bool) {
	var busy, capacity float64
	if f.now == nil {
		return 0, false
	}
	for _, m := range f.members { // in their order: sums of floats must not depend on a map's
		x, known := f.now.Targets[m.ID]
		before, seen := since[m.ID]
		if !known || !seen || m.Group != group || !m.inService() || x.Slots == 0 || x.Generation != before.Generation || x.BusyAt <= before.BusyAt {
			continue
		}
		busy += (x.Busy - before.Busy).Seconds()
		capacity += float64(x.Slots) * (x.BusyAt - before.BusyAt).Seconds()
	}
	if capacity == 0 {
		return 0, false
	}
	return busy / capacity, true
}

// counters copies the latest counters.
func (f *fleet) counters() map[string]plan.TargetStats {
	c := map[string]plan.TargetStats{}
	if f.now != nil {
		for id, x := range f.now.Targets {
			c[id] = x
		}
	}
	return c
}
