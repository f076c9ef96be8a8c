package scenarios

import (
	"slices"
	"sort"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
)

// condition tells when the scenario's objective broke after a fault's injection, and when it held again. It looks at it
// while the run goes on, on counts of narrow stretches of time, rows, and lets go of what is decided: neither what it
// finds nor the memory it takes depends on how long the run is.
//
// The objective is asked for the requests that ended within its window, so that a failure counts when it happened, and
// for those that were due in it, so that requests which hang count before they end; and of both as measured, and
// without what the generator itself delayed.
type condition struct {
	o     plan.Objective
	ended time.Duration // of the load: beyond it nothing is asked of the system
	after time.Duration // how long after the start of a row all is known of it and of the window that begins there
	width time.Duration // of rows, at most
	bins  *measure.Recorder

	missed missedFaults // asked only about samples that missed some

	coming  []time.Duration // when faults are to be injected that were not yet, ascending
	watches []*watch        // those that are not settled, by their injections
	rows    []stretch       // that follow each other without gaps; the first was not looked at yet
	from    time.Duration   // where the rows began
	late    uint64          // requests that ended when their row had been looked at
}

// stretch is a row: the counts of the requests of a short time. Its edges are those that bins of the first width have.
type stretch struct {
	start, end time.Duration
	sides      [3]struct{ ended, due outcome } // as measured, at best and at worst
	missed     []missedRow                     // at worst, besides
}

// The sides of what is known; see measure.Tally.Lower and Worst.
const (
	asMeasured = 0
	atBest     = 1
	atWorst    = 2
)

// outcome is what the objective asks of some requests.
type outcome struct {
	finished  uint64
	bad       uint64
	succeeded int64
	within    []uint64 // successes within each limit on a percentile
}

// watch is what became of the objective after one fault, on each side.
type watch struct {
	from  time.Duration // the fault's injection
	until time.Duration // the fault's end, once it has come: a window that begins later tells nothing of it
	ends  bool          // an end is to come within the load
	sides [3]hold

	waiting outcome // requests that had waited longer than a limit at the injection, as if they had ended then
	before  bool    // as measured, the objective was not met over the window that ends at the injection

	planned time.Duration // when the fault should have been injected, or was
	early   []missedRow   // successes that ended from planned to the injection, and may have missed faults
}

// hold is whether the objective held again after a fault, on one side.
type hold struct {
	broken, held, settled bool
	at                    time.Duration // it held again from then on, over its whole window; while it does not, the end of the last breach in which requests were due
}

const (
	// lateBy is how long after its end a request's sample may come.
	lateBy = time.Second
	// maxDelay bounds how long after its due time a request may end and still be counted, in rows.
	maxDelay = 4800
)

// newCondition looks at a load of a length, of requests that end within a timeout of their due time. width is that of
// the recorder's first bins, which must have an edge where the objective held again. coming is when faults are to be
// injected.
func newCondition(o plan.Objective, length, timeout, width time.Duration, bins *measure.Recorder, coming ...time.Duration) *condition {
	return &condition{
		o: o, ended: length, after: o.Window + width + min(timeout+lateBy, maxDelay*width), width: width, bins: bins,
		coming: slices.Sorted(slices.Values(coming)),
	}
}

// watch begins to look at the objective from an edge of bins on, at which the next fault is injected, and should have been
// at planned; ends tells whether an end of it is to come within the load.
func (c *condition) watch(planned, from time.Duration, ends bool) *watch {
	c.open(from)
	if len(c.rows) == 0 {
		c.begin(from)
	}
	c.cut(from)
	if len(c.watches) == 0 {
		c.bins.Keep(from)
	}
	if len(c.coming) > 0 {
		c.coming = c.coming[1:]
	}
	w := &watch{planned: min(planned, from), from: from, until: forever, ends: ends, waiting: c.newRow(0, 0).sides[asMeasured].ended}
	c.watches = append(c.watches, w)
	return w
}

// open begins rows when the next injection is so near that the window before it has begun.
func (c *condition) open(now time.Duration) {
	if len(c.rows) == 0 && len(c.coming) > 0 && now >= c.opening() {
		c.begin(c.opening())
	}
}

// opening is the edge at which rows must begin to hold the window before the next injection, though that should come a
// little early.
func (c *condition) opening() time.Duration {
	return max((c.coming[0]-c.o.Window)/c.width-1, 0) * c.width
}

func (c *condition) begin(from time.Duration) {
	c.from = from
	c.rows = []stretch{c.newRow(from, c.bins.Edge(from))}
}

func (c *condition) newRow(start, end time.Duration) stretch {
	r, n := stretch{start: start, end: end}, len(c.o.Quantiles)
	within := make([]uint64, 2*n*len(r.sides))
	for i := range r.sides {
		r.sides[i].ended.within, r.sides[i].due.within = within[:n:n], within[n:2*n:2*n]
		within = within[2*n:]
	}
	return r
}

// cut makes a row begin at an edge of bins.
func (c *condition) cut(at time.Duration) {
	if len(c.rows) == 0 || at < c.rows[0].start {
		return
	}
	if r := c.at(at); r.start < at {
		next := c.newRow(at, r.end)
		r.end = at
		c.rows = slices.Insert(c.rows, c.index(at)+1, next)
	}
}

// index returns the index of the last row that begins at t or earlier.
func (c *condition) index(t time.Duration) int {
	return sort.Search(len(c.rows), func(i int) bool { return c.rows[i].start > t }) - 1
}

// at returns the row that holds t, which must not lie before the first, and makes those up to it.
func (c *condition) at(t time.Duration) *stretch {
	for last := c.rows[len(c.rows)-1].end; t >= last; {
		next := c.bins.Edge(last)
		c.rows = append(c.rows, c.newRow(last, next))
		last = next
	}
	return &c.rows[c.index(t)]
}

// add counts a sample. It comes before the recorder takes it in, which then knows what need not be narrow any more.
func (c *condition) add(s *measure.Sample) {
	if s.Outcome == measure.Cancelled {
		return
	}
	c.open(s.Done)
	for len(c.rows) > 0 && s.Done >= c.rows[0].start+c.after { // one by one, however long nothing had ended
		c.at(max(c.rows[0].end, c.rows[0].start+c.o.Window))
		c.decide()
	}
	if len(c.rows) == 0 {
		return
	}
	for _, w := range c.watches {
		w.wait(&c.o, s)
	}
	first := c.rows[0].start
	if s.Done >= first {
		r := c.at(s.Done)
		if s.Missed != 0 {
			c.missedOf(r, s).ended.count(&c.o, true, s.Response()+c.missed.delays(s.Missed))
		}
		for side := range r.sides {
			r.sides[side].ended.countOn(side, &c.o, s)
		}
	}
	switch {
	case s.Due >= first:
		r := c.at(s.Due)
		if s.Missed != 0 {
			c.missedOf(r, s).due.count(&c.o, true, s.Response()+c.missed.delays(s.Missed))
		}
		for side := range r.sides {
			r.sides[side].due.countOn(side, &c.o, s)
		}
	case s.Due >= c.from:
		c.late++
	}
}

// wait takes in a request that was under way at the injection and had waited longer than a limit by then.
func (w *watch) wait(o *plan.Objective, s *measure.Sample) {
	waited := w.from - s.Due
	if waited > 0 && s.Done >= w.from && slices.ContainsFunc(o.Quantiles, func(q plan.Quantile) bool { return !within(q.Limit, waited) }) {
		w.waiting.count(o, true, waited)
	}
}

// countOn counts a sample as a side sees it.
func (h *outcome) countOn(side int, o *plan.Objective, s *measure.Sample) {
	succeeded, response := s.Outcome == measure.Succeeded, s.Response()
	switch side {
	case atBest:
		succeeded, response = succeeded || s.MayBeTurned(), response-s.Stalled
	case atWorst:
		if s.Missed != 0 { // counted apart
			return
		}
	}
	h.count(o, succeeded, response)
}

func (h *outcome) count(o *plan.Objective, succeeded bool, response time.Duration) {
	h.finished++
	if !succeeded {
		h.bad++
		return
	}
	h.succeeded++
	for k, q := range o.Quantiles {
		if within(q.Limit, response) {
			h.within[k]++
		}
	}
}

// within reports whether a response time is at most a limit: figures are whole microseconds.
func within(limit, response time.Duration) bool {
	return response.Microseconds() <= limit.Microseconds()
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
	if measure.Share(h.bad, h.finished) > o.ErrorRate {
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

// holds reports whether the objective holds on a side over its window from the start of the first row, rounded up to
// whole rows, and whether a request was due in it: without one it proves nothing. early are successes that count as if they
// had ended in it.
func (c *condition) holds(side int, early []missedRow) (holds, asked bool) {
	sum := c.newRow(0, 0).sides[side]
	for i := range early {
		c.addMissed(&sum.ended, &early[i], &early[i].ended)
	}
	for i := range c.rows {
		if c.rows[i].start >= c.rows[0].start+c.o.Window {
			break
		}
		sum.ended.add(&c.rows[i].sides[side].ended)
		sum.due.add(&c.rows[i].sides[side].due)
		if side != atWorst {
			continue
		}
		for j := range c.rows[i].missed {
			m := &c.rows[i].missed[j]
			c.addMissed(&sum.ended, m, &m.ended)
			c.addMissed(&sum.due, m, &m.due)
		}
	}
	return sum.ended.meets(&c.o) && sum.due.meets(&c.o), sum.due.finished > 0
}

// decide looks at the objective from the start of the first row on, of which all is known, and lets go of it.
func (c *condition) decide() {
	c.lookBack()
	if len(c.watches) > 0 && c.rows[0].start >= c.watches[0].from {
		c.look()
	}
	for _, w := range c.watches {
		if r := &c.rows[0]; r.end > w.planned && r.start < w.from {
			w.early = append(w.early, r.missed...)
		}
	}
	c.watches = slices.DeleteFunc(c.watches, func(w *watch) bool {
		return w.sides[asMeasured].settled && w.sides[atBest].settled && w.sides[atWorst].settled
	})
	if c.rows = c.rows[1:]; len(c.rows) == 0 {
		c.watches = nil
	}
	if len(c.watches) > 0 {
		c.bins.Keep(max(c.rows[0].start, c.watches[0].from))
		return
	}
	c.bins.KeepNone()
	if n := len(c.rows); n > 0 && (len(c.coming) == 0 || c.opening() >= c.rows[n-1].end) {
		c.rows = nil
	}
}

// look tells the watches whether the objective holds from the start of the first row on, and lets the recorder keep the
// edges where it held again, and only these.
func (c *condition) look() {
	at := c.rows[0].start
	for side := range c.rows[0].sides {
		together, asked := c.holds(side, nil)
		for _, w := range c.watches {
			x := &w.sides[side]
			was, holds := *x, together
			if side == atWorst && at == w.from && len(w.early) > 0 {
				holds, _ = c.holds(side, w.early)
			}
			w.see(side, holds, asked, c)
			switch {
			case x.held && !was.held:
				c.bins.Mark(at)
			case was.held && !x.held:
				c.bins.Unmark(was.at)
			}
		}
	}
}

// lookBack finds out for the faults whose window before the injection begins in the first row whether the objective was
// met over it. It goes by what could be seen at the injection, so that nothing that the fault does counts; what lies before
// the load proves nothing.
func (c *condition) lookBack() {
	for _, w := range c.watches {
		if begin := w.from - c.o.Window; begin < c.rows[0].start || begin >= c.rows[0].end {
			continue
		}
		seen := c.newRow(0, 0).sides[asMeasured].ended
		seen.add(&w.waiting)
		for i := 0; c.rows[i].start < w.from; i++ {
			seen.add(&c.rows[i].sides[asMeasured].ended)
		}
		w.before = !seen.meets(&c.o)
	}
}

// see takes in whether the objective holds over the window that begins with a condition's first row, and whether requests were due in it:
// else it proves nothing, and neither does a window that the load did not last for.
//
// That it holds again is withdrawn when it breaks over a later window that begins before the fault ends or just then. Of a
// fault without an end within the load the first hold counts: otherwise what is said of it would depend on how long the
// load goes on.
func (w *watch) see(side int, holds, asked bool, c *condition) {
	x, at := &w.sides[side], c.rows[0].start
	switch {
	case x.settled || at < w.from:
	case (at > w.until || at >= c.ended) && (x.held || !x.broken):
		x.settled = true
	case !holds:
		x.broken, x.held = true, false
		if asked {
			x.at = c.rows[0].end
		}
	case x.broken && !x.held && asked && at+c.o.Window <= c.ended:
		x.held, x.at, x.settled = true, at, !w.ends
	}
}

// finish decides what is left when the last request of a load has ended that lasted until the given time.
func (c *condition) finish(ended time.Duration) {
	c.ended = ended
	for len(c.watches) > 0 {
		c.decide()
	}
}

// recovery is what became of the objective after a fault.
type recovery struct {
	at     time.Duration // it held again from then on, over its whole window; where that is not known, not before then
	broken bool          // it broke at all
	known  bool          // false: it never held again, or the load ended before that could be said
}

// recovery looks at the objective after a fault, from its injection on. A breach is the fault's when the objective does not
// hold over a window that begins at the fault's end or earlier, so that what goes wrong more than a window later is
// another's; without a breach the system is recovered at the injection.
func (w *watch) recovery(side int) recovery {
	switch x := &w.sides[side]; {
	case !x.broken:
		return recovery{at: w.from, known: true}
	case !x.held:
		return recovery{at: x.at, broken: true}
	default:
		return recovery{at: x.at, broken: true, known: true}
	}
}
