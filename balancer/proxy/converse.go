package proxy

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/balancer/exchange"
	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/h2"
	"github.com/seed-8025779b/shakedown/balancer/http1"
	"github.com/seed-8025779b/shakedown/balancer/serve"
)

// converse sends the request, and reads until the head of the final answer has come. Interim answers are passed on.
func (x *driver) converse(idle time.Duration) exchange.Event {
	x.unsent, x.u.patience = false, idle
	if _, err := x.send(x.u, x.addressed(x.target)); err != nil {
		if err = x.answeredEarly(err); err != nil {
			return x.broken(err)
		}
	} else if !x.c.Whole() {
		if err := x.beginHolding(idle); err != nil {
			return x.broken(err)
		}
		x.startUpload()
	}
	for {
		if err := x.head(); err != nil {
			return x.broken(receiveError(err))
		}
		status := x.u.res.Status
		if status == http.StatusSwitchingProtocols && (x.c.Request.Upgrade == nil || x.upload.running()) {
			return x.broken(errUnasked)
		}
		if status >= 200 || status == http.StatusSwitchingProtocols {
			if err := x.checkBegun(); err != nil {
				return x.broken(receiveError(err))
			}
			x.told = ""
			return exchange.Event{Kind: exchange.Head, Status: status, Body: x.upload.waited()}
		}
		if err := x.interim(); err != nil {
			return x.broken(err)
		}
	}
}

// head reads the head of an answer, final or not.
func (x *driver) head() error {
	return x.u.head(string(x.c.Request.Method) == http.MethodHead, x.resetFields, x.onField)
}

// checkBegun returns the error of a body that is malformed in what has come of it with its head: nothing has been said to the client yet.
func (x *driver) checkBegun() error {
	if !x.u.res.Chunked {
		return nil
	}
	var body http1.Body
	body.Start(&x.u.res)
	_, _, err := body.Feed(x.u.unread(), nil)
	return err
}

// answeredEarly returns nil when a target that did not take the whole request has answered it: it may refuse a large one
// without reading on. What it said before its end is there to be read. Else it returns the error that ended the exchange: for a stream
// of HTTP/2 that is what ended the stream, not that nothing could be written any more.
func (x *driver) answeredEarly(sending error) error {
	x.unsent = true
	if errors.Is(sending, errClient) || errors.Is(sending, errOver) || errors.Is(sending, h2.ErrUnsendable) {
		return sendError{sending}
	}
	patience := x.u.patience
	x.u.patience = min(patience, watch)
	err := x.u.fill()
	x.u.patience = patience
	switch {
	case err == nil:
		return nil
	case errors.Is(sending, io.ErrClosedPipe) && !timedOut(err):
		return receiveError(err)
	}
	return sendError{sending}
}

// addressed is the request with the Host that a target wants.
func (x *driver) addressed(t *group.Target) []byte {
	if x.pool.Host != config.HostOfTarget {
		return x.request
	}
	x.hosted = append(x.hosted[:0], x.request[:x.hostAt]...)
	x.hosted = append(x.hosted, t.Address...)
	x.hosted = append(x.hosted, x.request[x.hostEnd:]...)
	return x.hosted
}

var errUnasked = errors.New("receive: the target changed the protocol unasked")

func (x *driver) resetFields() { x.fields = x.fields[:0] }

// sendError and receiveError say on which way an exchange broke off.
type sendError struct{ error }

func (e sendError) Error() string { return "send: " + e.error.Error() }
func (e sendError) Unwrap() error { return e.error }

func receiveError(err error) error {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return receivedError{err}
}

type receivedError struct{ error }

func (e receivedError) Error() string { return "receive: " + e.error.Error() }
func (e receivedError) Unwrap() error { return e.error }

// forward passes the final answer on, or answers in the target's place.
func (x *driver) forward(step *exchange.Step) exchange.Event {
	x.answered, x.access.Status = true, step.Status
	if step.Injected {
		x.reportIfGone()
		if x.c.Respond(step.Status, x.traceHeader(), nil) != nil {
			return clientLeft()
		}
		return exchange.Event{Kind: exchange.Complete}
	}
	x.u.patience = step.Idle
	if err := x.answer(step); err != nil {
		return x.broken(err)
	}
	x.unbound()
	x.endAttempt(nil)
	return exchange.Event{Kind: exchange.Complete}
}

// answer passes the target's final answer on.
func (x *driver) answer(step *exchange.Step) error {
	r := &x.u.res
	if x.unsent {
		x.c.Close, x.u.reusable = true, false
	}
	bodiless := string(x.c.Request.Method) == http.MethodHead || r.Status == http.StatusNoContent || r.Status == http.StatusNotModified
	chunked := !bodiless && (r.Chunked || r.Length < 0) && x.c.Request.Minor == 1
	if !bodiless && (r.Chunked || r.Length < 0) && !chunked {
		x.c.Close = true // only the connection's end can end the body
	}
	if x.expecting() {
		x.c.Close = true // the client may or may not send the body that it announced
	}
	out := serve.AppendStatus(x.c.Out(), r.Status)
	out = x.appendFields(out, bodiless && r.Status != http.StatusNoContent)
	switch {
	case bodiless:
	case chunked:
		out = append(out, "Transfer-Encoding: chunked\r\n"...)
	case r.Length >= 0 && !r.Chunked:
		out = append(out, "Content-Length: "...)
		out = strconv.AppendInt(out, r.Length, 10)
		out = append(out, "\r\n"...)
	}
	if step.Cookie {
		out = x.appendCookie(out, step.Target)
	}
	if x.f.options.Via != "" {
		out = append(append(append(out, "Via: 1.1 "...), x.f.options.Via...), "\r\n"...)
	}
	out = append(x.c.AppendConnection(x.appendTrace(out)), "\r\n"...)
	x.reportIfGone()
	return x.pass(out, chunked)
}

// pass passes the body on, behind what stands in out already: one write for each read.
func (x *driver) pass(out []byte, chunked bool) error {
	u := x.u
	u.body.KeepTrailer = chunked
	u.body.Start(&u.res)
	for {
		var err error
		if out, err = x.gather(out, chunked); err != nil {
			return err
		}
		if u.body.Ended() {
			break
		}
		if len(out) > 0 {
			if err := x.passPiece(out); err != nil {
				return err
			}
			out = x.c.Out()
		}
		if u.body.Left() >= carryFrom && !chunked && !x.c.Shares() {
			if err := x.carry(); err != nil {
				return err
			}
			continue
		}
		err = u.fill()
		if err == io.EOF && u.body.UntilClose() {
			u.reusable = false
			break
		}
		if err != nil {
			return receiveError(err)
		}
	}
	if chunked {
		out = appendEnd(out, u.body.Trailer, nil)
	}
	if len(out) > 0 {
		return x.tellClient(out)
	}
	return nil
}

// passPiece passes on a piece of the answer that is not the last, and counts the time: meanwhile the target must wait.
func (x *driver) passPiece(p []byte) error {
	x.taking.start()
	defer x.taking.stop()
	return x.tellClient(p)
}

// gather appends what has come of the body.
func (x *driver) gather(out []byte, chunked bool) ([]byte, error) {
	u := x.u
	for p := u.unread(); len(p) > 0 && !u.body.Ended(); p = u.unread() {
		n, piece, err := u.body.Next(p)
		u.at += n
		if err != nil {
			return out, receiveError(err)
		}
		if len(piece) > 0 {
			out = appendPiece(out, piece, chunked)
		}
	}
	return out, nil
}

// carryFrom is how much of a counted body must be to come for it to be passed on from the buffer it is read into,
// which is then large. It costs less than splice(2) does here: on loopback a spliced stream makes more work for
// whoever reads it than it saves. A client of HTTP/2 takes it in small pieces whatever it is read into, and could have many such buffers
// wait at once.
const carryFrom = 64 << 10

var carryBuffers = sync.Pool{New: func() any { b := make([]byte, 256<<10); return &b }}

// carry passes the rest of a counted body on.
func (x *driver) carry() error {
	u := x.u
	small := u.in
	u.in = carryBuffers.Get().(*[]byte)
	defer func() {
		carryBuffers.Put(u.in)
		u.in, u.at, u.have = small, 0, 0
	}()
	for !u.body.Ended() {
		if err := u.fill(); err != nil {
			return receiveError(err)
		}
		n, piece, err := u.body.Next(u.unread())
		u.at += n
		if err != nil {
			return receiveError(err)
		}
		if err := x.passPiece(piece); err != nil {
			return err
		}
		if u.at < u.have { // more than was said: not to be used again
			u.reusable = false
			return nil
		}
	}
	return nil
}

// appendPiece appends content, as a chunk of its own when the body is chunked.
func appendPiece(out, piece []byte, chunked bool) []byte {
	if !chunked {
		return append(out, piece...)
	}
	out = strconv.AppendInt(out, int64(len(piece)), 16)
	out = append(out, "\r\n"...)
	out = append(out, piece...)
	return append(out, "\r\n"...)
}
