package proxy

import (
	"cmp"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/http1"
	"github.com/seed-8025779b/shakedown/balancer/pick"
	"github.com/seed-8025779b/shakedown/balancer/route"
	"github.com/seed-8025779b/shakedown/balancer/serve"
	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/loadgen/mix"
)

// exchange is one request on its way, and the memory that the next one on the same connection uses again.
type exchange struct {
	f    *Front
	c    *serve.Conn
	pick pick.Request
	ask  route.Request
	rule *route.Rule
	pool *Pool

	u       *conn  // to the target
	request []byte // as it is sent to a target: the head, and what came of the body with it
	hostAt  int    // where in it the Host's value stands, up to hostEnd
	hostEnd int
	hosted  []byte // the request with a target's own Host
	id      []byte // of the request, as the client gave it
	upload  *upload
	touch   chaos.Exchange
	access  Access // what is to be told of the request

	fields   []serve.Field // of the answer
	onField  func(name, value []byte)
	answered bool // something of an answer went to the client: nothing else can be said
	again    bool // the answer was not passed on: another target is to be asked

	repeatable bool // the request may be sent twice: it is idempotent, and its body is at hand
}

func newExchange(f *Front, c *serve.Conn) *exchange {
	x := &exchange{f: f, c: c}
	x.onField = func(name, value []byte) { x.fields = append(x.fields, serve.Field{Name: name, Value: value}) }
	x.ask.Header = c.Field
	return x
}

// serve answers one request.
func (x *exchange) serve() {
	r := &x.c.Request
	x.pick = pick.Request{Seq: x.identity(), Tried: x.pick.Tried[:0]}
	if string(r.Method) == http.MethodTrace {
		x.fail(http.StatusMethodNotAllowed, "TRACE is not allowed")
		return
	}
	x.answered, x.upload = false, nil
	pool := x.route()
	if x.pool = pool; pool == nil {
		return
	}
	if k, ok := pool.Group.Key(); ok {
		x.pick.Key = x.key(pool.Group, k)
	}
	var err error
	if x.request, err = x.appendRequest(x.request[:0]); err != nil {
		x.f.counters.Refused.Add(1)
		x.fail(http.StatusBadRequest, err.Error())
		return
	}
	x.repeatable = http1.Idempotent(r.Method) && x.c.Whole() && r.Upgrade == nil
	x.attempts(pool)
}

// route finds the rule, and the group that it forwards to. Where there is none, the request is answered here.
func (x *exchange) route() *Pool {
	r := &x.c.Request
	x.ask.Method, x.ask.Host, x.ask.Target, x.ask.Source = r.Method, r.Host, r.Target, x.c.Peer.IP
	x.rule = x.f.rules.Load().Match(&x.ask)
	switch {
	case x.rule == nil:
		x.unrouted("no rule matches")
		return nil
	case x.rule.Redirect != nil:
		x.say(x.rule.Redirect.Status, "Location: "+x.rule.Redirect.Location(&x.ask, x.f.port, x.c.Peer.Secure)+"\r\n", nil)
		return nil
	case x.rule.Respond != nil:
		x.say(x.rule.Respond.Status, "", []byte(x.rule.Respond.Body))
		return nil
	}
	name := x.rule.Forward
	if name == "" {
		name = x.rule.Group(x.f.split.Float(x.pick.Seq, 0))
	}
	return x.f.pools[name]
}

// say answers with a text of our own.
func (x *exchange) say(status int, headers string, text []byte) {
	x.access.Status = status
	if x.c.Respond(status, headers, text) != nil {
		x.f.counters.Aborted.Add(1)
	}
}

// attempts tries targets until one has answered, or nothing more may be tried.
func (x *exchange) attempts(pool *Pool) {
	discard := x.f.hooks.Discard(x.pick.Seq)
	last := failure{}
	for {
		began := x.f.hooks.Now()
		x.access.Attempts = x.pick.Attempt
		t := pool.Group.Choose(began, &x.pick, discard)
		if t == nil {
			if last.status == 0 {
				x.unrouted("no target is ready")
			} else {
				x.fail(last.status, last.reason)
			}
			return
		}
		x.access.Upstream, x.access.Attempts = t.ID, x.pick.Attempt+1
		if x.pick.Attempt > 0 && !discard {
			x.f.counters.Retries.Add(1)
		}
		outcome, failed := x.attempt(pool, t)
		now := x.f.hooks.Now()
		if pool.Group.Release(now, t, outcome, now-began) {
			pool.Answered(t, outcome, failed.reason)
		}
		switch {
		case outcome == group.Abandoned && !x.answered && x.upload.malformed() != nil:
			x.f.counters.Refused.Add(1)
			x.fail(http.StatusBadRequest, x.upload.malformed().Error())
			return
		case outcome == group.Abandoned:
			x.f.counters.Aborted.Add(1)
			x.access.Status, x.access.Reason = cmp.Or(x.f.options.Status.Gone, StatusGone), errClient.Error()
			x.c.Abort()
			return
		case x.again:
			x.again = false
		case x.answered:
			if outcome == group.Broken {
				x.access.Reason = failed.reason
				x.c.Abort() // the client must not take it for whole
			}
			return
		case !x.mayRetry(pool, outcome):
			x.fail(failed.status, failed.reason)
			return
		}
		last = failed
		x.pick.Attempt++
		x.pick.Tried = append(x.pick.Tried, t.ID)
	}
}

// mayRetry asks whether a failed attempt may be followed by another.
func (x *exchange) mayRetry(pool *Pool, o group.Outcome) bool {
	return pool.Group.MayRetry(x.f.hooks.Now(), x.pick.Attempt, o, x.repeatable && !x.answered)
}

// failure is what to tell a client whose request got no answer.
type failure struct {
	status int
	reason string
}

// unrouted answers a request that no target was asked for.
func (x *exchange) unrouted(reason string) {
	x.f.counters.Unrouted.Add(1)
	x.fail(cmp.Or(x.f.options.Status.NoTarget, http.StatusServiceUnavailable), reason)
}

func (x *exchange) fail(status int, reason string) {
	x.access.Status, x.access.Reason = status, reason
	if http1.HasPrefix(x.c.Field("content-type"), grpcType) {
		x.failGRPC(status, reason)
		return
	}
	if x.c.Fail(status, reason) != nil {
		x.f.counters.Aborted.Add(1)
	}
}

// identity is the request's sequence number: the generator's, or a number of our own beyond those that a
// generator uses.
func (x *exchange) identity() uint64 {
	if seq, err := strconv.ParseUint(string(x.c.Field(mix.SeqName)), 10, 64); err == nil {
		return seq
	}
	return 1<<63 | x.f.seq.Add(1)
}

// attempt is one exchange with one target.
func (x *exchange) attempt(pool *Pool, t *group.Target) (group.Outcome, failure) {
	x.touch = chaos.Exchange{Target: t.ID, Seq: x.pick.Seq, Attempt: x.pick.Attempt}
	effect := x.f.hooks.Touch(&x.touch)
	if effect.Delay > 0 && !x.wait(effect.Delay) {
		return group.Abandoned, failure{}
	}
	if effect.Status != 0 {
		outcome, failed := statusOutcome(effect.Status)
		if outcome == group.ServerError && x.mayRetry(pool, outcome) {
			x.again = true
			return outcome, failed
		}
		x.answered, x.access.Status = true, effect.Status
		if x.c.Respond(effect.Status, "", nil) != nil {
			return group.Abandoned, failure{}
		}
		return outcome, failed
	}
	up := pool.upstream(t)
	u, err := up.take(&x.c.Peer)
	if err != nil {
		return group.ConnectFailed, failure{x.f.options.Status.connect(err), err.Error()}
	}
	x.u = u
	outcome, failed, err := x.converse(pool, t)
	keep := x.finishUpload() && u.reusable && err == nil
	x.u = nil
	up.give(u, keep)
	if err == nil {
		return outcome, failed
	}
	if errors.Is(err, errClient) {
		return group.Abandoned, failure{}
	}
	return group.Broken, failure{x.f.options.Status.exchange(err), err.Error()}
}

// watch is how often a balancer that waits looks whether the client is still there.
const watch = 100 * time.Millisecond

// wait lets a time pass; it reports false when the client has gone meanwhile.
func (x *exchange) wait(d time.Duration) bool {
	for end := time.Now().Add(d); ; {
		left := time.Until(end)
		if left <= 0 {
			return true
		}
		time.Sleep(min(left, watch))
		if x.c.Gone() {
			return false
		}
	}
}

// errClient marks failures on the client's side: they say nothing about the target.
var errClient = errors.New("the client has gone")

func statusOutcome(status int) (group.Outcome, failure) {
	if status >= 500 {
		return group.ServerError, failure{status, "status " + strconv.Itoa(status)}
	}
	return group.OK, failure{}
}

// converse sends the request and passes the answer on. An error before anything of the answer went to the client
// leaves x.answered false.
func (x *exchange) converse(pool *Pool, t *group.Target) (group.Outcome, failure, error) {
	if _, err := x.u.nc.Write(x.addressed(t)); err != nil {
		return 0, failure{}, sendError{err}
	}
	if !x.c.Whole() {
		x.upload = startUpload(x.c, x.u)
	}
	for {
		if err := x.u.head(x.watched(), string(x.c.Request.Method) == http.MethodHead, x.resetFields, x.onField); err != nil {
			if x.upload.clientFailed() {
				return 0, failure{}, errClient
			}
			return 0, failure{}, receiveError(err)
		}
		status := x.u.res.Status
		switch {
		case status == http.StatusSwitchingProtocols && x.c.Request.Upgrade != nil:
			return x.tunnel()
		case status == http.StatusSwitchingProtocols:
			return 0, failure{}, errUnasked
		case status >= 200:
			return x.answer(pool)
		}
		if err := x.interim(); err != nil {
			return 0, failure{}, err
		}
	}
}

// addressed is the request with the Host that a target wants.
func (x *exchange) addressed(t *group.Target) []byte {
	if x.pool.Host != HostOfTarget {
		return x.request
	}
	x.hosted = append(x.hosted[:0], x.request[:x.hostAt]...)
	x.hosted = append(x.hosted, t.Address...)
	x.hosted = append(x.hosted, x.request[x.hostEnd:]...)
	return x.hosted
}

var errUnasked = errors.New("receive: the target changed the protocol unasked")

// watched is the client to look after while the target is waited for; nil while its body is read, which tells
// as well.
func (x *exchange) watched() *serve.Conn {
	if x.upload != nil && !x.upload.done() {
		return nil
	}
	return x.c
}

func (x *exchange) resetFields() { x.fields = x.fields[:0] }

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

// interim passes an answer on that is not the final one. A client of HTTP/1.0 does not know such.
func (x *exchange) interim() error {
	if x.c.Request.Minor == 0 || (x.u.res.Status == http.StatusContinue && !x.c.Request.Expect) {
		return nil
	}
	out := serve.AppendStatus(x.c.Out(), x.u.res.Status)
	out = x.appendFields(out, false)
	if x.c.Write(append(out, "\r\n"...)) != nil {
		return errClient
	}
	return nil
}

// answer passes the final answer on.
func (x *exchange) answer(pool *Pool) (group.Outcome, failure, error) {
	r := &x.u.res
	outcome, failed := statusOutcome(r.Status)
	if outcome == group.ServerError && x.mayRetry(pool, outcome) {
		x.again, x.u.reusable = true, false
		return outcome, failed, nil
	}
	bodiless := string(x.c.Request.Method) == http.MethodHead || r.Status == http.StatusNoContent || r.Status == http.StatusNotModified
	chunked := !bodiless && (r.Chunked || r.Length < 0) && x.c.Request.Minor == 1
	if !bodiless && (r.Chunked || r.Length < 0) && !chunked {
		x.c.Close = true // only the connection's end can end the body
	}
	if x.upload != nil && !x.upload.done() && x.c.Request.Expect {
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
	out = append(x.c.AppendConnection(out), "\r\n"...)
	x.answered, x.access.Status = true, r.Status
	if err := x.pass(out, chunked); err != nil {
		return group.Broken, failure{reason: err.Error()}, err
	}
	return outcome, failed, nil
}

// pass passes the body on, behind what stands in out already: one write for each read.
func (x *exchange) pass(out []byte, chunked bool) error {
	u := x.u
	u.body.KeepTrailer = chunked
	u.body.Reset(u.res.Length, u.res.Chunked)
	for {
		var err error
		if out, err = x.gather(out, chunked); err != nil {
			return err
		}
		if u.body.Ended() {
			break
		}
		if len(out) > 0 {
			if x.c.Write(out) != nil {
				return errClient
			}
			out = x.c.Out()
		}
		if u.body.Left() >= carryFrom && !chunked {
			if err := x.carry(); err != nil {
				return err
			}
			continue
		}
		err = u.fill(x.watched())
		if err == io.EOF && u.body.UntilClose() {
			u.reusable = false
			break
		}
		if err != nil {
			return receiveError(err)
		}
	}
	if chunked {
		out = appendEnd(out, u.body.Trailer)
	}
	if len(out) > 0 && x.c.Write(out) != nil {
		return errClient
	}
	return nil
}

// gather appends what has come of the body.
func (x *exchange) gather(out []byte, chunked bool) ([]byte, error) {
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
// whoever reads it than it saves.
const carryFrom = 64 << 10

var carryBuffers = sync.Pool{New: func() any { b := make([]byte, 256<<10); return &b }}

// carry passes the rest of a counted body on.
func (x *exchange) carry() error {
	u := x.u
	small := u.in
	u.in = carryBuffers.Get().(*[]byte)
	defer func() {
		carryBuffers.Put(u.in)
		u.in, u.at, u.have = small, 0, 0
	}()
	for !u.body.Ended() {
		if err := u.fill(x.watched()); err != nil {
			return receiveError(err)
		}
		n, piece, err := u.body.Next(u.unread())
		u.at += n
		if err != nil {
			return receiveError(err)
		}
		if x.c.Write(piece) != nil {
			return errClient
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
