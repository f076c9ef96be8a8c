package measure

import "time"

// Recorder keeps marginals of samples by phase, by bin of time and by request name, never their cross
// product. A phase and a request's name hold the requests that were due in judged time; a bin holds those due
// in it and, apart from them, those that ended in it. A Recorder is for one goroutine.
type Recorder struct {
	phases   []Phase
	tallies  []*Tally
	parts    []*Parts
	judged   end // of the judged phases together
	requests map[string]*Tally
	crossed  []crossed // by phase and request, those that were asked for
	examples map[Class]string
	last     time.Duration // end of the last request that ended
	bins     bins
}

// Phase is a stretch of the load, from the end of the one before it.
type Phase struct {
	End     time.Duration
	Discard bool // left out of what is judged
}

// end counts the requests that ended within a marginal's own time: successes, and at best, without the generator's
// part, with the failures that may be its doing.
type end struct{ within, best uint64 }

func (e *end) add(s *Sample, within func(time.Duration) bool) {
	if s.Outcome == Succeeded && within(s.Done) {
		e.within++
	}
	if s.bestSuccess() && within(s.Done-s.Stalled) {
		e.best++
	}
}

// NewRecorder returns a recorder for phases that follow each other, with bins of the given width.
func NewRecorder(phases []Phase, width time.Duration) *Recorder {
	r := &Recorder{phases: phases, requests: map[string]*Tally{}, examples: map[Class]string{}}
	r.bins = newBins(width)
	for _, p := range phases {
		r.tallies, r.parts = append(r.tallies, &Tally{}), append(r.parts, &Parts{})
		r.bins.ends = append(r.bins.ends, p.End)
	}
	return r
}

// crossed holds the requests of a name that were due in a phase.
type crossed struct {
	phase   int
	request string
	tally   Tally
}

// KeepPhaseRequest makes the recorder keep the figures of a phase's requests of a name. It is called before the first sample.
func (r *Recorder) KeepPhaseRequest(phase int, request string) {
	if r.PhaseRequest(phase, request) == nil {
		r.crossed = append(r.crossed, crossed{phase: phase, request: request})
	}
}

// PhaseRequest returns the figures of a phase's requests of a name; nil when they are not kept.
func (r *Recorder) PhaseRequest(phase int, request string) *Tally {
	for i := range r.crossed {
		if x := &r.crossed[i]; x.phase == phase && x.request == request {
			return &x.tally
		}
	}
	return nil
}

// PhaseAt returns the index of the phase that a due time belongs to; the last phase takes what is beyond.
func (r *Recorder) PhaseAt(due time.Duration) int { return r.bins.phaseAt(due) }

// Plan counts requests that the schedule has at a due time.
func (r *Recorder) Plan(due time.Duration, n uint64) { r.bins.at(due).Planned += n }

// AddCancelled counts requests of the schedule that were never offered, because the run was stopped before they
// were due.
func (r *Recorder) AddCancelled(due time.Duration, n uint64) {
	r.tallies[r.PhaseAt(due)].Cancelled += n
	r.bins.at(due).Due.Cancelled += n
}

// Cut makes a bin begin at t, so that the time from there on can be looked at apart, exactly. It returns where
// the bin begins: t, unless a bin that begins later exists already.
func (r *Recorder) Cut(t time.Duration) time.Duration { return r.bins.cut(t) }

// Edge returns the first edge after t that bins have by their first width and the phases, without cuts.
func (r *Recorder) Edge(t time.Duration) time.Duration { return r.bins.edge(t, r.bins.base) }

// Keep lets bins that begin at from or later have their first width until the next call, however long the run becomes,
// so that each of their edges can still be marked.
func (r *Recorder) Keep(from time.Duration) { r.bins.keep = from }

// KeepNone lets bins merge as the run becomes longer.
func (r *Recorder) KeepNone() { r.bins.keep = noDetail }

// Mark keeps an edge of bins: those on its sides do not merge, until it is unmarked as often as it was marked.
func (r *Recorder) Mark(edge time.Duration) { r.bins.mark(edge) }

// Unmark takes a mark back.
func (r *Recorder) Unmark(edge time.Duration) { r.bins.unmark(edge) }

// Add counts a sample.
func (r *Recorder) Add(s *Sample) {
	phase := r.PhaseAt(s.Due)
	r.tallies[phase].Add(s)
	inPhase := func(t time.Duration) bool { return t < r.phases[phase].End }
	r.tallies[phase].AddEnd(s, inPhase)
	if t := r.PhaseRequest(phase, s.Request); t != nil {
		t.Add(s)
		t.AddEnd(s, inPhase)
	}
	r.parts[phase].Add(s)
	due := r.bins.at(s.Due)
	due.Due.Add(s)
	if s.Missed != 0 {
		sent, late := s.SentLate()
		due.addMissed(Missed{Faults: s.Missed, Request: s.Request, Status: s.Status, N: 1, First: sent - late, Last: sent})
	}
	if s.Outcome != Cancelled {
		r.addEnded(s)
	}
	if !r.phases[phase].Discard {
		r.judged.add(s, r.inJudgedTime)
		byName, ok := r.requests[s.Request]
		if !ok {
			byName = &Tally{}
			r.requests[s.Request] = byName
		}
		byName.Add(s)
		byName.AddEnd(s, r.inJudgedTime)
		r.addExample(s)
	}
}

// addExample keeps the message of the first failure of a class.
func (r *Recorder) addExample(s *Sample) {
	if s.Class == "" || s.Detail == "" {
		return
	}
	if _, ok := r.examples[s.Class]; !ok {
		r.examples[s.Class] = s.Detail
	}
}

func (r *Recorder) addEnded(s *Sample) {
	r.last = max(r.last, s.Done)
	b := r.bins.at(s.Done)
	b.Ended.Add(s)
	if s.Outcome == Succeeded {
		r.addOlder(b, s.Due, s.Done, older{n: 1})
	}
	if s.bestSuccess() {
		best := b
		if s.Stalled > 0 {
			best = r.bins.at(s.Done - s.Stalled)
		}
		best.best++
		r.addOlder(best, s.Due, s.Done-s.Stalled, older{best: 1})
	}
}

// addOlder counts a success in the bin of its end for each cut that was made between its due time and its end.
func (r *Recorder) addOlder(b *Bin, due, end time.Duration, o older) {
	for i := len(r.bins.cuts) - 1; i >= 0 && r.bins.cuts[i] > due; i-- {
		if o.cut = r.bins.cuts[i]; o.cut <= end {
			b.addOlder(o)
		}
	}
}

// AddFailure counts a failed or dropped sample by what the balancer said of its final attempt, in the bin in
// which it ended. It may be called later than Add.
func (r *Recorder) AddFailure(s *Sample) {
	f := Failure{Fault: s.Fault, Target: s.Target, Group: s.Group, N: 1}
	if s.MayBeTurned() {
		f.Turned = 1
	}
	r.bins.at(s.Done).addFailure(f)
}

// AddServed counts a succeeded sample that met faults in the bin in which it ended; hit stands for those that its target was
// hit by.
func (r *Recorder) AddServed(s *Sample, hit int) {
	r.bins.at(s.Done).addServed(Served{Fault: s.Fault, Hit: hit, Group: s.Group, N: 1})
}

// inJudgedTime reports whether an instant lies in a phase that is judged.
func (r *Recorder) inJudgedTime(t time.Duration) bool {
	last := len(r.phases) - 1
	if t >= r.phases[last].End {
		return false
	}
	return !r.phases[r.PhaseAt(t)].Discard
}

// Between returns the figures of the requests due in [from, to), two edges of bins. Where from is a cut its
// Within is exact: the successes of these requests that ended before to.
func (r *Recorder) Between(from, to time.Duration) *Tally {
	t := &Tally{}
	var e end
	for _, b := range r.bins.list {
		if b.Start < from || b.Start >= to {
			continue
		}
		t.Merge(&b.Due)
		e.within += b.Ended.Succeeded
		e.best += b.best
		for _, x := range b.older {
			if x.cut == from {
				e.within -= x.n
				e.best -= x.best
			}
		}
	}
	t.setEnd(e)
	return t
}

// Close packs the bins that end at or before t and got no sample since the last call. A later sample opens its
// bin again; those that a slow system still answers requests of stay open.
func (r *Recorder) Close(t time.Duration) {
	for _, b := range r.bins.list {
		if b.End <= t && !b.Due.touched && !b.Ended.touched {
			b.pack()
		}
		b.Due.touched, b.Ended.touched = false, false
	}
}

// Finish packs every bin, and merges those that were kept and are not any more: no sample is to come.
func (r *Recorder) Finish() {
	r.bins.merge()
	for _, b := range r.bins.list {
		b.pack()
	}
}

// Bins returns the bins in order of time. They follow each other without gaps from 0 on.
func (r *Recorder) Bins() []*Bin { return r.bins.list }

// Last is when the last request ended.
func (r *Recorder) Last() time.Duration { return r.last }

// Phase returns the figures of the i-th phase.
func (r *Recorder) Phase(i int) *Tally { return r.tallies[i] }

// Parts returns how long the parts of the i-th phase's exchanges took.
func (r *Recorder) Parts(i int) *Parts { return r.parts[i] }

// Judged returns the figures of all phases that are not discarded.
func (r *Recorder) Judged() (*Tally, *Parts) {
	t, parts := &Tally{}, &Parts{}
	for i, p := range r.phases {
		if !p.Discard {
			t.Merge(r.tallies[i])
			parts.Merge(r.parts[i])
		}
	}
	t.setEnd(r.judged)
	return t, parts
}

// Lacked reports whether the generator's machine had nothing left for a request, in whatever phase.
func (r *Recorder) Lacked() bool {
	for _, t := range r.tallies {
		if t.Errors[Resources] > 0 {
			return true
		}
	}
	return false
}

// Delayed reports whether the generator itself delayed any request, or had nothing left for one, in whatever phase.
func (r *Recorder) Delayed() bool {
	for _, t := range r.tallies {
		if t.delayed != nil {
			return true
		}
	}
	return false
}

// Requests returns the figures by request name, of the phases that are not discarded.
func (r *Recorder) Requests() map[string]*Tally { return r.requests }

// Examples returns one message for each class of failure in the phases that are not discarded.
func (r *Recorder) Examples() map[Class]string { return r.examples }
