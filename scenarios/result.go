package scenarios

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/reports"
	"github.com/seed-8025779b/shakedown/reports/gate"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
)

// result makes the result of a run that has ended.
func (p *player) result() *reports.Result {
	r := &reports.Result{
		Schema: reports.Schema, Name: p.s.Name, About: p.s.About, World: p.opts.World, Seed: uint64(p.s.Seed),
		DurationMS: reports.MS(p.ended), PlannedMS: reports.MS(p.s.Length()), Scenario: p.s.Resolved, Timeline: append([]reports.Moment{}, p.timeline...),
		DrainMS: reports.MS(max(p.rec.recorder.Last()-p.ended, 0)),
		Reasons: []string{}, Targets: []reports.Target{}, Faults: []reports.Fault{}, Scaling: []reports.Scaling{},
		Windows: []reports.Period{}, Requests: []reports.Period{},
		Gates: []reports.Gate{}, Events: []reports.Event{}, Examples: map[string]string{},
	}
	r.Objective = reports.Objective{ErrorRate: p.s.Objective.ErrorRate, WindowMS: reports.MS(p.s.Objective.Window), Latency: []reports.Limit{}}
	for _, q := range p.s.Objective.Quantiles {
		r.Objective.Latency = append(r.Objective.Latency, reports.Limit{Percentile: q.Q * 100, LimitMS: reports.MS(q.Limit)})
	}
	judged := p.periods(r)
	measured := &figures{p: p, judged: judged, impacts: p.impacts(false), otherCourse: p.firstCourseChange()}
	all := sides{measured, measured, measured}
	if p.rec.recorder.Delayed() || len(p.played.Stalls) > 0 {
		all[atBest] = &figures{p: p, judged: judged.Lower(), impacts: p.impacts(true), on: atBest}
		p.countMissed()
		all[atWorst] = &figures{p: p, judged: judged.Worst(p.misses(p.isJudged)), impacts: p.worstImpacts(), on: atWorst}
	}
	p.faultResults(r, measured.impacts)
	p.targetResults(r)
	p.scalingResults(r)
	p.eventResults(r)
	p.validity(r, judged)
	p.judge(r, &all)
	r.Warnings = append([]string{}, p.warnings...)
	p.verdict(r)
	return r
}

// periods fills in phases, windows, requests and the totals, and returns the judged phases merged.
func (p *player) periods(r *reports.Result) *measure.Tally {
	judged, parts := p.rec.recorder.Judged()
	var planned, due uint64
	for i, ph := range p.s.Load.Phases {
		period := p.period(ph.Name, ph.Start, ph.End, p.lengthOf(ph), p.rec.recorder.Phase(i), p.rec.planned[i], p.rec.planned[i]-p.rec.never[i])
		period.Discarded = ph.Discard
		period.Parts = reports.PartsOf(p.rec.recorder.Parts(i))
		r.Phases = append(r.Phases, period)
		if !ph.Discard {
			planned += p.rec.planned[i]
			due += p.rec.planned[i] - p.rec.never[i]
		}
	}
	length, asPlanned := p.judgedTime()
	whole := p.period("", 0, asPlanned, length, judged, planned, due)
	r.Totals, r.Rates, r.Latency, r.Errors, r.Retried, r.Histograms = whole.Totals, whole.Rates, whole.Latency, whole.Errors, whole.Retried, whole.Histograms
	r.Parts = reports.PartsOf(parts)
	r.JudgedMS = reports.MS(length)
	r.Statuses, r.Bytes = reports.StatusesOf(judged), reports.BytesOf(judged)
	if p.stats != nil {
		r.Totals.Retries = p.stats.Retries
		if p.s.Topology != nil {
			r.Balancer = &reports.Balancer{Requests: p.stats.Requests, Retries: p.stats.Retries, Unrouted: p.stats.Unrouted, Limited: p.stats.Limited, Waited: p.stats.Waited, Overflow: p.stats.Overflow}
		}
	}
	for class, text := range p.rec.recorder.Examples() {
		r.Examples[string(class)] = text
	}
	for _, b := range p.rec.recorder.Bins() {
		w := reports.WindowOf(clock(b.Start), b)
		w.Discarded = p.s.Load.Phases[b.Phase].Discard
		r.Windows = append(r.Windows, w)
	}
	byName := p.rec.recorder.Requests()
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		t := byName[name]
		r.Requests = append(r.Requests, reports.PeriodOf(name, 0, length, t, t.Finished()+t.Cancelled)) // of those that were offered
	}
	return judged
}

// period makes a period of which only a part was played, if the run was stopped early: its rates are of that part, and
// so of the requests that were due in it.
func (p *player) period(name string, start, end, played time.Duration, t *measure.Tally, planned, due uint64) reports.Period {
	out := reports.PeriodOf(name, start, end, t, planned)
	if played < end-start {
		out.Rates = reports.RatesOf(t, due, played)
	}
	return out
}

// judgedTime is how long the phases that are not discarded lasted, and how long they should have.
func (p *player) judgedTime() (played, planned time.Duration) {
	for _, ph := range p.s.Load.Phases {
		if !ph.Discard {
			played += p.lengthOf(ph)
			planned += ph.End - ph.Start
		}
	}
	return played, planned
}

// lengthOf is how long a phase lasted: as planned, or until the run was stopped.
func (p *player) lengthOf(ph plan.Phase) time.Duration {
	return max(min(ph.End, p.ended)-ph.Start, 0)
}

func (p *player) faultResults(r *reports.Result, impacts []impact) {
	for i, f := range p.faults {
		m := &impacts[i]
		x := reports.Fault{
			ID: f.ID, Kind: f.Kind, Targets: append([]string{}, f.targets...),
			InjectedMS: reports.MSPtr(f.injected), RevertedMS: reports.MSPtr(f.ended), Hits: f.hits,
			DetectMS: reports.MSPtr(m.Detect), EjectMS: reports.MSPtr(m.Eject), LastRoutedMS: reports.MSPtr(m.lastRouted),
			RecoverMS: reports.MSPtr(m.Recover), ResidualMS: reports.MSPtr(m.Residual),
			Lost: m.Lost, Charged: m.charged, Expected: m.expected,
		}
		if f.injected != nil {
			w := reports.PeriodOf(f.ID, m.from, min(m.to, p.ended), m.tally, m.planned)
			x.Window = &w
		}
		if m.Before {
			p.warn("fault %s: %s: its recovery, its window and what it is charged with may tell of what was wrong before", f.ID, gate.BrokenBefore)
		}
		r.Faults = append(r.Faults, x)
	}
}

func (p *player) targetResults(r *reports.Result) {
	sum := map[string]uint64{}
	if p.stats != nil {
		for _, x := range p.stats.Targets {
			sum[x.Group] += x.Requests
		}
	}
	for _, m := range p.fleet.members {
		t := reports.Target{ID: m.ID, Group: m.Group, Generations: m.generations, Changes: []reports.Change{}}
		if p.stats != nil {
			x := p.stats.Targets[m.ID]
			t.Address, t.Requests, t.Discarded, t.Expected = x.Address, x.Requests, x.Discarded, x.Expected
			if sum[m.Group] > 0 {
				t.Share = float64(x.Requests) / float64(sum[m.Group])
			}
		}
		for _, c := range m.changes {
			t.Changes = append(t.Changes, reports.Change{AtMS: reports.MS(c.at), From: c.from, To: c.to, Reason: c.reason})
		}
		r.Targets = append(r.Targets, t)
	}
}

func (p *player) scalingResults(r *reports.Result) {
	for _, sc := range p.scalers {
		out := reports.Scaling{Group: sc.cfg.Group, Decisions: sc.decisions, Servers: []reports.Server{}, Waterfall: []reports.Stages{}}
		for _, m := range p.fleet.members {
			if m.Group == sc.cfg.Group {
				_, scaled := sc.stages(m.ID)
				ended := m.ended
				if ended != nil && (m.running || *ended > p.ended) { // started again, or ended with the run
					ended = nil
				}
				out.Servers = append(out.Servers, reports.Server{ID: m.ID, Initial: !scaled, StartedMS: reports.MSPtr(m.launched), EndedMS: reports.MSPtr(ended)})
			}
		}
		for _, st := range sc.waterfall {
			x := reports.Stages{Server: st.id, BreachMS: reports.MSPtr(&st.breach), DecidedMS: reports.MSPtr(&st.decided)}
			if m := p.fleet.byID[st.id]; m != nil && m.launched != nil {
				booted := *m.launched + st.boot
				x.LaunchedMS, x.BootedMS = reports.MSPtr(m.launched), reports.MSPtr(&booted)
				x.InServiceMS, x.FirstRequest = reports.MSPtr(m.inServiceAt), reports.MSPtr(m.firstRequest)
			}
			out.Waterfall = append(out.Waterfall, x)
		}
		r.Scaling = append(r.Scaling, out)
	}
}

func (sc *scaler) stages(id string) (*stages, bool) {
	for _, st := range sc.waterfall {
		if st.id == id {
			return st, true
		}
	}
	return nil, false
}

func (p *player) eventResults(r *reports.Result) {
	for _, e := range p.events {
		detail := e.Detail
		if e.From != "" {
			detail = fmt.Sprintf("%s → %s: %s", e.From, e.To, e.Detail)
		}
		r.Events = append(r.Events, reports.Event{
			AtMS: reports.MS(e.At), Kind: string(e.Kind), Group: e.Group, Target: e.Target, Generation: e.Generation, Fault: e.Fault, Detail: detail,
		})
	}
	sort.SliceStable(r.Events, func(i, j int) bool { return r.Events[i].AtMS < r.Events[j].AtMS })
}

// verdict says what the run came to, and why. That it was stopped comes first; then whether it can be
// trusted; then what it says.
func (p *player) verdict(r *reports.Result) {
	switch {
	case errors.Is(p.cause, errAborted):
		r.Verdict = reports.Aborted
		r.Reasons = []string{"the abort rule fired: " + strings.TrimPrefix(p.cause.Error(), "aborted: ")}
	case p.cause != nil:
		r.Verdict = reports.Interrupted
		reason := fmt.Sprintf("interrupted after %s of %s", clock(p.ended), clock(p.s.Length()))
		if p.ended == p.s.Length() {
			reason += ", while the last requests were under way"
		}
		r.Reasons = []string{reason}
	case !r.Validity.Valid:
		r.Verdict = reports.Invalid
		r.Reasons = append(r.Reasons, r.Validity.Reasons...)
	default:
		r.Verdict = reports.Passed
	}
	r.Reasons = append(r.Reasons, p.broken...)
	if p.collapsed != "" {
		r.Reasons = append(r.Reasons, p.collapsed)
	}
	for _, g := range r.Gates {
		if !g.Passed && g.Judged {
			r.Reasons = append(r.Reasons, fmt.Sprintf("%s: observed %s", g.Expr, g.ObservedText()))
		}
	}
	if r.Verdict == reports.Passed && len(r.Reasons) > 0 {
		r.Verdict = reports.Failed
	}
	if r.Verdict == reports.Passed && len(r.Gates) == 0 {
		r.Reasons = []string{"no gates: nothing was asked of the system"}
	}
}
