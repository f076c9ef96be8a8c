package scenarios

import (
	"sort"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
)

// condition says for each bin of a run whether the scenario's objective held from its start on: for the requests that
// ended from then on, so that a failure counts when it happened, and for those that were due, so that requests which
// hang count before they end.
type condition struct {
	bins  []binHealth
	ended time.Duration // of the load: beyond it nothing is asked of the system
	o     plan.Objective
}

// binHealth is what the objective looks at in a bin.
type binHealth struct {
	start      time.Duration
	ended, due outcome
}

// outcome is what the objective asks of some requests.
type outcome struct {
	finished  uint64
	bad       uint64
	succeeded int64
	within    []uint64 // successes within each limit on a percentile
}

// newCondition takes the bins of a run whose load ended at the given time. lower leaves out what the generator
// itself delayed.
func newCondition(bins []*measure.Bin, ended time.Duration, o plan.Objective, lower bool) *condition {
	c := &condition{ended: ended, o: o}
	limits := make([]time.Duration, len(o.Quantiles))
	for i, q := range o.Quantiles {
		limits[i] = q.Limit
	}
	of := func(t *measure.Tally) outcome {
		if lower {
			t = t.Lower()
		}
		return outcome{t.Finished(), t.Failed + t.Dropped, t.Response.Count(), t.Response.AtMost(limits)}
	}
	for _, b := range bins {
		c.bins = append(c.bins, binHealth{b.Start, of(&b.Ended), of(&b.Due)})
	}
	return c
}

func (h *outcome) add(o *outcome) {
	h.finished += o.finished
	h.bad += o.bad
	h.succeeded += o.succeeded
	for k := range h.within {
		h.within[k] += o.within[k]
	}
}

// meets reports whether the requests meet the objective; where there are none nobody waits, and they do.
func (h *outcome) meets(o *plan.Objective) bool {
	if float64(h.bad) > o.ErrorRate*float64(h.finished) {
		return false
	}
	for k, q := range o.Quantiles {
		// The percentile is at most the limit when that many values are.
		if h.succeeded > 0 && h.within[k] < uint64(measure.Rank(q.Q, h.succeeded)) {
			return false
		}
	}
	return true
}

// holds reports whether the objective holds over its window from the start of bin i, rounded up to whole bins, and
// whether a request was due in it: without one it proves nothing.
func (c *condition) holds(i int) (holds, asked bool) {
	n := len(c.o.Quantiles)
	ended, due := outcome{within: make([]uint64, n)}, outcome{within: make([]uint64, n)}
	for j := i; j < len(c.bins) && c.bins[j].start < c.bins[i].start+c.o.Window; j++ {
		ended.add(&c.bins[j].ended)
		due.add(&c.bins[j].due)
	}
	return ended.meets(&c.o) && due.meets(&c.o), due.finished > 0
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
	for ; ; i++ {
		if i == len(c.bins) || c.bins[i].start > latest || c.bins[i].start >= c.ended {
			return recovery{at: t0, known: true}
		}
		if holds, _ := c.holds(i); !holds {
			break
		}
	}
	for ; i < len(c.bins) && c.bins[i].start+c.o.Window <= c.ended; i++ {
		if holds, asked := c.holds(i); holds && asked {
			return recovery{at: c.bins[i].start, broken: true, known: true}
		}
	}
	return recovery{broken: true}
}
