package exchange

import "sync/atomic"

// Counters are what exchanges count beside each target's requests.
type Counters struct {
	Requests atomic.Uint64 // that reached the balancer
	Retries  atomic.Uint64 // further attempts
	Unrouted atomic.Uint64 // no rule, or no ready target: answered without an attempt
	Refused  atomic.Uint64 // malformed, too large or too slow: no target saw them
	Aborted  atomic.Uint64 // the client went away before its answer was whole
	Limited  atomic.Uint64 // beyond a rate limit: answered 429

	Waited     atomic.Uint64 // attempts that have waited for a target with room; one that still waits is counted when its wait ends
	Overflowed atomic.Uint64 // attempts that found the queue full
	Reconnects atomic.Uint64 // requests that met the closing of an idle connection and went to a new one, to the same target
	Errors     ErrorCounts
}

// ErrorCounts counts the balancer's own answers by their causes.
type ErrorCounts struct{ n [causes]atomic.Uint64 }

// Add counts an answer.
func (e *ErrorCounts) Add(c Cause) { e.n[c].Add(1) }

// Counts is how many answers each cause had that had any.
func (e *ErrorCounts) Counts() map[string]uint64 {
	out := map[string]uint64{}
	for c := range causes {
		if n := e.n[c].Load(); n > 0 {
			out[c.String()] = n
		}
	}
	return out
}
