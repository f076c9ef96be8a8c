package profile

import "time"

// Closed is a stretch of closed-loop load: a number of users, each of whom sends its next request when the
// last one has ended and it has thought about it; after a failure it pauses as well, for as long as the client's
// settings say. It has no schedule: how many requests there are depends
// on the system, and its figures tell of throughput, not of the response time at a rate.
type Closed struct {
	From, To time.Duration
	Users    int
	Think    time.Duration // from the end of a user's request to its next one
	FirstSeq uint64        // sequence number of its first request
}

// closedSeq is where the sequence numbers of closed-loop requests begin: no schedule gets that far.
const closedSeq = 1 << 48

// closedSpan is how many sequence numbers a closed stretch has.
const closedSpan = 1 << 40

// ClosedSeqs returns the sequence numbers [from, to) of the i-th phase, were it a closed one.
func ClosedSeqs(i int) (from, to uint64) {
	from = closedSeq + uint64(i)*closedSpan
	return from, from + closedSpan
}

// IsClosed reports whether a sequence number is that of a closed loop's request, which no schedule has.
func IsClosed(seq uint64) bool { return seq >= closedSeq }
