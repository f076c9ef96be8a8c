package proxy

import (
	"errors"
	"io"
	"syscall"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/exchange"
	"github.com/seed-8025779b/shakedown/balancer/h2"
	"github.com/seed-8025779b/shakedown/balancer/http1"
)

// broken tells of an exchange with a target that an error broke off, and ends the attempt.
func (x *driver) broken(err error) exchange.Event {
	x.unbound()
	u := x.u
	e := x.endOf(err) // before the end of the upload changes how it looks
	x.up.brokeOff(u, err)
	x.endAttempt(err)
	return e
}

// endOf is what is to be told of the end of an exchange with a target that an error broke off.
func (x *driver) endOf(err error) exchange.Event {
	u := x.u
	e := exchange.Event{
		Kind: exchange.Failed, Reused: u.reused, Closed: closed(err), Sent: !u.reused || !u.untouched(err), Got: u.got, Uploading: x.upload != nil,
		Unprocessed: errors.Is(err, h2.ErrUnprocessed), Unsent: x.unsent, Connecting: u.connected, Expecting: x.expecting(), Body: x.upload.waited(),
	}
	e.Ending, err = x.seen(err)
	e.Reason, x.told = err.Error(), x.toldOf(err, x.target)
	switch e.Ending {
	case exchange.Silent, exchange.Stalled, exchange.OverTime:
		if u.blocked() {
			e.Ending = exchange.HeldUp
		}
	}
	if (e.Ending == exchange.BrokenOff || e.Ending == exchange.Silent) && u.got && escapesControl(x.c.Request.Target) {
		e.Ending = exchange.Unpassable
	}
	switch e.Ending {
	case exchange.BodyUnusable:
		x.c.Close = true
		e.Cause, x.told = causeOf(err), toldOfBody(err)
	case exchange.OverTime:
		x.addWaits(&e)
	case exchange.TooLarge:
		e.Said = x.said()
	case exchange.BrokenOff, exchange.BrokenAlready, exchange.Silent:
		e.Patience, e.Shared = x.patience(err), h2.SharedEnd(err)
	}
	return e
}

// seen is the ending that an error stands for by itself, and the error to tell.
func (x *driver) seen(err error) (exchange.Ending, error) {
	switch {
	case x.upload.clientFailed():
		if err = *x.upload.failed.Load(); unusable(err) != nil {
			return exchange.BodyUnusable, err
		}
		return exchange.GoneFirst, errClient
	case errors.Is(err, errClient):
		return exchange.GoneFirst, errClient
	case errors.Is(err, errClientStalled):
		return exchange.ClientStalled, errClientStalled
	case x.upload.targetFailed() != nil:
		if err = x.upload.targetFailed(); errors.Is(err, errOver) {
			return exchange.OverTime, err
		}
		return exchange.Stalled, err
	case errors.Is(err, errOver):
		return exchange.OverTime, err
	case errors.Is(err, h2.ErrRequestTooLarge):
		return exchange.HeadRefused, err
	case errors.Is(err, h2.ErrUnsendable):
		return exchange.Unsendable, err
	case errors.Is(err, h2.ErrUnprocessed) && x.upload != nil:
		return exchange.BodyRefused, err
	case errors.Is(err, http1.ErrHeadTooLarge):
		return exchange.TooLarge, err
	case errors.Is(err, h2.ErrHeaderValue), errors.Is(err, h2.ErrUnpassable):
		return exchange.Unpassable, err
	case errors.Is(err, h2.ErrCalm):
		return exchange.Calmed, err
	case errors.Is(err, h2.ErrBrokenAlready):
		return exchange.BrokenAlready, err
	case timedOut(err):
		return exchange.Silent, err
	}
	return exchange.BrokenOff, err
}

// escapesControl reports whether a URL holds an escaped control byte. A target that writes it into a header of its answer as what it
// stands for makes a malformed header, or the end of the head: the client could have its target ejected.
func escapesControl(target []byte) bool {
	for i := 0; i+2 < len(target); i++ {
		if target[i] != '%' {
			continue
		}
		switch high, low := target[i+1], target[i+2]|0x20; {
		case high == '0', high == '1', high == '7' && low == 'f':
			return true
		}
	}
	return false
}

// addWaits adds how the time of the exchange was spent, when it is over.
func (x *driver) addWaits(e *exchange.Event) {
	e.Expecting = x.expecting()
	e.Waits = exchange.Waits{Target: x.onTarget.read(), Client: x.onClient.read()}
	e.Here = exchange.Waits{Target: e.Waits.Target - x.before.Target, Client: e.Waits.Client - x.before.Client}
}

// noteAttempt notes how the time was spent until an attempt began.
func (x *driver) noteAttempt() {
	if n := x.m.Trace().Attempts; n != x.attempt && !x.end.IsZero() {
		x.attempt, x.before = n, exchange.Waits{Target: x.onTarget.read(), Client: x.onClient.read()}
	}
}

// clientLeft tells that the client has gone while no target was asked.
func clientLeft() exchange.Event {
	return exchange.Event{Kind: exchange.Left, Reason: errClient.Error()}
}

// said is how much the target has been told that it may repeat: the request's head as the client sent it, and its body.
func (x *driver) said() int64 {
	n := int64(x.c.HeadSize + len(x.request) - x.bodyAt)
	if x.upload != nil {
		n += x.upload.sent.Load()
	}
	return n
}

// patience is for how long the client was waited for, to take the answer or to send its body, which has not come to its end; 0 when it
// was not the target that ended the exchange.
func (x *driver) patience(err error) time.Duration {
	if !closed(err) && !errors.Is(err, h2.ErrEnded) {
		return 0
	}
	waited := x.taking.read()
	asked := !x.expecting() || x.u.got // otherwise the client may wait for 100 Continue
	if x.upload != nil && asked {
		waited = max(waited, x.upload.waiting.read())
	}
	return waited
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
