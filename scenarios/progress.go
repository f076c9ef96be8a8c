package scenarios

import (
	"fmt"
	"math"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/scenarios/expose"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
)

// progress tells about once a second how far the run has come.
func (p *player) progress() {
	now, r := p.world.Now(), p.rec
	r.mu.Lock()
	r.advance()
	r.recorder.Close(now)
	pr := Progress{
		Now: now, Length: p.s.Length(), InFlight: p.world.InFlight(), Planned: r.expected(),
		P50: r.recent.Response.Quantile(.5), P99: r.recent.Response.Quantile(.99), Lag: r.recent.Lag.Quantile(.99),
	}
	r.recent = measure.Tally{}
	for i, ph := range p.s.Load.Phases {
		t := r.recorder.Phase(i)
		pr.Ended += t.Finished()
		pr.Failed += t.Failed
		pr.Dropped += t.Dropped
		if now >= ph.Start && now < ph.End {
			pr.Phase = ph.Name
		}
	}
	if p.opts.Expose != nil {
		p.opts.Expose(r.figures(&pr))
	}
	r.mu.Unlock()
	p.opts.Progress(pr)
}

// expected is how many requests the load has in all: those that were counted, and as many as the schedule is expected to
// have from there on. Arrivals may be random, so that the two differ.
func (r *record) expected() (n uint64) {
	for _, planned := range r.planned {
		n += planned
	}
	if !r.more {
		return n
	}
	return n + 1 + uint64(math.Round(r.walk.Left())) // the next is known, and not yet counted
}

// figures are what the run has come to so far.
func (r *record) figures(pr *Progress) expose.Figures {
	f := expose.Figures{
		Elapsed: pr.Now, Length: pr.Length, Planned: pr.Planned, Failed: pr.Failed, Dropped: pr.Dropped, InFlight: pr.InFlight, Lag: pr.Lag,
		Errors: map[measure.Class]uint64{}, Response: make([]uint64, len(expose.Bounds())),
	}
	for i := range r.s.Load.Phases {
		t := r.recorder.Phase(i)
		f.Succeeded += t.Succeeded
		f.ResponseSum += t.Response.Mean() * time.Duration(t.Succeeded)
		for class, n := range t.Errors {
			f.Errors[class] += n
		}
		for j, n := range t.Response.AtMost(expose.Bounds()) {
			f.Response[j] += n
		}
	}
	return f
}

// announce tells a person of what happens while the load is played.
func (p *player) announce(e *plan.Event) {
	if e.At < 0 || p.stopped {
		return
	}
	text := ""
	switch e.Kind {
	case "fault":
		text = fmt.Sprintf("fault %s: %s", e.Fault, e.Detail)
	case plan.Reverted:
		text = fmt.Sprintf("fault %s: %s", e.Fault, e.Detail)
	case "scale":
		text = fmt.Sprintf("scaling of %s: %s", e.Group, e.Detail)
	case plan.Changed:
		text = fmt.Sprintf("target %s: %s → %s (%s)", e.Target, e.From, e.To, e.Detail)
	case plan.Exited:
		text = fmt.Sprintf("target %s ended: %s", e.Target, e.Detail)
	case plan.Broken, plan.FailOpen, plan.FailShut:
		text = e.Detail
	default:
		return
	}
	p.opts.Announce(fmt.Sprintf("%6.2fs  %s", e.At.Seconds(), text))
}
