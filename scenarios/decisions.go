package scenarios

import (
	"strings"
	"unicode"

	"github.com/seed-8025779b/shakedown/balancer/autoscale"
	"github.com/seed-8025779b/shakedown/reports"
)

// keptDecisions is from how many decisions on those that changed nothing are told of as one, alike or not.
const keptDecisions = 1000

// note adds a decision to those of a group. One that changed nothing, as the one before it and for the same reason, is
// counted with that one: a run has a decision for each period of the metric, and may be long.
func (sc *scaler) note(d reports.Decision) {
	n := len(sc.decisions)
	if n == 0 || changes(&d) || changes(&sc.decisions[n-1]) || (n < keptDecisions && !alike(&sc.decisions[n-1], &d)) {
		sc.decisions = append(sc.decisions, d)
		return
	}
	last := &sc.decisions[n-1]
	if last.Repeats == nil {
		last.Repeats = &reports.Repeats{}
		last.Repeats.Lowest, last.Repeats.Highest = spread(last.Repeats, &last.Signal)
	}
	last.Repeats.Count++
	last.Repeats.UntilMS = d.AtMS
	last.Repeats.Lowest, last.Repeats.Highest = spread(last.Repeats, &d.Signal)
}

func changes(d *reports.Decision) bool { return d.Desired != d.Signal.Desired }

// alike reports whether two decisions differ in numbers of the metric at the most.
func alike(a, b *reports.Decision) bool {
	x, y := &a.Signal, &b.Signal
	return a.Vote == b.Vote && x.InService == y.InService && x.Warming == y.Warming && x.Desired == y.Desired && words(a.Reason) == words(b.Reason)
}

// words is a text without its numbers.
func words(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsDigit(r) {
			return -1
		}
		return r
	}, text)
}

// spread is the range of the metric with one more value, that of a signal's latest datapoint.
func spread(x *reports.Repeats, s *autoscale.Signal) (lowest, highest *float64) {
	point := s.Points[len(s.Points)-1]
	switch {
	case point.Missing:
		return x.Lowest, x.Highest
	case x.Lowest == nil:
		return &point.Value, &point.Value
	}
	low, high := min(*x.Lowest, point.Value), max(*x.Highest, point.Value)
	return &low, &high
}
