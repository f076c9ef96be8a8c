package scenarios

import (
	"errors"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/reports"
	"github.com/seed-8025779b/shakedown/reports/gate"
)

// result makes the result of a run that has ended.
func (p *player) result() *reports.Result {
	r := &reports.Result{
		Schema: reports.Schema, Name: p.s.Name, About: p.s.About, World: p.opts.World, Seed: uint64(p.s.Seed),
		DurationMS: reports.MS(p.ended), PlannedMS: reports.MS(p.s.Length()), Scenario: p.s.Resolved, Timeline: p.timeline,
		Reasons: []string{}, Targets: []reports.Target{}, Faults: []reports.Fault{}, Scaling: []reports.Scaling{},
		Gates: []reports.Gate{}, Events: []reports.Event{}, Examples: map[string]string{},
	}
	r.Objective = reports.Objective{ErrorRate: p.s.Objective.ErrorRate, WindowMS: reports.MS(p.s.Objective.Window), Latency: []reports.Limit{}}
	for _, q := range p.s.Objective.Quantiles {
		r.Objective.Latency = append(r.Objective.Latency, reports.Limit{Percentile: q.Q * 100, LimitMS: reports.MS(q.Limit)})
	}
	p.recorder.Finish()
	judged := p.periods(r)
	h := newCondition(p.recorder.Windows(), p.recorder.Width(), p.ended, p.s.Objective)
	impacts := p.faultResults(r, h)
	p.targetResults(r)
	p.scalingResults(r)
	p.eventResults(r)
	p.validity(r, judged)
	p.judge(r, judged, h, impacts)
	r.Warnings = append([]string{}, p.warnings...)
	p.verdict(r)
	return r
}

// periods fills in phases, windows, requests and the totals, and returns the judged phases merged.
func (p *player) periods(r *reports.Result) *measure.Tally {
	judged, parts := &measure.Tally{}, &measure.Parts{}
	var planned uint64
	var length time.Duration
	for i, ph := range p.s.Load.Phases {
		t := p.recorder.Phase(i)
		period := reports.PeriodOf(ph.Name, ph.Start, ph.End, t, p.planned[i])
		period.Discarded = ph.Discard
		period.Parts = reports.PartsOf(p.recorder.Parts(i))
		r.Phases = append(r.Phases, period)
		if !ph.Discard {
			judged.Merge(t)
			parts.Merge(p.recorder.Parts(i))
			planned += p.planned[i]
			length += ph.End - ph.Start
		}
	}
	whole := reports.PeriodOf("", 0, length, judged, planned)
	r.Totals, r.Rates, r.Latency, r.Errors, r.Histograms = whole.Totals, whole.Rates, whole.Latency, whole.Errors, whole.Histograms
	r.Parts = reports.PartsOf(parts)
	if p.stats != nil {
		r.Totals.Retries = p.stats.Retries
		if p.s.Topology != nil {
			r.Balancer = &reports.Balancer{Requests: p.stats.Requests, Retries: p.stats.Retries, Unrouted: p.stats.Unrouted, Limited: p.stats.Limited, Waited: p.stats.Waited, Overflow: p.stats.Overflow}
		}
	}
	for class, text := range p.recorder.Examples() {
		r.Examples[string(class)] = text
	}
	p.windows(r)
	byName := p.recorder.Requests()
	var names []string
	for name := range byName {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		t := byName[name]
		r.Requests = append(r.Requests, reports.PeriodOf(name, 0, p.ended, t, t.Finished()+t.Cancelled))
	}
	return judged
}

func (p *player) windows(r *reports.Result) {
	width := p.recorder.Width()
	planned := map[int]uint64{} // the plan was counted by the first width; neighbours may have merged since
	for i, n := range p.perBin {
		planned[int(time.Duration(i)*p.binWidth/width)] += n
	}
	tallies := map[int]*measure.Tally{}
	for _, w := range p.recorder.Windows() {
		tallies[int(w.Start/width)] = w.Tally
	}
	last := int((p.s.Length() - 1) / width)
	for i := 0; i <= last; i++ {
		t := tallies[i]
		if t == nil {
			t = &measure.Tally{}
		}
		start := time.Duration(i) * width
		r.Windows = append(r.Windows, reports.PeriodOf(clock(start), start, start+width, t, planned[i]))
	}
}

func (p *player) faultResults(r *reports.Result, h *condition) map[string]impact {
	impacts := map[string]impact{}
	for _, f := range p.faults {
		m := p.measureFault(f, h)
		impacts[f.ID] = m
		r.Faults = append(r.Faults, reports.Fault{
			ID: f.ID, Kind: f.Kind, Targets: append([]string{}, f.targets...),
			InjectedMS: reports.MSPtr(f.injected), RevertedMS: reports.MSPtr(f.ended), Hits: f.hits,
			DetectMS: reports.MSPtr(m.Detect), EjectMS: reports.MSPtr(m.Eject), RecoverMS: reports.MSPtr(m.Recover),
			ResidualMS: reports.MSPtr(m.Residual), Lost: m.Lost,
		})
	}
	return impacts
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
			t.Address, t.Requests, t.Discarded = x.Address, x.Requests, x.Discarded
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

// scaleOut is the slowest scale-out of a group from breach to service; ok is false when there was none,
// or one that never came into service.
func (p *player) scaleOut(group string) (slowest time.Duration, ok bool) {
	for _, sc := range p.scalers {
		if sc.cfg.Group != group {
			continue
		}
		for _, st := range sc.waterfall {
			m := p.fleet.byID[st.id]
			if m == nil || m.inServiceAt == nil {
				return 0, false
			}
			slowest, ok = max(slowest, *m.inServiceAt-st.breach), true
		}
	}
	return slowest, ok
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

// cpuLimit is the share of the CPU it may use above which a generator is too busy to be on time.
const cpuLimit = .8

// lagShare is the share of the judged median response time that the generator's lateness may reach.
const lagShare = .1

// validity decides whether the run can be trusted. What the system did never makes it invalid.
func (p *player) validity(r *reports.Result, judged *measure.Tally) {
	v := &r.Validity
	v.Reasons = []string{}
	v.Lag, v.GeneratorCPU, v.Ceiling = reports.LagOf(&judged.Lag), p.played.CPU, p.ceiling
	if p.s.HasClosed() {
		p.warn("a closed loop sends its next request when the last was answered: its figures tell of throughput, not of the response time at a rate")
	}
	limit := p.s.Validity.Lag
	if limit == 0 {
		limit = max(p.played.LagLimit, time.Duration(lagShare*float64(judged.Response.Quantile(.5))))
	}
	v.LagLimitMS = reports.MS(limit)
	if lag := judged.Lag.Quantile(.99); lag > limit {
		v.Reasons = append(v.Reasons, fmt.Sprintf("the generator was late: 1 %% of the requests left more than %v after they were due (limit %v)",
			lag.Round(10*time.Microsecond), limit.Round(10*time.Microsecond)))
	}
	if due := r.Totals.Planned; p.cause == nil && due > 0 {
		if share := float64(judged.Lag.Count()) / float64(due); share < p.s.Validity.Offered {
			v.Reasons = append(v.Reasons, fmt.Sprintf("the generator offered only %.2f %% of the requests that were due", share*100))
		}
	}
	if p.played.CPU > cpuLimit && !p.s.HasClosed() { // a closed loop takes what it can get
		v.Reasons = append(v.Reasons, fmt.Sprintf("the generator used %.0f %% of the CPU it may use (limit %.0f %%)", p.played.CPU*100, cpuLimit*100))
	}
	if p.cause == nil {
		for _, f := range p.faults {
			if f.hits == 0 {
				v.Reasons = append(v.Reasons, fmt.Sprintf("fault %s hit nothing: no exchange, probe or process was touched", f.ID))
			}
		}
		if judged.Finished() == 0 {
			v.Reasons = append(v.Reasons, "no request was due in the judged phases")
		}
	}
}

// judge decides the gates. When the run was stopped early they are judged on what there is.
func (p *player) judge(r *reports.Result, judged *measure.Tally, h *condition, impacts map[string]impact) {
	facts := &gate.Facts{
		Window: func(name string) (gate.Window, bool) {
			if name == "" {
				return gate.Window{Tally: judged, Seconds: p.judgedSeconds()}, true
			}
			for i, ph := range p.s.Load.Phases {
				if ph.Name == name {
					return gate.Window{Tally: p.recorder.Phase(i), Seconds: (ph.End - ph.Start).Seconds()}, true
				}
			}
			for _, f := range p.faults {
				if f.ID == name && f.injected != nil {
					end := impacts[name].end
					return gate.Window{Tally: h.between(*f.injected, end), Seconds: (end - *f.injected).Seconds()}, true
				}
			}
			return gate.Window{}, false
		},
		Fault: func(id string) (gate.Fault, bool) {
			for _, f := range p.faults {
				if f.ID == id && f.injected != nil {
					return impacts[id].Fault, true
				}
			}
			return gate.Fault{}, false
		},
		Imbalance: func() (float64, bool) { return imbalance(r.Targets) },
		ScaleOut:  p.scaleOut,
	}
	for _, g := range p.s.Gates {
		j := g.Judge(facts)
		out := reports.Gate{Expr: g.Expr, Metric: g.Metric, Window: g.Window, Limit: g.Limit, Op: g.Op, Unit: string(j.Unit), Passed: j.Passed}
		switch {
		case j.Happened:
			out.Observed = &j.Observed
		case j.Empty:
			out.Note = "no request in its window"
			if p.cause == nil {
				r.Validity.Reasons = append(r.Validity.Reasons, fmt.Sprintf("gate %s has no request to judge", g.Expr))
			}
		default:
			out.Note = "never happened"
		}
		r.Gates = append(r.Gates, out)
	}
	r.Validity.Valid = len(r.Validity.Reasons) == 0
}

func (p *player) judgedSeconds() (s float64) {
	for _, ph := range p.s.Load.Phases {
		if !ph.Discard {
			s += (ph.End - ph.Start).Seconds()
		}
	}
	return s
}

// imbalance is the largest target's share over the mean share, less 1, of the group where that is worst.
func imbalance(targets []reports.Target) (worst float64, ok bool) {
	type group struct {
		n   int
		max float64
	}
	groups := map[string]*group{}
	for _, t := range targets {
		g := groups[t.Group]
		if g == nil {
			g = &group{}
			groups[t.Group] = g
		}
		g.n++
		g.max = max(g.max, t.Share)
	}
	for _, g := range groups {
		if g.max > 0 {
			worst, ok = max(worst, g.max*float64(g.n)-1), true
		}
	}
	return worst, ok
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
		r.Reasons = []string{fmt.Sprintf("interrupted after %s of %s", clock(p.ended), clock(p.s.Length()))}
	case !r.Validity.Valid:
		r.Verdict = reports.Invalid
		r.Reasons = append(r.Reasons, r.Validity.Reasons...)
	default:
		r.Verdict = reports.Passed
	}
	r.Reasons = append(r.Reasons, p.broken...)
	for _, g := range r.Gates {
		if !g.Passed {
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
