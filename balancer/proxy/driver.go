package proxy

import (
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/exchange"
	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/http1"
	"github.com/seed-8025779b/shakedown/balancer/pick"
	"github.com/seed-8025779b/shakedown/balancer/route"
	"github.com/seed-8025779b/shakedown/balancer/serve"
	"github.com/seed-8025779b/shakedown/chaos"
)

// exchange is one request on its way, and the memory that the next one on the same connection uses again.
type driver struct {
	f    *Front
	c    *serve.Conn
	pick pick.Request
	ask  route.Request
	rule *route.Rule
	pool *Pool

	entered *Pool         // in which the request is counted
	asked   *group.Target // at the latest attempt

	u       *conn  // to the target
	request []byte // as it is sent to a target: the head, and what came of the body with it
	hostAt  int    // where in it the Host's value stands, up to hostEnd
	hostEnd int
	bodyAt  int    // where in it the body begins
	hosted  []byte // the request with a target's own Host
	id      []byte // of the request, as the client gave it
	named   connectionNames
	unsent  bool // the target did not take all of it
	upload  *upload
	passing atomic.Bool // the client is being written to, while its body is passed on
	touch   chaos.Exchange
	access  Access // what is to be told of the request
	trace   trace

	fields   []serve.Field // of the answer
	onField  func(name, value []byte)
	answered bool // something of an answer went to the client: nothing else can be said
	again    bool // the answer was not passed on: another target is to be asked

	sticky     *group.Sticky // nil when clients don't stick
	setCookie  bool          // the client is to stick to the target that answers
	end        time.Time     // of its whole time; zero for no end
	onTarget   stopwatch     // how long the target was waited for; it runs when the whole time is limited
	onClient   stopwatch     // and the client
	taking     stopwatch     // how long the client was waited for to take the answer's body, but for its end
	before     spent         // of it before the latest attempt
	retryAfter time.Duration // what a client that is turned away is told

	waits      bool // the client holds its body back until it is told to go on, and was not
	repeatable bool // the request may be sent twice: it is idempotent, and its body is at hand
}

func newDriver(f *Front, c *serve.Conn) *driver {
	x := &driver{f: f, c: c}
	x.onField = func(name, value []byte) { x.fields = append(x.fields, serve.Field{Name: name, Value: value}) }
	x.ask.Header = c.FieldFrom
	return x
}

// serve answers one request.
func (x *driver) serve() {
	r := &x.c.Request
	if r.Length != 0 { // whoever changes the protocol would take the body for the other one's (RFC 9110, 7.8: it may be ignored)
		r.Upgrade = nil
	}
	seq, given := x.identity()
	x.pick = pick.Request{Seq: seq, Tried: x.pick.Tried[:0]}
	x.trace = trace{on: given && x.f.hooks.Trace != nil}
	x.ask.Source = x.f.options.TrustedProxies.Client(x.c.Peer.IP, x.ask.Header)
	switch string(r.Method) {
	case http.MethodTrace, http.MethodConnect:
		x.c.Close = x.c.Close || string(r.Method) == http.MethodConnect // what follows it may be no HTTP
		x.fail(exchange.Method, string(r.Method)+" is not allowed")
		return
	}
	x.answered, x.upload = false, nil
	x.taking.reset()
	defer x.leave()
	if x.refusedByOptions() {
		return
	}
	pool := x.route()
	if x.pool = pool; pool == nil {
		return
	}
	if x.end = (time.Time{}); pool.Exchange > 0 {
		x.end = time.Now().Add(pool.Exchange)
		x.onTarget.reset()
		x.onClient.reset()
	}
	if k, ok := pool.Group.Key(); ok {
		if x.pick.Key, ok = x.ask.Key(k); !ok {
			x.pick.Key = pool.Group.AnyKey(x.pick.Seq)
		}
	}
	x.readCookie()
	var err error
	if x.request, err = x.appendRequest(x.request[:0]); err != nil {
		x.refuse(err)
		return
	}
	if err := x.spool(); err != nil {
		x.spoolFailed(err)
		return
	}
	x.repeatable = http1.Idempotent(r.Method) && x.c.Whole() && r.Upgrade == nil
	x.attempts(pool)
}

// forget lets go of what was read, and of what is too large to be kept: the connection may be idle for long.
func (x *driver) forget() {
	if cap(x.request) > maxKept {
		x.request, x.hosted = nil, nil
	}
	x.ask.Method, x.ask.Host, x.ask.Target = nil, nil, nil
	x.id = nil
	clear(x.named.names[:cap(x.named.names)])
	clear(x.fields[:cap(x.fields)])
}

// maxKept is how much memory for a request is kept for the next one on the same connection.
const maxKept = 8 << 10

// route finds the rule, and the group that it forwards to. Where there is none, the request is answered here.
func (x *driver) route() *Pool {
	r := &x.c.Request
	x.ask.Method, x.ask.Host, x.ask.Target = r.Method, r.Host, r.Normal
	var pool *Pool
	x.rule, pool = x.match()
	if x.rule == nil {
		x.unrouted(exchange.NoRule, "no rule matches")
		return nil
	}
	if ok, after := x.rule.Allow(x.f.hooks.Now(), &x.ask); !ok {
		x.f.counters.Limited.Add(1)
		x.retryAfter = after
		x.fail(exchange.RateLimit, "the rate limit is reached")
		return nil
	}
	switch {
	case x.rule.Redirect != nil:
		x.say(x.rule.Redirect.Status, "Location: "+x.rule.Redirect.Location(&x.ask, x.f.port, x.c.Peer.Secure)+"\r\n", nil)
		return nil
	case x.rule.Respond != nil:
		x.say(x.rule.Respond.Status, "", []byte(x.rule.Respond.Body))
		return nil
	}
	return pool
}

// say answers with a text of our own.
func (x *driver) say(status int, headers string, text []byte) {
	x.access.Status = status
	x.reportIfGone()
	x.wrote(x.c.Respond(status, headers+x.traceHeader(), text))
}

// wrote counts a client that went away before an answer of our own was written.
func (x *driver) wrote(err error) {
	if err != nil {
		x.f.counters.Aborted.Add(1)
		x.reportAbandoned()
	}
}

// unrouted answers a request that no target was asked for.
func (x *driver) unrouted(cause exchange.Cause, reason string) {
	x.f.counters.Unrouted.Add(1)
	x.fail(cause, reason)
}

// refuse answers a request whose body could not be read.
func (x *driver) refuse(err error) {
	x.f.counters.Refused.Add(1)
	x.c.Close = true
	cause, told := causeOf(err), err.Error()
	if timedOut(err) { // the network's error names addresses
		told = "the body did not come in time"
	}
	x.failAs(x.f.options.Status.Of(cause), cause, err.Error(), told)
}

func (x *driver) fail(cause exchange.Cause, reason string) {
	x.failAs(x.f.options.Status.Of(cause), cause, reason, reason)
}

// failAs answers with a status. reason is for the log, told for the client.
func (x *driver) failAs(status int, cause exchange.Cause, reason, told string) {
	x.access.Status, x.access.Cause, x.access.Reason = status, cause, reason
	x.f.counters.Errors.Add(cause)
	headers := ""
	if x.retryAfter > 0 { // whole seconds, by RFC 9110, 10.2.3
		headers = "Retry-After: " + strconv.Itoa(int((x.retryAfter+time.Second-1)/time.Second)) + "\r\n"
		x.retryAfter = 0
	}
	headers += x.traceHeader()
	x.reportIfGone()
	if http1.HasPrefix(x.c.Field("content-type"), grpcType) {
		x.failGRPC(status, told, headers)
		return
	}
	x.wrote(x.c.Fail(status, told, headers))
}
