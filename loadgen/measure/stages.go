package measure

// Stages are how long the parts of an exchange took.
type Stages struct {
	Connect   Hist // of each connection made, name resolved, until TCP has it
	TLS       Hist // of each handshake
	FirstByte Hist // of succeeded requests, from the first byte sent to the first byte of the answer
}

// Add takes a sample in.
func (g *Stages) Add(s *Sample) {
	if s.Outcome == Cancelled {
		return
	}
	if s.Connect > 0 {
		g.Connect.Record(s.Connect)
	}
	if s.Handshake > 0 {
		g.TLS.Record(s.Handshake)
	}
	if s.Outcome == Succeeded && s.First > 0 {
		g.FirstByte.Record(s.First - s.Sent)
	}
}

// Merge adds others' values exactly.
func (g *Stages) Merge(o *Stages) {
	g.Connect.Merge(&o.Connect)
	g.TLS.Merge(&o.TLS)
	g.FirstByte.Merge(&o.FirstByte)
}
