package measure

// Parts are how long the parts of an exchange took.
type Parts struct {
	Connect   Hist // of each connection made, name resolved, until TCP has it
	TLS       Hist // of each handshake
	FirstByte Hist // of succeeded requests, from the first byte sent to the first byte of the answer
}

// Add takes a sample in.
func (p *Parts) Add(s *Sample) {
	if s.Outcome == Cancelled {
		return
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
	p.Connect.Merge(&o.Connect)
	p.TLS.Merge(&o.TLS)
	p.FirstByte.Merge(&o.FirstByte)
}
