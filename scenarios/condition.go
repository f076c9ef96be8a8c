package scenarios

import (
	"sort"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
)

// condition says for each bin of a run whether the scenario's objective held from its start on. It goes by the
// requests that ended in a bin, so that a failure counts when it happened.
type condition struct {
	bins  []binHealth
	ended time.Duration // of the load: beyond it nothing is asked of the system
	o     plan.Objective
}

// binHealth is what the objective looks at in a bin.
type binHealth struct {
	start, end time.Duration
	finished   uint64
	bad        uint64
	succeeded  int64
	within     []uint64 // successes within each limit on a percentile
}

// newCondition takes the bins of a run whose load ended at the given time. lower leaves out what the generator
// itself delayed.
func newCondition(bins []*measure.Bin, ended time.Duration, o plan.Objective, lower bool) *condition {
	c := &condition{ended: ended, o: o}
	limits := make([]time.Duration, len(o.Quantiles))
	for i, q := range o.Quantiles {
		limits[i] = q.Limit
	}
	for _, b := range bins {
		t := &b.Ended
		if lower {
			t = t.Lower()
		}
		c.bins = append(c.bins, binHealth{b.Start, b.End, t.Finished(), t.Failed + t.Dropped, t.Response.Count(), t.Response.AtMost(limits)})
	}
	return c
}

// holds reports whether the objective holds over its window from the start of bin i, rounded up to whole bins.
// Where no request ended nobody waited in vain, and it holds.
func (c *condition) holds(i int) bool {
	var sum binHealth
	within := make([]uint64, len(c.o.Quantiles))
	for j := i; j < len(c.bins) && c.bins[j].start < c.bins[i].start+c.o.Window; j++ {
		b := &c.bins[j]
		sum.finished += b.finished
		sum.bad += b.bad
		sum.succeeded += b.succeeded
		for k := range within {
			within[k] += b.within[k]
		}
	}
	if float64(sum.bad) > c.o.ErrorRate*float64(sum.finished) {
		return false
	}
	for k, q := range c.o.Quantiles {
		// The percentile is at most the limit when that many values are.
		if within[k] < uint64(q.Q*float64(sum.succeeded)+.5) {
			return false
		}
	}
	return true
}

// at returns the index of the first bin that begins at t or later.
func (c *condition) at(t time.Duration) int {
	return sort.Search(len(c.bins), func(i int) bool { return c.bins[i].start >= t })
}

// recovery is what became of the objective after a fault.
type recovery struct {
	at     time.Duration // it held again from then on, over its whole window
	broken bool          // it broke at all
	known  bool          // false: it never held again, or the load ended before that could be said
}

// recovery looks at the objective after a fault, from its injection at t0 to its end at tr. The breach must begin
// before one objective window has passed since the fault's end; without one the system is recovered at t0.
func (c *condition) recovery(t0, tr time.Duration) recovery {
	i := c.at(t0)
	latest := min(tr+c.o.Window, c.ended)
	for i < len(c.bins) && c.bins[i].start <= latest && c.bins[i].start < c.ended && c.holds(i) {
		i++
	}
	if i == len(c.bins) || c.bins[i].start > latest || c.bins[i].start >= c.ended {
		return recovery{at: t0, known: true}
	}
	for ; i < len(c.bins) && c.bins[i].start+c.o.Window <= c.ended; i++ {
		if c.holds(i) {
			return recovery{at: c.bins[i].start, broken: true, known: true}
		}
	}
	return recovery{broken: true}
}
