package scenarios

import (
	"slices"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
)

// missedFaults knows what would have become of successes that may have missed faults, by their number in Sample.Missed.
type missedFaults interface {
	fails(faults int, first, last time.Duration) bool // whether they may have failed had they been sent from first to last
	delays(faults int) time.Duration                  // by how much longer they may have taken
}

// missedRow is the successes of a row that may have missed the same faults, of which it is known only later what would have
// become of them.
type missedRow struct {
	faults      int
	first, last time.Duration // see measure.Missed
	ended, due  outcome       // with the faults' delays
}

// missedOf returns what a row has of the successes that may have missed the same faults as a sample, which becomes one of them.
func (c *condition) missedOf(r *stretch, s *measure.Sample) *missedRow {
	sent, late := s.SentLate()
	i := slices.IndexFunc(r.missed, func(m missedRow) bool { return m.faults == s.Missed })
	if i < 0 {
		i = len(r.missed)
		m := missedRow{faults: s.Missed, first: sent - late, last: sent}
		m.ended.within, m.due.within = make([]uint64, len(c.o.Quantiles)), make([]uint64, len(c.o.Quantiles))
		r.missed = append(r.missed, m)
	}
	m := &r.missed[i]
	m.first, m.last = min(m.first, sent-late), max(m.last, sent)
	return m
}

// addMissed adds successes that may have missed faults as they may have been.
func (c *condition) addMissed(sum *outcome, m *missedRow, o *outcome) {
	if c.missed.fails(m.faults, m.first, m.last) {
		sum.finished += o.finished
		sum.bad += o.finished
		return
	}
	sum.add(o)
}
