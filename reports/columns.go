package reports

import (
	"math"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
)

// Points of a line over time: at most maxColumns, and for a run of some length none shorter than shortestColumn
// milliseconds, because fewer requests make no percentile. A short run has at least leastColumns.
const (
	maxColumns     = 200
	leastColumns   = 20
	shortestColumn = 500.
)

// column is one or more neighbouring windows, histograms and all.
type column struct {
	from, to float64 // seconds
	load     float64 // how much of it the load lasted, in seconds: afterwards requests only end
	plan     float64 // how much of it the plan covers, in seconds: a run that was stopped does not get so far

	planned, offered uint64 // by when they were due
	attempts         uint64 // of the client, by when their requests were due
	succeeded        uint64 // by when they ended where that is known, else by when they were due
	cut              bool   // requests due in it were cancelled: neither what was offered nor what became of it is known
	errors           map[string]uint64
	p50, p99, max    float64 // ms; not a number when nothing succeeded
	response         measure.Hist
}

// byEnd reports whether the result tells what ended in each window, not only what became of the requests due in it.
func (r *Result) byEnd() bool {
	for i := range r.Windows {
		if r.Windows[i].Ended != nil {
			return true
		}
	}
	return false
}

// columns merges windows into columns. Windows may be of uneven width, may be missing where nothing was due, and the
// last may end after the run was stopped: everything goes by time.
func columns(r *Result) []column {
	byEnd, end := r.byEnd(), r.DurationMS
	if byEnd {
		end += r.DrainMS
	}
	width := columnWidth(end)
	var out []column
	for i := range r.Windows {
		w := &r.Windows[i]
		from, to := w.StartMS, min(w.EndMS, end)
		if to <= from {
			continue
		}
		if n := len(out); n == 0 || full(&out[n-1], from, width, end) {
			if n > 0 {
				out[n-1].finish()
				if gap := out[n-1].to * 1000; gap < from { // nothing was due
					out = append(out, column{from: gap / 1000, to: from / 1000, load: overlap(gap, from, r.DurationMS), plan: overlap(gap, from, r.PlannedMS)})
					out[n].finish()
				}
			}
			out = append(out, column{from: from / 1000, errors: map[string]uint64{}})
		}
		c := &out[len(out)-1]
		c.load += overlap(from, to, r.DurationMS)
		c.plan += overlap(from, w.EndMS, r.PlannedMS)
		c.to = to / 1000
		c.add(w, byEnd)
	}
	if n := len(out); n > 0 { // a run can be stopped before its first window
		out[n-1].finish()
	}
	return out
}

// columnWidth is how wide a column is at least, in milliseconds.
func columnWidth(length float64) float64 {
	return max(length/maxColumns, min(shortestColumn, length/leastColumns))
}

// full reports whether a window that begins at from begins a new column: the last is wide enough, and what is left of
// the run fills at least half of another. A narrower one would show a few requests as a rate.
func full(c *column, from, width, end float64) bool {
	const rounding = 1e-6
	return c.to*1000-c.from*1000 >= width-rounding && end-from >= width/2-rounding || from > c.to*1000+rounding
}

// overlap is how much of a stretch lies before end, in seconds.
func overlap(from, to, end float64) float64 { return max(0, min(to, end)-from) / 1000 }

func (c *column) add(w *Period, byEnd bool) {
	c.planned += w.Totals.Planned
	c.offered += uint64(math.Round(w.Rates.Offered * (w.EndMS - w.StartMS) / 1000)) // what was offered too late to be of use is dropped, too
	c.attempts += w.Totals.Attempts
	c.cut = c.cut || w.Totals.Cancelled > 0
	errors, response := w.Errors, &w.Histograms.Response
	switch e := w.Ended; {
	case !byEnd:
		c.succeeded += w.Totals.Succeeded
	case e == nil:
		return
	default:
		c.succeeded += e.Succeeded
		errors, response = e.Errors, &e.Histogram
	}
	for class, n := range errors {
		c.errors[class] += n
	}
	c.response.Merge(response)
}

// finish summarises the histogram and lets it go: one is dense at a time.
func (c *column) finish() {
	c.p50, c.p99, c.max = math.NaN(), math.NaN(), math.NaN()
	if h := &c.response; h.Count() > 0 {
		c.p50, c.p99, c.max = MS(h.Quantile(.5)), MS(h.Quantile(.99)), MS(h.Max())
	}
	c.response = measure.Hist{}
}

// plannedRate is requests a second; not a number where nothing was planned any more.
func (c *column) plannedRate() float64 { return perSecond(c.planned, c.plan) }

// offeredRate is requests a second; not a number after the load has ended, and where requests were cancelled.
func (c *column) offeredRate() float64 {
	if c.cut {
		return math.NaN()
	}
	return perSecond(c.offered, c.load)
}

// attemptRate is attempts of the client a second, with the gaps of offeredRate.
func (c *column) attemptRate() float64 {
	if c.cut {
		return math.NaN()
	}
	return perSecond(c.attempts, c.load)
}

// succeededRate is requests a second; not a number where requests were cancelled before it is known what became of
// them.
func (c *column) succeededRate(byEnd bool) float64 {
	if c.cut && !byEnd {
		return math.NaN()
	}
	return c.rate(c.succeeded)
}

// rate is a count a second.
func (c *column) rate(n uint64) float64 { return perSecond(n, c.to-c.from) }

func perSecond(n uint64, seconds float64) float64 {
	if seconds <= 0 {
		return math.NaN()
	}
	return float64(n) / seconds
}
