package exchange

import (
	"time"

	"github.com/seed-8025779b/shakedown/balancer/http1"
)

// echoShare is which part of an answer's longest line a request must reach for the answer's size to be the
// client's doing. A target that puts a URL into Location may write six bytes for one: < becomes \u003c or &lt;, and
// a percent sign, which is three bytes already, %25.
const echoShare = 8

// tryingTime is for how long in all a client must have been waited for until a target that ends the exchange early may have lost
// its patience with the client. Servers wait for a second at least.
const tryingTime = 500 * time.Millisecond

// endingOf is how an attempt ended, by what the driver has seen: a client must not be able to make a target look as if it had failed.
func (x *Exchange) endingOf(now time.Duration, e *Event) Ending {
	switch e.Ending {
	case OverTime:
		return x.overBy(now, e)
	case TooLarge:
		if e.Said >= http1.MaxLine/echoShare {
			return Echoed
		}
	case Refused, ConnectTimedOut:
		switch counted := e.Shared != nil && e.Shared.Swap(true); {
		case counted && e.Ending == Refused:
			return RefusedAlready
		case counted:
			return LateAlready
		}
	case BrokenOff, BrokenAlready, Silent:
		switch {
		case e.Patience >= tryingTime:
			return GaveUp
		case e.Shared != nil && e.Shared.Swap(true):
			return BrokenAlready
		case e.Ending == Silent && e.Unsent:
			return Stalled
		}
	}
	return e.Ending
}

// overBy is how an attempt ended during which the whole time of the exchange was over. It is its target's failure when the target was
// waited for longer than the client, and for most of that time: neither the queue nor another target is its affair. A fault's delay is
// the target's: it stands for a slow way to it.
func (x *Exchange) overBy(now time.Duration, e *Event) Ending {
	longer := e.Here.Target+x.asked-x.began > e.Here.Client || e.Expecting
	switch {
	case longer && 2*(now-x.began) > x.timeouts.Exchange:
		return OverTime
	case e.Waits.Client > e.Waits.Target+x.delayed && !e.Expecting:
		return ClientOverTime
	}
	return OtherOverTime
}

// closeRace is how soon after a request a connection that was used before must end for the request to have met the
// closing of an idle connection (RFC 9112, 9.3.1). What ends later may be the target's failure. loadgen/client.MetClose
// explains the rule; a balancer has more goroutines than a generator for which the end may have to wait.
const closeRace = 20 * time.Millisecond

// maxReopened is how often a request on which its target has said that it did not act goes to that target again. A target of HTTP/2 that
// leaves its connections in good order may leave the next one too, and the one after it: the last time, the request goes by one that was
// made after that.
const maxReopened = 3

// maxRoundTrip bounds what the time that a connection took to make says of the round trip.
const maxRoundTrip = 250 * time.Millisecond

// metClose reports whether an attempt on a connection that was used before failed because the target was just closing that
// connection, so that it may be repeated on a new one to the same target: no byte of the request has reached the target, or the request
// can't take effect twice (RFC 9110, 9.2.2). A target of HTTP/2 says whether it has acted on it.
func (x *Exchange) metClose(now time.Duration, e *Event) bool {
	switch {
	case x.committed || e.Uploading || e.Got || x.late(now):
		return false
	case e.Unprocessed:
		return x.reopened < maxReopened
	case x.reopened > 0 || !e.Reused || !e.Closed:
		return false
	}
	return !e.Sent || (x.repeatable && withinCloseRace(now-x.asked, e.Connecting))
}

// withinCloseRace reports whether a connection that was used before, and took so long to make, ended so soon after a request
// began that the request may have met the closing of an idle connection.
func withinCloseRace(ago, connecting time.Duration) bool {
	return ago <= closeRace+min(connecting, maxRoundTrip)
}
