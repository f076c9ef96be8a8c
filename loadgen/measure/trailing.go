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
		w.slot, w.bad, w.done = n, 0, 0
	}
	w.done++
	if s.Outcome != Succeeded {
		w.bad++
	}
}

// ErrorRate is the share of requests done in the span before now that failed; 0 when none was done.
func (t *Trailing) ErrorRate(now time.Duration) float64 {
	var bad, done uint64
	last := t.slot(now)
	for i := range t.slots {
		if w := &t.slots[i]; w.slot > last-trailingSlots && w.slot <= last {
			bad += w.bad
			done += w.done
		}
	}
	if done == 0 {
		return 0
	}
	return float64(bad) / float64(done)
}
