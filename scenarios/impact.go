package scenarios

import (
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/reports/gate"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
)

// condition says for each window of a run whether the scenario's objective held from its start on.
type condition struct {
	windows map[int]*measure.Tally
	width   time.Duration
	span    int // windows in the objective's window
	last    int // index of the last window
	o       plan.Objective
	cache   map[int]bool
}

// newCondition takes the windows of a run that ended at the given time; those without requests may be left
// out.
func newCondition(windows []measure.Window, width, ended time.Duration, o plan.Objective) *condition {
	h := &condition{
		windows: map[int]*measure.Tally{}, width: width, span: max(1, int((o.Window+width-1)/width)),
		last: int(max(ended-1, 0) / width), o: o, cache: map[int]bool{},
	}
	for _, w := range windows {
		h.windows[int(w.Start/width)] = w.Tally
	}
	return h
}

// holds reports whether the objective holds over its window from the start of window i. Where no request
// is due nobody waits, and it holds.
func (h *condition) holds(i int) bool {
	if v, ok := h.cache[i]; ok {
		return v
	}
	var response measure.Hist
	var finished, bad uint64
	for j := i; j < i+h.span; j++ {
		if w := h.windows[j]; w != nil {
			response.Merge(&w.Response)
			finished += w.Finished()
			bad += w.Failed + w.Dropped
		}
	}
	ok := finished == 0 || float64(bad) <= h.o.ErrorRate*float64(finished)
	for _, q := range h.o.Quantiles {
		ok = ok && (response.Count() == 0 || response.Quantile(q.Q) <= q.Limit)
	}
	h.cache[i] = ok
	return ok
}

// recovery is when the objective held again after a fault, from its injection at t0 to its end at tr:
// the start of the first window after the first broken one from which the objective holds over its whole
// window. The breach must begin before one objective window has passed since the fault's end; without a
// breach the system is recovered at t0. ok is false when it never held again, or when the run ended before
// that could be said.
func (h *condition) recovery(t0, tr time.Duration) (ts time.Duration, ok bool) {
	first, latest := int(t0/h.width), int(tr/h.width)+h.span
	i := first
	for ; i <= min(latest, h.last) && h.holds(i); i++ {
	}
	if i > min(latest, h.last) {
		return t0, true
	}
	for ; i+h.span <= h.last+1; i++ {
		if h.holds(i) {
			return max(t0, time.Duration(i)*h.width), true
		}
	}
	return 0, false
}

// between merges the windows that overlap [from, to).
func (h *condition) between(from, to time.Duration) *measure.Tally {
	t := &measure.Tally{}
	for i := int(from / h.width); i <= h.last && time.Duration(i)*h.width < to; i++ {
		if w := h.windows[i]; w != nil {
			t.Merge(w)
		}
	}
	return t
}

// impact is the measures of one fault.
type impact struct {
	gate.Fault
	end time.Duration // of the fault's window: when the objective held again, or the run's end
}

// measureFault takes the measures of a fault from the run's events and windows:
// detect, the first failed probe or exchange of a victim that the balancer noticed; eject, the last request
// routed to a victim before it was out of service, of the victim for which that took longest; recover and
// residual by the scenario's objective; lost, the failed requests due until recovery (or until the fault's
// end, when the objective never broke), less the error rate before the fault times the requests.
func (p *player) measureFault(r *faultRun, h *condition) impact {
	var m impact
	if r.injected == nil {
		return m
	}
	t0 := *r.injected
	tr := p.ended
	if r.ended != nil {
		tr = *r.ended
	}
	for _, id := range r.targets {
		victim := p.fleet.byID[id]
		if at, ok := victim.firstTrouble(t0, tr); ok {
			if d := at - t0; m.Detect == nil || d < *m.Detect {
				m.Detect = &d
			}
		}
		if at, ok := victim.lastRouted(t0, tr, p.stats); ok {
			if d := max(at-t0, 0); m.Eject == nil || d > *m.Eject {
				m.Eject = &d
			}
		}
	}
	ts, ok := h.recovery(t0, tr)
	m.end = p.ended
	if ok {
		d := ts - t0
		residual := max(ts-tr, 0)
		m.Recover = &d
		if r.ended != nil {
			m.Residual = &residual
		}
		m.end = max(ts, tr)
	}
	during, before := h.between(t0, m.end), h.between(0, t0-h.width)
	m.Lost = max(float64(during.Failed+during.Dropped)-before.ErrorRate()*float64(during.Finished()), 0)
	return m
}

// firstTrouble is when the balancer first saw the target fail in [t0, tr].
func (m *memberState) firstTrouble(t0, tr time.Duration) (time.Duration, bool) {
	for _, t := range m.troubles {
		if t.at >= t0 && t.at <= tr {
			return t.at, true
		}
	}
	return 0, false
}

// lastRouted is the last request routed to the target before it was out of service, if the balancer took
// it out in [t0, tr]. What the balancer tells with a change is the last request so far; a request chosen
// in the same instant shows with the next change, or at the end.
func (m *memberState) lastRouted(t0, tr time.Duration, final *plan.Stats) (time.Duration, bool) {
	for i, c := range m.changes {
		if c.at < t0 || c.at > tr || c.from != "healthy" {
			continue
		}
		for _, later := range m.changes[i+1:] {
			if later.to == "healthy" {
				return later.lastRouted, true
			}
		}
		if final != nil {
			return final.Targets[m.ID].LastRoute, true
		}
		return c.lastRouted, true
	}
	return 0, false
}
