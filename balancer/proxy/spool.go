package proxy

import (
	"errors"
	"io"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/exchange"
)

// prepare puts the request into the form in which targets get it. Of a request that may be sent twice it waits for more of the body, up
// to a bound, so that it is at hand for another attempt. A larger body is passed on as it comes, and its request is not repeated.
func (x *driver) prepare(spool int) exchange.Event {
	x.rule, x.pool = x.m.Rule(), x.m.Pool().(*Pool)
	if at, ok := x.m.Deadline(); ok {
		x.end = time.Now().Add(at - x.f.hooks.Now())
		x.onTarget.reset()
		x.onClient.reset()
	}
	var err error
	if x.request, err = x.appendRequest(x.request[:0]); err == nil {
		err = x.spool(spool)
	} else {
		return x.badBody(err)
	}
	switch {
	case err == nil:
		return exchange.Event{Kind: exchange.Spooled, Whole: x.c.Whole()}
	case unusable(err) == nil:
		return clientLeft()
	}
	return x.badBody(err)
}

// badBody tells of a body that can't be used.
func (x *driver) badBody(err error) exchange.Event {
	x.c.Close = true
	x.told = toldOfBody(err)
	return exchange.Event{Kind: exchange.BodyBad, Cause: causeOf(err), Reason: err.Error()}
}

// toldOfBody is what a client is told of its body.
func toldOfBody(err error) string {
	if timedOut(err) { // the network's error names addresses
		return "the body did not come in time"
	}
	return err.Error()
}

// spool reads on in the body, to its end or up to a bound, or until the exchange has had its whole time.
func (x *driver) spool(most int) error {
	r := &x.c.Request
	if most == 0 || x.c.Whole() {
		return nil
	}
	x.c.BoundBody(x.end)
	defer x.c.BoundBody(time.Time{})
	var content []byte
	for began := len(x.request); len(x.request)-began < most; {
		piece, err := x.readBody(x.c)
		if errors.Is(err, io.EOF) {
			if r.Chunked {
				x.request = appendEnd(x.request, x.c.Trailer(), x.unwanted)
			}
			return nil
		}
		if err != nil {
			return err
		}
		if piece, content, err = gatherBody(x.c, piece, content); err != nil {
			return err
		}
		x.request = appendPiece(x.request, piece, r.Chunked)
	}
	if r.Chunked && x.c.Whole() { // the bound was reached with the last piece
		x.request = appendEnd(x.request, x.c.Trailer(), x.unwanted)
	}
	return nil
}
