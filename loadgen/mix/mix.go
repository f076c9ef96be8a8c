// Package mix says which request a sequence number is, and what is in it.
//
// The choice is a seeded draw by identity, and so is whatever a template fills in: the n-th request of a run
// is the same in every world and for every variant of a comparison.
package mix

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/seed-8025779b/shakedown/scenarios/draw"
)

// SeqHeader carries a request's sequence number, its identity, from the generator to the balancer and on
// to the backend. It is sent to systems that shakedown started itself. AppendSeq describes its value.
const SeqHeader = "Shakedown-Seq"

// SeqName is SeqHeader in lower case, as it is looked for.
const SeqName = "shakedown-seq"

// AttemptHeader is the header of an answer in which the balancer reports its attempts at a request that
// carried SeqHeader. AppendAttempt describes its value.
const AttemptHeader = "Shakedown-Attempt"

// AttemptName is AttemptHeader in lower case, as it is looked for.
const AttemptName = "shakedown-attempt"

// Request is one kind of request in a load. Path, header values and body may be templates.
type Request struct {
	Name    string // "GET /" unless the scenario says otherwise
	Method  string
	Path    string // with its query; for a system of your own, below the target's URL
	Headers []Header
	Body    string
	Weight  float64 // positive
	Expect  *Expect // nil: any status below 400 will do
}

// Set is what a mix is made of.
type Set struct {
	Requests []Request
	InTurn   bool // one after the other, whatever their weights
	Data     []*Data
}

// Mix is a choice of requests.
type Mix struct {
	set    Set
	upTo   []float64 // cumulative weights
	texts  []Texts
	stream draw.Stream
}

// Texts are a request's parts as they are sent.
type Texts struct {
	Path, Body Text
	Headers    []HeaderText
}

// HeaderText is one header.
type HeaderText struct {
	Name  string
	Value Text
}

// New returns a mix; it needs at least one request, positive weights, and templates that can be filled in.
func New(seed draw.Seed, set Set) (*Mix, error) {
	if len(set.Requests) == 0 {
		return nil, errors.New("a load needs at least one request")
	}
	m := &Mix{set: set, stream: seed.Stream("mix")}
	sum := 0.
	for i := range set.Requests {
		r := &set.Requests[i]
		if !(r.Weight > 0) {
			return nil, fmt.Errorf("request %s has no weight", r.Name)
		}
		sum += r.Weight
		m.upTo = append(m.upTo, sum)
		t, err := r.compile(seed, set.Data)
		if err != nil {
			return nil, fmt.Errorf("request %s: %w", r.Name, err)
		}
		m.texts = append(m.texts, t)
	}
	return m, nil
}

// compile reads the request's templates and checks that they can be sent.
func (r *Request) compile(seed draw.Seed, data []*Data) (t Texts, err error) {
	if strings.Contains(r.Path, "#") {
		return t, errors.New("path: a fragment is never sent to a server: write %23 for the sign itself")
	}
	if t.Path, err = parse(r.Path, seed, data, inTarget); err != nil {
		return t, fmt.Errorf("path: %w", err)
	}
	if t.Body, err = parse(r.Body, seed, data, inBody); err != nil {
		return t, fmt.Errorf("body: %w", err)
	}
	for _, h := range r.Headers {
		if !ValidName(h.Name) {
			return t, fmt.Errorf("header %q can't be sent: its name is not a token", h.Name)
		}
		if i := slices.IndexFunc(framing, func(f string) bool { return strings.EqualFold(f, h.Name) }); i >= 0 {
			return t, fmt.Errorf("header %s can't be set: it follows from the body", framing[i])
		}
		v, err := parse(h.Value, seed, data, inHeader)
		if err != nil {
			return t, fmt.Errorf("header %s: %w", h.Name, err)
		}
		t.Headers = append(t.Headers, HeaderText{h.Name, v})
	}
	return t, nil
}

// framing are the headers that delimit a message.
var framing = []string{"Content-Length", "Transfer-Encoding", "Trailer"}

// ValidName reports whether a header's name is a token (RFC 9110, 5.6.2).
func ValidName(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// Requests lists the kinds of request.
func (m *Mix) Requests() []Request { return m.set.Requests }

// Texts returns the parts of the i-th request.
func (m *Mix) Texts(i int) *Texts { return &m.texts[i] }

// At returns the request of a sequence number.
func (m *Mix) At(seq uint64) *Request { return &m.set.Requests[m.Index(seq)] }

// Path returns the path of a sequence number's request, filled in.
func (m *Mix) Path(seq uint64) string { return m.texts[m.Index(seq)].Path.String(seq) }

// Index returns the place in Requests of the request of a sequence number.
func (m *Mix) Index(seq uint64) int {
	n := len(m.upTo)
	switch {
	case n == 1:
		return 0
	case m.set.InTurn:
		return int(seq % uint64(n))
	}
	u := m.stream.Float(seq, 0) * m.upTo[n-1]
	return min(sort.Search(n, func(i int) bool { return u < m.upTo[i] }), n-1) // n: rounding
}
