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
	// Pick returns the index of the chosen member, or -1 when there is none that the request may go to.
	Pick(now time.Duration, r *Request, s *Set) int
}

// Preparer is a strategy that builds something of a set once, when the set is published: Set.Prepared.
type Preparer interface{ Prepare(s *Set) any }

// TimeObserver is a strategy that learns how long targets take to answer. It is called when the head of an answer has come that is no
// failure, with the time since the attempt began: connecting to the target, sending the request and waiting for the head, as in nginx's
// "least_time header". The client's own time is not in it: while the balancer waits for more of its body, while it reads the answer, and
// while it uses a connection whose protocol has changed. What is learned is in force at once, however long the exchange lasts after that.
type TimeObserver interface {
	Answered(now time.Duration, m *Load, took time.Duration)
}

// Observer is a strategy that learns from how exchanges ended. took is the time from an attempt's begin to the head of its answer, or to
// its failure when none came.
type Observer interface {
	Done(now time.Duration, m *Load, took time.Duration, failed bool)
}

// Keyed is a strategy that sends requests of one key to one target.
type Keyed interface{ Key() Key }

// Builder makes a strategy; its draws come from the stream.
type Builder func(draw.Stream) Strategy

// Kinds is the table of strategies.
func Kinds() spec.Kinds[Builder] {
	return spec.Kinds[Builder]{
		roundRobin, weightedRoundRobin, random, weightedRandom, leastRequests, p2c, leastTime, peakEWMA,
		joinIdleQueue, prequal, ringHash, boundedHash, maglev, rendezvous, ipHash, first,
	}
}

// Request is what a strategy may know of a request.
type Request struct {
	Seq     uint64
	Attempt int      // 0 for the first
	Tried   []string // ids of the targets that this request has already failed on
	avoid   string   // a target that this pick must not choose
	Key     uint64   // for a keyed strategy; a draw when the request does not have what the key is taken from
	Sticky  Tag      // of the target that the request should go to again; zero for none
	Limit   int64    // a target with so many requests in flight is full: it is not chosen; 0 for no limit
}

// Tag stands for a target in a client's cookie.
type Tag [12]byte

// Load is a target's state that strategies share and the data plane updates.
type Load struct {
	InFlight atomic.Int64
	latency  average      // of the times until answers' heads
	failures average      // the share of exchanges that failed
	idle     atomic.Int64 // since when nothing has been in flight, in nanoseconds; 0 from the beginning
}

// Member is one ready target.
type Member struct {
	ID     string
	Zone   string
	Weight int // positive; 0 counts as 1
	Load   *Load

	Warming bool          // it has come into service at Since, and slow start is for it
	Since   time.Duration // on the clock of Pick's now
}

func (m *Member) weight() int { return max(m.Weight, 1) }

// Set is the targets that are ready. It is immutable: a change publishes a new one.
type Set struct {
	Members  []Member
	Prepared any // by a Preparer
}

// Left reports whether a member is left out of the pick, because it was tried or is full.
func (r *Request) Left(m *Member) bool {
	return (len(r.Tried) > 0 && slices.Contains(r.Tried, m.ID)) || (r.avoid != "" && r.avoid == m.ID) || (r.Limit > 0 && m.Load.InFlight.Load() >= r.Limit)
}

// all reports whether no member is left out of the pick.
func (r *Request) all() bool { return len(r.Tried) == 0 && r.avoid == "" && r.Limit == 0 }

// from returns the first member that may be chosen at or after index i, around the end; -1 when there is none.
func (s *Set) from(i int, r *Request) int {
	for n := range s.Members {
		if j := (i + n) % len(s.Members); !r.Left(&s.Members[j]) {
			return j
		}
	}
	return -1
}

// drawn returns the member that u in [0, 1) falls on among those that are neither left out nor taken, each as likely
// as the others; -1 when there is none.
func (s *Set) drawn(u float64, r *Request, taken []int) int {
	if r.all() && len(taken) == 0 {
		return min(int(u*float64(len(s.Members))), len(s.Members)-1)
	}
	free := func(i int) bool { return !slices.Contains(taken, i) && !r.Left(&s.Members[i]) }
	left := 0
	for i := range s.Members {
		if free(i) {
			left++
		}
	}
	k := min(int(u*float64(left)), left-1)
	for i := range s.Members {
		if free(i) {
			if k == 0 {
				return i
			}
			k--
		}
	}
	return -1
}

// lighter reports whether a has less to do for its weight than b, the request in question counted in.
func lighter(a, b *Member) bool {
	return (a.Load.InFlight.Load()+1)*int64(b.weight()) < (b.Load.InFlight.Load()+1)*int64(a.weight())
}
