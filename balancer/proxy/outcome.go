package proxy

import (
	"errors"
	"io"
	"strconv"
	"syscall"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/h2"
	"github.com/seed-8025779b/shakedown/balancer/http1"
)

// ending is how an attempt at a target ended.
type ending uint8

// The endings. Which of them count against the target is decided by the table in row, and nowhere else.
const (
	answered        ending = iota
	answered5xx            // with a status from 500, other than these:
	answeredGateway        // 502, 503 or 504
	refused                // no connection could be made
	connectTimedOut        // none in time
	brokenOff              // the target ended the exchange too early, or its answer is malformed
	tooLarge               // the head of its answer is too large
	silent                 // it had the whole request, and nothing more came of an answer in time
	stalled                // it took nothing more of the request in time
	overTime               // the exchange took longer than it may, most of the time with this target, which was waited for longer than the client
	clientOverTime         // it did, and the client was waited for the longer
	otherOverTime          // it did, and most of the time had gone by before this target was asked
	echoed                 // the answer's head is too large, and may be so because the request is large
	unpassable             // HTTP/2: a header of the answer holds bytes that can't be passed on, and may repeat the request's
	gaveUp                 // the target ended the exchange early, after the client had been waited for
	brokenAlready          // HTTP/2: its connection broke, as another of its exchanges has told
	calmed                 // HTTP/2: the target is asked too much
	noResources            // no connection could be made, for want of something on the balancer's own machine
	headRefused            // the target has said that it takes no head as large as the request's
	unsendable             // the request can't be put in the form of HTTP/2
	bodyRefused            // the target of HTTP/2 has said that it did not act on the request, whose body was under way
	bodyUnusable           // what the client sent of its body is malformed, too large, or did not come in time
	clientStalled          // the client took nothing more of the answer in time
	clientGone             // the client ended its connection, or its stream, first
	endings
)

// row is what an ending means. README.md of package balancer has the same table, and TestOutcomes plays it over sockets.
type row struct {
	name    string
	outcome group.Outcome // what the group hears; Abandoned says nothing about the target
	cause   Cause         // of the balancer's own answer; NoCause where the error that ended it says more
}

func (e ending) row() row {
	return [endings]row{
		answered:        {"answered", group.OK, NoCause},
		answered5xx:     {"answered 5xx", group.ServerError, TargetError},
		answeredGateway: {"answered 502, 503 or 504", group.GatewayError, TargetError},
		refused:         {"no connection", group.ConnectFailed, ConnectFailed},
		connectTimedOut: {"no connection in time", group.ConnectFailed, ConnectTimeout},
		brokenOff:       {"broken off or malformed", group.Broken, Broken},
		tooLarge:        {"head of the answer too large", group.Broken, Broken},
		silent:          {"no answer in time", group.Broken, Timeout},
		stalled:         {"request not taken in time", group.Broken, Timeout},
		overTime:        {"exchange over its time, waiting for the target", group.Broken, Timeout},
		clientOverTime:  {"exchange over its time, waiting for the client", group.Abandoned, Slow},
		otherOverTime:   {"exchange over its time, most of it before this target was asked", group.Abandoned, Timeout},
		echoed:          {"head of the answer too large for a large request", group.Abandoned, Broken},
		unpassable:      {"header of the answer with bytes that can't be passed on", group.Abandoned, Broken},
		gaveUp:          {"ended by the target after the client had been waited for", group.Abandoned, Broken},
		brokenAlready:   {"connection broken, as was told already", group.Abandoned, Broken},
		calmed:          {"the target is asked too much", group.Abandoned, Broken},
		noResources:     {"no descriptor, port or memory left for a connection", group.Abandoned, Resources},
		headRefused:     {"head of the request too large for the target", group.Abandoned, HeadTooLarge},
		unsendable:      {"request that can't be sent", group.Abandoned, Malformed},
		bodyRefused:     {"body under way refused, and not acted on", group.Abandoned, Broken},
		bodyUnusable:    {"body of the request malformed, too large or late", group.Abandoned, NoCause},
		clientStalled:   {"answer not taken in time", group.Abandoned, Slow},
		clientGone:      {"client gone", group.Abandoned, ClientGone},
	}[e]
}

// outcome is what the group hears of an attempt.
func (e ending) outcome() group.Outcome {
	if e == answered { // without a look at the table, for the hot path
		return group.OK
	}
	return e.row().outcome
}

// retried is the outcome that decides whether another attempt may follow: an exchange that says nothing about its target may
// still have failed without its client's doing.
func (e ending) retried() group.Outcome {
	if e == brokenAlready || e == calmed {
		return group.Broken
	}
	return e.outcome()
}

// failure is how an attempt ended, and what to tell a client whose request got no answer.
type failure struct {
	how    ending
	status int   // of an answer
	err    error // what ended it; nil for an answer
}

func (f *failure) cause() Cause {
	if f.how == bodyUnusable {
		return causeOf(f.err)
	}
	return f.how.row().cause
}

func (f *failure) reason() string {
	switch {
	case f.err != nil:
		return f.err.Error()
	case f.how != answered:
		return "status " + strconv.Itoa(f.status)
	}
	return ""
}

// answeredWith is the end of an attempt that the target answered.
func answeredWith(status int) failure {
	switch group.OutcomeOf(status) {
	case group.GatewayError:
		return failure{how: answeredGateway, status: status}
	case group.ServerError:
		return failure{how: answered5xx, status: status}
	}
	return failure{how: answered, status: status}
}

// echoShare is which part of an answer's longest line a request must reach for the answer's size to be the
// client's doing. A target that puts a URL into Location may write six bytes for one: < becomes \u003c or &lt;, and
// a percent sign, which is three bytes already, %25.
const echoShare = 8

// endingOf is how an exchange with a target ended that an error broke off.
func (x *exchange) endingOf(err error) failure {
	how := brokenOff
	switch {
	case x.upload.clientFailed():
		if err = *x.upload.failed.Load(); unusable(err) != nil {
			how = bodyUnusable
		} else {
			how, err = clientGone, errClient
		}
	case errors.Is(err, errClient):
		how, err = clientGone, errClient
	case errors.Is(err, errClientStalled):
		how, err = clientStalled, errClientStalled
	case x.upload.targetFailed() != nil:
		how, err = stalled, x.upload.targetFailed()
		if errors.Is(err, errOver) {
			how = x.overBy()
		}
	case errors.Is(err, errOver):
		how = x.overBy()
	case errors.Is(err, h2.ErrRequestTooLarge):
		how = headRefused
	case errors.Is(err, h2.ErrUnsendable):
		how = unsendable
	case errors.Is(err, h2.ErrUnprocessed) && x.upload != nil:
		how = bodyRefused
	case errors.Is(err, http1.ErrHeadTooLarge):
		if how = tooLarge; x.said() >= http1.MaxLine/echoShare {
			how = echoed
		}
	case errors.Is(err, h2.ErrHeaderValue):
		how = unpassable
	case errors.Is(err, h2.ErrCalm):
		how = calmed
	case x.triedPatience(err):
		how = gaveUp
	case errors.Is(err, h2.ErrBrokenAlready):
		how = brokenAlready
	case timedOut(err):
		if how = silent; x.unsent {
			how = stalled
		}
	}
	return failure{how: how, err: err}
}

// said is how much the target has been told that it may repeat: the request's head as the client sent it, and its body.
func (x *exchange) said() int64 {
	n := int64(x.c.HeadSize + len(x.request) - x.bodyAt)
	if x.upload != nil {
		n += x.upload.sent.Load()
	}
	return n
}

// tryingTime is for how long in all a client must have been waited for until a target that ends the exchange early may have lost
// its patience with the client. Servers wait for a second at least.
const tryingTime = 500 * time.Millisecond

// triedPatience reports whether the target ended the exchange, and may have done so because the client was so long in sending its
// body, which has not come to its end, or in taking the answer.
func (x *exchange) triedPatience(err error) bool {
	if !closed(err) && !errors.Is(err, h2.ErrEnded) {
		return false
	}
	if time.Duration(x.taking.read()) >= tryingTime {
		return true
	}
	asked := !x.c.Request.Expect || x.u.got // otherwise the client may wait for 100 Continue
	return x.upload != nil && !x.upload.done() && asked && time.Duration(x.upload.waiting.read()) >= tryingTime
}

// spent is how an exchange's time was spent until the latest attempt began.
type spent struct {
	at             time.Time
	target, client int64 // ns that they were waited for
}

// beginAttempt notes what of the time was spent before an attempt: neither the queue nor another target is its target's affair.
func (x *exchange) beginAttempt() {
	if !x.end.IsZero() {
		x.before = spent{time.Now(), x.onTarget.read(), x.onClient.read()}
	}
}

// overBy is how an exchange ended that took longer than it may.
func (x *exchange) overBy() ending {
	target, client := x.onTarget.read(), x.onClient.read()
	longer := target-x.before.target > client-x.before.client || x.expecting()
	switch {
	case longer && 2*time.Since(x.before.at) > x.pool.Exchange:
		return overTime
	case client > target && !x.expecting():
		return clientOverTime
	}
	return otherOverTime
}

// closeRace is how soon after a request a connection that was used before must end for the request to have met the
// closing of an idle connection (RFC 9112, 9.3.1). What ends later may be the target's failure. loadgen/client.MetClose
// explains the rule; a balancer has more goroutines than a generator for which the end may have to wait.
const closeRace = 20 * time.Millisecond

// maxRoundTrip bounds what the time that a connection took to make says of the round trip.
const maxRoundTrip = 250 * time.Millisecond

// metClose reports whether an exchange, which began a time ago on a connection that was used before, failed because the
// target was just closing that connection, so that it may be repeated on a new one to the same target: no byte of the
// request had left or reached the target, or the request can't take effect twice (RFC 9110, 9.2.2). For a stream of HTTP/2 the
// target may also say that it has not acted on it.
func (x *exchange) metClose(u *conn, err error, ago time.Duration) bool {
	switch {
	case x.upload != nil || x.answered || u.got || x.late():
		return false
	case errors.Is(err, h2.ErrUnprocessed):
		return true
	case !u.reused || !closed(err):
		return false
	}
	return u.untouched(err) || (x.repeatable && ago <= closeRace+min(u.connected, maxRoundTrip))
}

// untouched reports whether nothing of the exchange under way has reached the target's kernel, by an error that ended it: no byte
// has left, or the target has ended the connection and its kernel has acknowledged none. Whatever the target could have read before it
// ended the connection is acknowledged with that end at the latest; what comes after it, a server does not act on (RFC 9112, 9.6). A
// reset proves nothing: it may be the answer to what came.
func (c *conn) untouched(err error) bool {
	if c.socket == nil {
		return false
	}
	sent := c.sent()
	return sent == 0 || (ended(err) && int64(c.socket.Queued()) >= sent)
}

// ended reports whether an error is the orderly end of a connection by its other side.
func ended(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

// closed reports whether an error is the end of a connection by its other side.
func closed(err error) bool {
	return ended(err) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
