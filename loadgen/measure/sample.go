// Package measure turns what happened to each request into figures that can be trusted.
//
// A Sample is one request with its five stamps. A Recorder keeps marginals of samples — by phase, by
// window of time, by request name — in histograms that merge exactly, so that no percentile is ever
// averaged. Its memory does not grow with the number of samples, and only slowly with the length of a run:
// past 600 windows neighbours merge.
//
// Nothing here reads a clock; stamps are durations since the run began.
package measure

import "time"

// Sample is one planned request.
type Sample struct {
	Seq     uint64
	Request string // the request's name in the mix

	Due     time.Duration // when the schedule says it should leave
	Offered time.Duration // when the generator released it; Offered − Due is the generator's lateness
	Sent    time.Duration // when its first byte left; zero when it never got that far
	First   time.Duration // first byte of the answer; zero when there was none
	Done    time.Duration // end of the exchange, or when the client gave up

	Wait      time.Duration // how long it waited for a free connection since it was offered; 0: one was free, or could be made
	Connect   time.Duration // how long its connection took to make, name resolved; 0: there was one
	Handshake time.Duration // how long TLS took on it
	Reconnect int           // how often it was sent again on a new connection, because the server had closed the idle one

	ClientAttempts int     // how many attempts the client made, each with a connection: 0 for a request that never had one. The stamps are of the last
	Retried        []Class // how those before the last one failed, in order; a sink that keeps the sample copies it

	// Stalled is how much of the time from Due to Done the generator itself may have taken, because it was late or
	// stood still: the true response time lies between Done − Due and that less Stalled. What is tolerated counts
	// as 0. The engine leaves it to the monitor; see StallLedger.Stalled.
	Stalled time.Duration

	// Missed is not 0 when it succeeded, but the generator itself sent it so late that it may have missed faults. Who
	// knows of faults sets it, before the sample is added, and knows which ones a number stands for.
	Missed int

	// Turned: it failed, and the generator itself delayed it into a fault. Who knows of faults sets it, before the sample is added.
	Turned bool

	Outcome  Outcome
	Class    Class // why it failed; empty for a success
	Status   int   // HTTP status; 0 when there was no answer
	Detail   string
	BytesIn  int64 // of the body of the answer
	BytesOut int64 // of the body of the request; 0 when it was not sent

	// What the balancer said of its final attempt; empty when it was not asked, or said nothing.
	Told     bool   // the balancer has said something, if only that there was no attempt
	Attempts int    // how many attempts the balancer made
	Target   string // id of the target of the final attempt
	Fault    string // id of the wire fault that shaped the final attempt

	Group string // of a request without a target: the group that it was for, where that is known and matters
}

// Response is what a user waits: from the due time to the end.
func (s *Sample) Response() time.Duration { return s.Done - s.Due }

// Service is what a naive tool would report: from the first byte sent to the end.
func (s *Sample) Service() time.Duration { return s.Done - s.Sent }

// Lag is the generator's lateness.
func (s *Sample) Lag() time.Duration { return s.Offered - s.Due }

const (
	// turnShare is the least share of its time that the generator must have taken for a failure to be its doing: with a
	// small delay less, a request that fails after seconds would have failed all the same.
	turnShare = .05
	// leastBurst is the least delay behind which requests pile up: in less, 5 of them are due at 1,000/s, as many as may well come
	// together by chance.
	leastBurst = 5 * time.Millisecond
)

// MayBeTurned reports whether a request may have failed because the generator itself delayed it, or failed for what its machine lacks.
func (s *Sample) MayBeTurned() bool {
	if s.Class == Resources || s.Turned {
		return true
	}
	return s.mayCause(s.Class)
}

// mayCause reports whether the generator's own delay of a request may have made it, or an attempt of it, fail in such a way.
//
// A request whose time ran out may have had enough of it without the delay, however short that was. What was answered, refused or broken
// off fails because of the system's state when it comes, for which a small delay of its own does not matter: only requests that are held
// back together, and then come as a burst, change that state. Otherwise a system that refuses everything at once would not have failed
// whenever the generator is late by more than a twentieth of such an answer's time. What fails whenever it comes is left out.
func (s *Sample) mayCause(c Class) bool {
	if c.whenever() || s.Stalled <= 0 || float64(s.Stalled) < turnShare*float64(s.Response()) {
		return false
	}
	return c.outOfTime() || s.Stalled >= leastBurst
}

// TooLate reports whether the generator itself offered a request so late that it was of no use any more: it was never sent,
// and did not even wait for a connection.
func (s *Sample) TooLate() bool {
	return s.Outcome == Dropped && s.Stalled > 0 && s.Done <= s.Offered
}

// SentLate returns when a request was sent, or offered if it never was, and how much later that may be than without the
// generator's own delay.
func (s *Sample) SentLate() (sent, late time.Duration) {
	sent = max(s.Offered, s.Sent)
	return sent, min(s.Stalled, sent-s.Due)
}

// bestSuccess reports whether a request succeeded, or may have without the generator's own part.
func (s *Sample) bestSuccess() bool {
	return s.Outcome == Succeeded || (s.Outcome != Cancelled && s.MayBeTurned())
}

// Outcome is how a planned request ended.
type Outcome uint8

const (
	Succeeded Outcome = iota
	Failed            // it was sent, or a connection was tried, and it went wrong
	Dropped           // no connection became free in time to be of use: a failure as slow as its wait
	Cancelled         // it was not finished when the run was stopped early: neither success nor failure
)

// Class is a kind of failure. The set is bounded, so that counts by class stay small.
type Class string

// The classes of failure.
const (
	DNS              Class = "dns"
	Refused          Class = "refused"
	Unreachable      Class = "unreachable"
	ConnectTimeout   Class = "connect_timeout"
	TLS              Class = "tls"
	Reset            Class = "reset"
	ClosedEarly      Class = "closed_early"
	FirstByteTimeout Class = "first_byte_timeout"
	Timeout          Class = "timeout"
	Malformed        Class = "malformed"
	Redirects        Class = "redirects" // more redirects than are followed
	Status4xx        Class = "status_4xx"
	Status5xx        Class = "status_5xx"
	Expectation      Class = "expectation"         // it answered, but not what was expected
	Resources        Class = "generator_resources" // the generator's machine had no descriptor, port or memory left for a connection: not the system's doing
	NoConnection     Class = "no_connection"       // the class of every dropped request
	Other            Class = "other"
)

// outOfTime reports whether a request that fails so had reached a limit of the client's. A handshake that takes too long has the class of
// one that fails, and counts as that.
func (c Class) outOfTime() bool {
	return c == ConnectTimeout || c == FirstByteTimeout || c == Timeout || c == NoConnection
}

// whenever reports whether what fails so fails at any instant and beside any other request: how an answer is written, and where it
// redirects to, is in the system's code and settings. What an answer says is not: one that is not as expected may tell of a system that a
// burst has overloaded.
func (c Class) whenever() bool { return c == Malformed || c == Redirects }

// ClassOfStatus classifies an answer: statuses from 400 on are failures.
func ClassOfStatus(status int) Class {
	switch StatusClass(status) {
	case 5:
		return Status5xx
	case 4:
		return Status4xx
	}
	return ""
}

// StatusClass is the first digit of a status's class, 1 to 5. What is no status counts as 5xx (RFC 9110, 15).
func StatusClass(status int) int {
	if status < 100 || status > 599 {
		return 5
	}
	return status / 100
}
