package measure

import "time"

// Tally is the figures of one marginal: counts, and latencies that are never mixed.
type Tally struct {
	Succeeded, Failed, Dropped, Cancelled uint64

	Offered    uint64 // handed over in time to be of use, whatever became of them; see Sample.TooLate
	Within     uint64 // successes that ended within the marginal's own time; see AddEnd
	best       uint64 // the same on the lower side
	Reconnects uint64 // requests that were sent again because the server closed the connection just as they were sent
	Attempts   uint64 // by the client
	Retries    uint64 // by the balancer, as far as it told
	BytesIn    int64
	BytesOut   int64
	Errors     map[Class]uint64
	Retried    map[Class]uint64 // failures of attempts that the client followed by another one
	Statuses   statuses         // answers by HTTP status, in the order in which they first came

	// Answers whose status nobody knows: of failures that Lower counts as successes, and of successes that Worst counts as
	// failures.
	MayBeGood, MayBeBad uint64

	Response Hist // of succeeded requests, from the due time: what gates judge; Lower leaves out those that were never sent
	Bad      Hist // of failed and dropped ones, until the client gave up
	Service  Hist // of succeeded requests, from the first byte sent: what a naive tool would say
	Lag      Hist // the generator's lateness, of every request offered

	brief   bool     // neither service time, lateness nor statuses are kept
	delayed *delayed // nil while the generator has delayed none of the requests
	touched bool     // since the recorder last looked
}

// StatusCount is how many answers had a status.
type StatusCount struct {
	Status int
	N      uint64
}

// statuses are few, and the most frequent one nearly always comes first.
type statuses []StatusCount

func (s *statuses) add(status int, n uint64) {
	for i := range *s {
		if (*s)[i].Status == status {
			(*s)[i].N += n
			return
		}
	}
	*s = append(*s, StatusCount{status, n})
}

// less returns the counts without others, which are among them.
func (s statuses) less(o statuses) (out statuses) {
	for _, x := range s {
		for _, y := range o {
			if y.Status == x.Status {
				x.N -= y.N
			}
		}
		if x.N > 0 {
			out = append(out, x)
		}
	}
	return out
}

// delayed is what Lower needs of the requests that the generator itself delayed.
type delayed struct {
	n               uint64   // finished requests that the generator delayed
	failed, dropped uint64   // those of them that may be its doing
	response        Hist     // of successes and of those failures that were not dropped, without the generator's part
	bad             Hist     // of the other failures, without the generator's part
	statuses        statuses // of failures that may be its doing

	retried    map[Class]uint64 // failures of attempts that may be its doing, and that the client followed by another one
	reconnects uint64           // requests that may have been sent again by its doing
}

// All is the response time of every finished request, failures at the moment the client gave up.
func (t *Tally) All() *Hist {
	h := &Hist{}
	h.Merge(&t.Response)
	h.Merge(&t.Bad)
	return h
}

// Sent is how many requests were handed to a connection.
func (t *Tally) Sent() uint64 { return t.Succeeded + t.Failed }

// Finished is how many requests have an outcome that gates judge.
func (t *Tally) Finished() uint64 { return t.Succeeded + t.Failed + t.Dropped }

// Amplification is how many attempts the client made for each request that was sent: 1 without retries, and of no request.
func (t *Tally) Amplification() float64 {
	if t.Sent() == 0 {
		return 1
	}
	return float64(t.Attempts) / float64(t.Sent())
}

// ErrorRate is (failed + dropped) / finished; 0 when nothing finished.
func (t *Tally) ErrorRate() float64 {
	return Share(t.Failed+t.Dropped, t.Finished())
}

// Share is n / of, rounded once, so that it equals a limit that is the number nearest to it; 0 of nothing.
func Share(n, of uint64) float64 {
	if of == 0 {
		return 0
	}
	return float64(n) / float64(of)
}

// Percent is 100 n / of, rounded once as Share is.
func Percent(n, of uint64) float64 { return Share(100*n, of) }

// Delayed is how many finished requests the generator itself delayed; see Sample.Stalled.
func (t *Tally) Delayed() uint64 {
	if t.delayed == nil {
		return 0
	}
	return t.delayed.n
}

// RetriedForDelay is how many attempts failed in a way that the generator's own delay of their requests may have caused, and were
// followed by another.
func (t *Tally) RetriedForDelay() (n uint64) {
	if t.delayed != nil {
		for _, x := range t.delayed.retried {
			n += x
		}
	}
	return n
}

// Add counts one sample.
func (t *Tally) Add(s *Sample) {
	if !s.TooLate() {
		t.Offered++
	}
	if s.Outcome == Cancelled {
		t.Cancelled++
		return
	}
	if s.Stalled > 0 || s.Class == Resources || t.delayed != nil {
		t.delay().add(s)
	}
	switch s.Outcome {
	case Succeeded:
		t.Succeeded++
		t.Response.Record(s.Response())
		if !t.brief {
			t.Service.Record(s.Service())
		}
	case Failed:
		t.Failed++
		count(&t.Errors, s.Class, 1)
		t.Bad.Record(s.Response())
	case Dropped:
		t.Dropped++
		count(&t.Errors, NoConnection, 1)
		t.Bad.Record(s.Response())
	}
	if s.Status != 0 && !t.brief {
		t.Statuses.add(s.Status, 1)
	}
	t.Reconnects += uint64(s.Reconnect)
	t.Attempts += uint64(s.ClientAttempts)
	for _, c := range s.Retried {
		count(&t.Retried, c, 1)
	}
	t.Retries += uint64(max(s.Attempts-1, 0))
	t.BytesIn += s.BytesIn
	t.BytesOut += s.BytesOut
	t.touched = true
	if !t.brief {
		t.Lag.Record(s.Lag())
	}
}

// AddEnd tells which instants lie within the marginal's own time, for a sample that was added: throughput counts only
// successes that ended within it.
func (t *Tally) AddEnd(s *Sample, within func(time.Duration) bool) {
	var e end
	e.add(s, within)
	t.setEnd(end{t.Within + e.within, t.best + e.best})
}

func (t *Tally) setEnd(e end) { t.Within, t.best = e.within, e.best }

// delay begins to keep what Lower needs: until now nothing was delayed, and both sides are the same.
func (t *Tally) delay() *delayed {
	if t.delayed == nil {
		t.delayed = &delayed{response: t.Response.clone(), bad: t.Bad.clone()}
	}
	return t.delayed
}

func (d *delayed) add(s *Sample) {
	if s.Stalled > 0 {
		d.n++
	}
	for _, c := range s.Retried {
		if s.mayCause(c) {
			count(&d.retried, c, 1)
		}
	}
	if s.mayCause(ClosedEarly) {
		d.reconnects += uint64(s.Reconnect)
	}
	switch lower := s.Response() - s.Stalled; {
	case s.Outcome == Succeeded:
		d.response.Record(lower)
	case !s.MayBeTurned():
		d.bad.Record(lower)
	case s.Outcome == Dropped: // it was never sent: nobody knows how long it would have taken
		d.dropped++
	case s.Class == Resources: // likewise
		d.failed++
	default:
		d.response.Record(lower)
		if s.Status != 0 {
			d.statuses.add(s.Status, 1)
		}
		d.failed++
	}
}

// Lower returns the figures as they would be at best had the generator not delayed requests itself: each without the time in
// which the generator stood still, and each failure that may be its doing as a success, of which the status is not known, or, of an
// attempt that was followed by another one, as one that was not made. The
// truth lies between Lower and the tally where no fault was in force; see Worst. It is the tally itself when none was delayed,
// and shares its histograms: it is only for reading.
func (t *Tally) Lower() *Tally {
	d := t.delayed
	if d == nil {
		return t
	}
	l := *t
	l.Succeeded += d.failed + d.dropped
	l.Failed -= d.failed
	l.Dropped -= d.dropped
	l.Attempts += d.dropped // each would have been at least one
	l.Retried = nil
	for c, n := range t.Retried {
		l.Attempts -= d.retried[c]
		if left := n - d.retried[c]; left > 0 {
			count(&l.Retried, c, left)
		}
	}
	l.Reconnects -= d.reconnects
	l.Within = t.best
	l.Response, l.Bad, l.Statuses, l.delayed = d.response, d.bad, t.Statuses.less(d.statuses), nil
	l.MayBeGood = d.failed + d.dropped
	return &l
}

// Misses are successes of a tally that may have failed.
type Misses struct {
	N        uint64
	statuses statuses
}

// Add counts successes with a status; 0 when nobody knows it.
func (m *Misses) Add(status int, n uint64) {
	m.N += n
	if status != 0 {
		m.statuses.add(status, n)
	}
}

// Worst returns the figures as they would be had these of its successes failed. It is the tally itself when there are
// none, and shares its histograms: it is only for reading. Latencies are as measured, and so are attempts: nobody knows how often the
// client would have tried again.
func (t *Tally) Worst(m *Misses) *Tally {
	if m.N == 0 {
		return t
	}
	w := *t
	w.Succeeded -= m.N
	w.Failed += m.N
	w.Within -= min(m.N, w.Within) // as if all of them had ended in time
	w.Statuses, w.MayBeBad, w.delayed = t.Statuses.less(m.statuses), m.N, nil
	return &w
}

// count counts failures of a class.
func count(m *map[Class]uint64, c Class, n uint64) {
	if *m == nil {
		*m = map[Class]uint64{}
	}
	(*m)[c] += n
}

// Merge adds another tally exactly.
func (t *Tally) Merge(o *Tally) {
	if t.delayed != nil || o.delayed != nil {
		t.delay().merge(o)
	}
	t.Succeeded += o.Succeeded
	t.Failed += o.Failed
	t.Dropped += o.Dropped
	t.Cancelled += o.Cancelled
	t.Offered += o.Offered
	t.setEnd(end{t.Within + o.Within, t.best + o.best})
	t.Reconnects += o.Reconnects
	t.Attempts += o.Attempts
	t.Retries += o.Retries
	t.BytesIn += o.BytesIn
	t.BytesOut += o.BytesOut
	for c, n := range o.Errors {
		count(&t.Errors, c, n)
	}
	for c, n := range o.Retried {
		count(&t.Retried, c, n)
	}
	for _, x := range o.Statuses {
		t.Statuses.add(x.Status, x.N)
	}
	t.Response.Merge(&o.Response)
	t.Bad.Merge(&o.Bad)
	t.Service.Merge(&o.Service)
	t.Lag.Merge(&o.Lag)
}

func (d *delayed) merge(o *Tally) {
	low := o.Lower()
	d.response.Merge(&low.Response)
	d.bad.Merge(&low.Bad)
	if x := o.delayed; x != nil {
		d.n += x.n
		d.failed += x.failed
		d.dropped += x.dropped
		for _, c := range x.statuses {
			d.statuses.add(c.Status, c.N)
		}
		for c, n := range x.retried {
			count(&d.retried, c, n)
		}
		d.reconnects += x.reconnects
	}
}

// Pack packs the histograms: some hundred bytes each instead of up to 184 KiB.
func (t *Tally) Pack() {
	for _, h := range []*Hist{&t.Response, &t.Bad, &t.Service, &t.Lag} {
		h.Pack()
	}
	if d := t.delayed; d != nil {
		d.response.Pack()
		d.bad.Pack()
	}
}
