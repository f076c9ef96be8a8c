package measure

// Tally is the figures of one marginal: counts, and three latencies that are never mixed.
type Tally struct {
	Succeeded, Failed, Dropped, Cancelled uint64
	Errors                                map[Class]uint64

	Response Hist // of succeeded requests, from the due time: what gates judge
	All      Hist // of succeeded, failed and dropped ones; failures at the moment the client gave up
	Service  Hist // of succeeded requests, from the first byte sent: what a naive tool would say
	Lag      Hist // the generator's lateness, of every request offered
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
	case Dropped:
		t.Dropped++
		t.blame(NoConnection, 1)
	}
	t.All.Record(s.Response())
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
	t.All.Merge(&o.All)
	t.Service.Merge(&o.Service)
	t.Lag.Merge(&o.Lag)
}

// packed is a tally whose histograms are compressed: some hundred bytes instead of 736 KiB.
type packed struct {
	counts                      Tally // with empty histograms
	response, all, service, lag []byte
}

func pack(t *Tally) *packed {
	p := &packed{response: t.Response.pack(), all: t.All.pack(), service: t.Service.pack(), lag: t.Lag.pack()}
	p.counts = *t
	p.counts.Response, p.counts.All, p.counts.Service, p.counts.Lag = Hist{}, Hist{}, Hist{}, Hist{}
	return p
}

func (p *packed) open() *Tally {
	t := p.counts
	t.Errors = nil
	for c, n := range p.counts.Errors {
		t.blame(c, n)
	}
	for _, f := range []struct {
		to   *Hist
		from []byte
	}{{&t.Response, p.response}, {&t.All, p.all}, {&t.Service, p.service}, {&t.Lag, p.lag}} {
		h, err := unpack(f.from)
		if err != nil {
			panic("measure: decode a histogram of our own: " + err.Error())
		}
		*f.to = *h
	}
	return &t
}
