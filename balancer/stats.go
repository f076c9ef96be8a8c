package balancer

import (
	"time"

	"github.com/seed-8025779b/shakedown/balancer/group"
)

// Stats is what the balancer has done so far.
type Stats struct {
	At       time.Duration `json:"at"` // CLOCK_MONOTONIC
	Requests uint64        `json:"requests"`
	Retries  uint64        `json:"retries"`
	Unrouted uint64        `json:"unrouted"`
	Refused  uint64        `json:"refused"`  // malformed, too large or too slow: no target saw them
	Aborted  uint64        `json:"aborted"`  // the client went away first
	Limited  uint64        `json:"limited"`  // beyond a rate limit: answered 429
	Waited   uint64        `json:"waited"`   // attempts that waited for a target with room
	Overflow uint64        `json:"overflow"` // attempts that found the queue full
	// Requests that met the closing of an idle connection and went to a new one, to the same target.
	Reconnects uint64                    `json:"reconnects"`
	Waiting    map[string]int64          `json:"waiting"` // requests in the groups' queues
	Groups     map[string][]group.Status `json:"groups"`  // those that are gone included, the last of them
}

// Stats is a snapshot.
func (b *Balancer) Stats() Stats {
	s := Stats{
		At: b.clock.Now(), Requests: b.counters.Requests.Load(), Retries: b.counters.Retries.Load(),
		Unrouted: b.counters.Unrouted.Load(), Refused: b.counters.Refused.Load(), Aborted: b.counters.Aborted.Load(), Groups: map[string][]group.Status{},
		Limited: b.counters.Limited.Load(), Waited: b.counters.Waited.Load(), Overflow: b.counters.Overflowed.Load(), Reconnects: b.counters.Reconnects.Load(), Waiting: map[string]int64{},
	}
	for _, o := range b.owners() {
		s.Waiting[o.g.Name()] = o.pool.Waiting()
		s.Groups[o.g.Name()], _ = o.status()
	}
	return s
}
