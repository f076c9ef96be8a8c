// Package mix says which request a sequence number is.
//
// The choice is a seeded draw by identity, so that the n-th request of a run is the same in every world
// and for every variant of a comparison.
package mix

import (
	"errors"

	"github.com/seed-8025779b/shakedown/scenarios/draw"
)

// SeqHeader carries a request's sequence number, its identity, from the generator to the balancer and on
// to the backend. It is sent to systems that shakedown started itself.
const SeqHeader = "Shakedown-Seq"

// Request is one kind of request in a load.
type Request struct {
	Name    string // "GET /" unless the scenario says otherwise
	Method  string
	Path    string // with its query; for a system of your own, below the target's URL
	Headers map[string]string
	Body    string
	Weight  float64 // positive
	Expect  *Expect // nil: any status below 400 will do
}

// Mix is a weighted choice of requests.
type Mix struct {
	requests []Request
	upTo     []float64 // cumulative weights
	stream   draw.Stream
}

// New returns a mix; it needs at least one request, and positive weights.
func New(seed draw.Seed, requests []Request) (*Mix, error) {
	m := &Mix{requests: requests, stream: seed.Stream("mix")}
	sum := 0.
	for _, r := range requests {
		if !(r.Weight > 0) {
			return nil, errors.New("request " + r.Name + " has no weight")
		}
		sum += r.Weight
		m.upTo = append(m.upTo, sum)
	}
	if sum == 0 {
		return nil, errors.New("a load needs at least one request")
	}
	return m, nil
}

// Requests lists the kinds of request.
func (m *Mix) Requests() []Request { return m.requests }

// At returns the request of a sequence number.
func (m *Mix) At(seq uint64) *Request { return &m.requests[m.Index(seq)] }

// Index returns the place in Requests of the request of a sequence number.
func (m *Mix) Index(seq uint64) int {
	if len(m.requests) == 1 {
		return 0
	}
	u := m.stream.Float(seq, 0) * m.upTo[len(m.upTo)-1]
	for i, upTo := range m.upTo {
		if u < upTo {
			return i
		}
	}
	return len(m.requests) - 1 // rounding
}
