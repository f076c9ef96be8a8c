package measure

import "time"

// trailingSlots is into how many slots a Trailing divides its span: the error of its edge is a
// twentieth of the span.
const trailingSlots = 20

// Trailing counts outcomes over the last span of time, by when requests were done: what a rule that acts
// during the run looks at.
type Trailing struct {
	span  time.Duration
	slots [trailingSlots]struct {
		slot      int64
		bad, done uint64
		turned    uint64 // those of bad that may be the generator's own doing
	}
}

// NewTrailing returns a counter over the given span, which must be positive.
func NewTrailing(span time.Duration) *Trailing { return &Trailing{span: span} }

func (t *Trailing) slot(at time.Duration) int64 { return int64(at) * trailingSlots / int64(t.span) }

// Add counts a sample; cancelled ones have no outcome.
func (t *Trailing) Add(s *Sample) {
	if s.Outcome == Cancelled {
		return
	}
	n := t.slot(s.Done)
	w := &t.slots[n%trailingSlots]
	if n < w.slot {
		return // it ended before the span that the slot now counts in
	}
	if w.slot != n {
		w.slot, w.bad, w.done, w.turned = n, 0, 0, 0
	}
	w.done++
	if s.Outcome != Succeeded {
		w.bad++
		if s.MayBeTurned() {
			w.turned++
		}
	}
}

// ErrorRate is the percentage of requests done in the span before now that failed, as measured and without those that may
// have failed by the generator's own delay; 0 when none was done.
func (t *Trailing) ErrorRate(now time.Duration) (measured, atBest float64) {
	var bad, done, turned uint64
	last := t.slot(now)
	for i := range t.slots {
		if w := &t.slots[i]; w.slot > last-trailingSlots && w.slot <= last {
			bad += w.bad
			done += w.done
			turned += w.turned
		}
	}
	return Percent(bad, done), Percent(bad-turned, done)
}
