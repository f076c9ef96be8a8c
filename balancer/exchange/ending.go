package exchange

import "github.com/seed-8025779b/shakedown/balancer/group"

// Ending is how an attempt at a target ended.
type Ending uint8

// The endings. Which of them count against the target is decided by the table in row, and nowhere else.
const (
	Answered        Ending = iota
	Answered5xx            // with a status from 500, other than these:
	AnsweredGateway        // 502, 503 or 504
	Refused                // no connection could be made
	ConnectTimedOut        // none in time
	BrokenOff              // the target ended the exchange too early, or its answer is malformed
	TooLarge               // the head of its answer is too large
	Silent                 // it had the whole request, and nothing more came of an answer in time
	HeldUp                 // HTTP/2: the request's body waited on a connection on which others' bodies may have kept the target from taking it
	Stalled                // it took nothing more of the request in time
	OverTime               // the exchange took longer than it may, most of the time with this target, which was waited for longer than the client
	ClientOverTime         // it did, and the client was waited for the longer
	OtherOverTime          // it did, and most of the time had gone by before this target was asked
	Echoed                 // the answer's head is too large, and may be so because the request is large
	Unpassable             // the answer is malformed, or HTTP/2 can't carry a header of it, and may be so because it repeats bytes of the request
	GaveUp                 // the target ended the exchange early, after the client had been waited for
	BrokenAlready          // HTTP/2: its connection broke, and has counted for another exchange on it
	RefusedAlready         // HTTP/2: the connection that it waited for could not be made, and has counted for another that did
	LateAlready            // HTTP/2: it was not there in time, likewise
	Calmed                 // HTTP/2: the target is asked too much
	NoResources            // no connection could be made, for want of something on the balancer's own machine
	HeadRefused            // the target has said that it takes no head as large as the request's
	Unsendable             // the request can't be put in the form of HTTP/2
	BodyRefused            // the target of HTTP/2 has said that it did not act on the request, whose body was under way
	BodyUnusable           // what the client sent of its body is malformed, too large, or did not come in time
	ClientStalled          // the client took nothing more of the answer in time
	GoneFirst              // the client ended its connection, or its stream, first
	endings
)

// row is what an ending means. README.md of package balancer has the same table, and TestOutcomes plays it over sockets.
type row struct {
	name    string
	outcome group.Outcome // what the group hears; Abandoned says nothing about the target
	cause   Cause         // of the balancer's own answer; NoCause where the error that ended it says more
}

func (e Ending) row() row {
	return [endings]row{
		Answered:        {"answered", group.OK, NoCause},
		Answered5xx:     {"answered 5xx", group.ServerError, TargetError},
		AnsweredGateway: {"answered 502, 503 or 504", group.GatewayError, TargetError},
		Refused:         {"no connection", group.ConnectFailed, ConnectFailed},
		ConnectTimedOut: {"no connection in time", group.ConnectFailed, ConnectTimeout},
		BrokenOff:       {"broken off or malformed", group.Broken, Broken},
		TooLarge:        {"head of the answer too large", group.Broken, Broken},
		Silent:          {"no answer in time", group.Broken, Timeout},
		HeldUp:          {"body held up by others of its connection", group.Abandoned, Timeout},
		Stalled:         {"request not taken in time", group.Broken, Timeout},
		OverTime:        {"exchange over its time, waiting for the target", group.Broken, Timeout},
		ClientOverTime:  {"exchange over its time, waiting for the client", group.Abandoned, Slow},
		OtherOverTime:   {"exchange over its time, most of it before this target was asked", group.Abandoned, Timeout},
		Echoed:          {"head of the answer too large for a large request", group.Abandoned, Broken},
		Unpassable:      {"answer malformed by bytes that it may repeat", group.Abandoned, Broken},
		GaveUp:          {"ended by the target after the client had been waited for", group.Abandoned, Broken},
		BrokenAlready:   {"connection broken, as has counted already", group.Abandoned, Broken},
		RefusedAlready:  {"no connection, as has counted already", group.Abandoned, ConnectFailed},
		LateAlready:     {"no connection in time, as has counted already", group.Abandoned, ConnectTimeout},
		Calmed:          {"the target is asked too much", group.Abandoned, Broken},
		NoResources:     {"no descriptor, port or memory left for a connection", group.Abandoned, Resources},
		HeadRefused:     {"head of the request too large for the target", group.Abandoned, HeadTooLarge},
		Unsendable:      {"request that can't be sent", group.Abandoned, Malformed},
		BodyRefused:     {"body under way refused, and not acted on", group.Abandoned, Broken},
		BodyUnusable:    {"body of the request malformed, too large or late", group.Abandoned, NoCause},
		ClientStalled:   {"answer not taken in time", group.Abandoned, Slow},
		GoneFirst:       {"client gone", group.Abandoned, ClientGone},
	}[e]
}

// String names the ending as the table does.
func (e Ending) String() string { return e.row().name }

// Outcome is what the group hears of an attempt.
func (e Ending) Outcome() group.Outcome {
	if e == Answered { // without a look at the table, for the hot path
		return group.OK
	}
	return e.row().outcome
}

// Retried is the outcome that decides whether another attempt may follow: an exchange that says nothing about its target may
// still have failed without its client's doing. A request on which the target has said that it did not act, and which is at hand, is
// unprocessed: it may be sent elsewhere whatever it is (RFC 9113, 8.7), as if no connection had been made.
func (e Ending) Retried(unprocessed bool) group.Outcome {
	switch {
	case unprocessed:
		return group.ConnectFailed
	case e == BrokenAlready || e == Calmed || e == HeldUp:
		return group.Broken
	case e == RefusedAlready || e == LateAlready:
		return group.ConnectFailed
	case e == NoResources: // nothing was sent; there may be an idle connection to another target, or a port
		return group.ConnectFailed
	}
	return e.Outcome()
}

// Cause is the cause of the balancer's own answer; NoCause where the error that ended the attempt says more.
func (e Ending) Cause() Cause { return e.row().cause }

// endingOfStatus is the ending of an attempt that the target answered with a status.
func endingOfStatus(status int) Ending {
	switch group.OutcomeOf(status) {
	case group.GatewayError:
		return AnsweredGateway
	case group.ServerError:
		return Answered5xx
	}
	return Answered
}
