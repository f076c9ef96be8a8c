package proxy

import (
	"errors"
	"io"
	"strconv"
	"syscall"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/exchange"
	"github.com/seed-8025779b/shakedown/balancer/h2"
	"github.com/seed-8025779b/shakedown/balancer/http1"
)

// failure is how an attempt ended, and what to tell a client whose request got no answer.
type failure struct {
	how         exchange.Ending
	status      int   // of an answer
	err         error // what ended it; nil for an answer
	unprocessed bool  // see exchange.Ending.Retried
}

func (f *failure) cause() exchange.Cause {
	if f.how == exchange.BodyUnusable {
		return causeOf(f.err)
	}
	return f.how.Cause()
}

func (f *failure) reason() string {
	switch {
	case f.err != nil:
		return f.err.Error()
	case f.how != exchange.Answered:
		return "status " + strconv.Itoa(f.status)
	}
	return ""
}

// answeredWith is the end of an attempt that the target answered.
func answeredWith(status int) failure { return failure{how: exchange.EndingOf(status), status: status} }

// echoShare is which part of an answer's longest line a request must reach for the answer's size to be the
// client's doing. A target that puts a URL into Location may write six bytes for one: < becomes \u003c or &lt;, and
// a percent sign, which is three bytes already, %25.
const echoShare = 8

// endingOf is how an exchange with a target ended that an error broke off.
func (x *driver) endingOf(err error) failure {
	how := exchange.BrokenOff
	switch {
	case x.upload.clientFailed():
		if err = *x.upload.failed.Load(); unusable(err) != nil {
			how = exchange.BodyUnusable
		} else {
			how, err = exchange.GoneFirst, errClient
		}
	case errors.Is(err, errClient):
		how, err = exchange.GoneFirst, errClient
	case errors.Is(err, errClientStalled):
		how, err = exchange.ClientStalled, errClientStalled
	case x.upload.targetFailed() != nil:
		how, err = exchange.Stalled, x.upload.targetFailed()
		if errors.Is(err, errOver) {
			how = x.overBy()
		}
	case errors.Is(err, errOver):
		how = x.overBy()
	case errors.Is(err, h2.ErrRequestTooLarge):
		how = exchange.HeadRefused
	case errors.Is(err, h2.ErrUnsendable):
		how = exchange.Unsendable
	case errors.Is(err, h2.ErrUnprocessed) && x.upload != nil:
		how = exchange.BodyRefused
	case errors.Is(err, http1.ErrHeadTooLarge):
		if how = exchange.TooLarge; x.said() >= http1.MaxLine/echoShare {
			how = exchange.Echoed
		}
	case errors.Is(err, h2.ErrHeaderValue):
		how = exchange.Unpassable
	case errors.Is(err, h2.ErrCalm):
		how = exchange.Calmed
	case x.triedPatience(err):
		how = exchange.GaveUp
	case errors.Is(err, h2.ErrBrokenAlready), !h2.Counts(err):
		how = exchange.BrokenAlready
	case timedOut(err):
		if how = exchange.Silent; x.unsent {
			how = exchange.Stalled
		}
	}
	return failure{how: how, err: err, unprocessed: errors.Is(err, h2.ErrUnprocessed) && x.upload == nil}
}

// said is how much the target has been told that it may repeat: the request's head as the client sent it, and its body.
func (x *driver) said() int64 {
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
func (x *driver) triedPatience(err error) bool {
	if !closed(err) && !errors.Is(err, h2.ErrEnded) {
		return false
	}
	if time.Duration(x.taking.read()) >= tryingTime {
		return true
	}
	asked := !x.c.Request.Expect || x.u.got // otherwise the client may wait for 100 Continue
	return x.upload != nil && asked && time.Duration(x.upload.waiting.read()) >= tryingTime
}

// spent is how an exchange's time was spent until the latest attempt began.
type spent struct {
	at             time.Time
	target, client int64 // ns that they were waited for
}

// beginAttempt notes what of the time was spent before an attempt: neither the queue nor another target is its target's affair.
func (x *driver) beginAttempt() {
	if !x.end.IsZero() {
		x.before = spent{time.Now(), x.onTarget.read(), x.onClient.read()}
	}
}

// overBy is how an exchange ended that took longer than it may.
func (x *driver) overBy() exchange.Ending {
	target, client := x.onTarget.read(), x.onClient.read()
	longer := target-x.before.target > client-x.before.client || x.expecting()
	switch {
	case longer && 2*time.Since(x.before.at) > x.pool.Exchange:
		return exchange.OverTime
	case client > target && !x.expecting():
		return exchange.ClientOverTime
	}
	return exchange.OtherOverTime
}

// metClose reports whether an exchange, which began a time ago on a connection that was used before, failed because the
// target was just closing that connection, so that it may be repeated on a new one to the same target: no byte of the
// request had left or reached the target, or the request can't take effect twice (RFC 9110, 9.2.2). For a stream of HTTP/2 the
// target may also say that it has not acted on it.
func (x *driver) metClose(u *conn, err error, ago time.Duration) bool {
	switch {
	case x.upload != nil || x.answered || u.got || x.late():
		return false
	case errors.Is(err, h2.ErrUnprocessed):
		return true
	case !u.reused || !closed(err):
		return false
	}
	return u.untouched(err) || (x.repeatable && exchange.WithinCloseRace(ago, u.connected))
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
