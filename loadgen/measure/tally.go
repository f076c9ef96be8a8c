package measure

// Tally is the figures of one marginal: counts, and three latencies that are never mixed.
type Tally struct {
	Succeeded, Failed, Dropped, Cancelled uint64
	Errors                                map[Class]uint64

	Response Hist // of succeeded requests, from the due time: what gates judge
	Bad      Hist // of failed and dropped ones, until the client gave up
	Service  Hist // of succeeded requests, from the first byte sent: what a naive tool would say
	Lag      Hist // the generator's lateness, of every request offered

	touched bool // since the recorder last looked
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

// ErrorRate is (failed + dropped) / finished; 0 when nothing finished.
func (t *Tally) ErrorRate() float64 {
	if t.Finished() == 0 {
		return 0
	}
	return float64(t.Failed+t.Dropped) / float64(t.Finished())
}

// Add counts one sample.
func (t *Tally) Add(s *Sample) {
	switch s.Outcome {
	case Cancelled:
		t.Cancelled++
		return
	case Succeeded:
		t.Succeeded++
		t.Response.Record(s.Response())
		t.Service.Record(s.Service())
	case Failed:
		t.Failed++
		t.blame(s.Class, 1)
		t.Bad.Record(s.Response())
	case Dropped:
		t.Dropped++
		t.blame(NoConnection, 1)
		t.Bad.Record(s.Response())
	}
	t.touched = true
	t.Lag.Record(s.Lag())
}

func (t *Tally) blame(c Class, n uint64) {
	if t.Errors == nil {
		t.Errors = map[Class]uint64{}
	}
	t.Errors[c] += n
}

// Merge adds another tally exactly.
func (t *Tally) Merge(o *Tally) {
	t.Succeeded += o.Succeeded
	t.Failed += o.Failed
	t.Dropped += o.Dropped
	t.Cancelled += o.Cancelled
	for c, n := range o.Errors {
		t.blame(c, n)
	}
	t.Response.Merge(&o.Response)
	t.Bad.Merge(&o.Bad)
	t.Service.Merge(&o.Service)
	t.Lag.Merge(&o.Lag)
}

// Pack packs the histograms: some hundred bytes instead of up to 736 KiB.
func (t *Tally) Pack() {
	for _, h := range []*Hist{&t.Response, &t.Bad, &t.Service, &t.Lag} {
		h.Pack()
	}
}
