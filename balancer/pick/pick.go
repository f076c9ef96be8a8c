// Package pick holds the strategies: how a target is chosen among those that are ready.
//
// A Strategy sees an immutable Set and a Request, and answers with an index into the set. It is called
// by many goroutines at once, does not allocate, never waits, and takes its randomness from the
// request's identity. One file a strategy; the table below is the only place that lists them.
package pick

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// Strategy chooses a target.
type Strategy interface {
	// Pick returns the index of the chosen member, or -1 when every member was tried already or there is
	// none.
	Pick(now time.Duration, r *Request, s *Set) int
}

// Builder makes a strategy; its draws come from the stream.
type Builder func(draw.Stream) Strategy

// Kinds is the table of strategies.
func Kinds() spec.Kinds[Builder] {
	return spec.Kinds[Builder]{roundRobin, leastRequests, p2c}
}

// Request is what a strategy may know of a request.
type Request struct {
	Seq     uint64
	Attempt int      // 0 for the first
	Tried   []string // ids of the targets that this request has already failed on
}

// Load is a target's state that strategies share and the data plane updates.
type Load struct {
	InFlight atomic.Int64
}

// Member is one ready target.
type Member struct {
	ID   string
	Zone string
	Load *Load
}

// Set is the targets that are ready. It is immutable: a change publishes a new one.
type Set struct {
	Members []Member
}

func (r *Request) tried(m *Member) bool { return len(r.Tried) > 0 && slices.Contains(r.Tried, m.ID) }

// from returns the first untried member at or after index i, around the end; -1 when all were tried.
func (s *Set) from(i int, r *Request) int {
	for n := range s.Members {
		if j := (i + n) % len(s.Members); !r.tried(&s.Members[j]) {
			return j
		}
	}
	return -1
}
