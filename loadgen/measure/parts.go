package measure

// Parts are how long the parts of an exchange took.
type Parts struct {
	Wait      Hist // for a free connection, of each request that had to wait for one
	Connect   Hist // of each connection made, name resolved, until TCP has it
	TLS       Hist // of each handshake
	FirstByte Hist // of succeeded requests, from the first byte sent to the first byte of the answer
}

// Add takes a sample in.
func (p *Parts) Add(s *Sample) {
	if s.Outcome == Cancelled {
		return
	}
	if s.Wait > 0 {
		p.Wait.Record(s.Wait)
	}
	if s.Connect > 0 {
		p.Connect.Record(s.Connect)
	}
	if s.Handshake > 0 {
		p.TLS.Record(s.Handshake)
	}
	if s.Outcome == Succeeded && s.First > 0 {
		p.FirstByte.Record(s.First - s.Sent)
	}
}

// Merge adds others' values exactly.
func (p *Parts) Merge(o *Parts) {
	p.Wait.Merge(&o.Wait)
	p.Connect.Merge(&o.Connect)
	p.TLS.Merge(&o.TLS)
	p.FirstByte.Merge(&o.FirstByte)
}
