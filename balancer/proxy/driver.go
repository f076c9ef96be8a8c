package proxy

import (
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/exchange"
	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/http1"
	"github.com/seed-8025779b/shakedown/balancer/route"
	"github.com/seed-8025779b/shakedown/balancer/serve"
)

// driver performs the steps of one exchange after the other on a client's connection, and holds the memory that the next one uses again.
// What becomes of a request is decided by the exchange; the driver says and hears it.
type driver struct {
	f    *Front
	c    *serve.Conn
	m    exchange.Exchange
	r    exchange.Request
	ask  route.Request
	rule *route.Rule
	pool *Pool

	u       *conn     // to the target of the attempt under way; nil while there is none
	up      *upstream // that it belongs to
	target  *group.Target
	told    string // what a client is told of the latest attempt that failed, or of its own body
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
	spoke   atomic.Bool // something came of the target since the last look while it took nothing of the body
	access  Access      // what is to be told of the request

	traced   bool // the request carries its number, and the listener's balancer traces
	reported bool // as abandoned

	fields   []serve.Field // of the answer
	onField  func(name, value []byte)
	answered bool // something of an answer went to the client: nothing else can be said

	end      time.Time // of its whole time; zero for no end
	onTarget stopwatch // how long the target was waited for; it runs when the whole time is limited
	onClient stopwatch // and the client
	taking   stopwatch // how long the client was waited for to take the answer's body, but for its end
	attempt  int       // the latest one that has begun, counted from 1
	before   exchange.Waits

	waits      bool      // the client holds its body back until it is told to go on, and was not
	continueAt time.Time // when it is told so by us, if not by the target
}

func newDriver(f *Front, c *serve.Conn) *driver {
	x := &driver{f: f, c: c}
	x.onField = func(name, value []byte) { x.fields = append(x.fields, serve.Field{Name: name, Value: value}) }
	x.ask.Header = c.FieldFrom
	x.r = exchange.Request{Ask: &x.ask}
	return x
}

// serve answers one request.
func (x *driver) serve() {
	r := &x.c.Request
	if r.Length != 0 { // whoever changes the protocol would take the body for the other one's (RFC 9110, 7.8: it may be ignored)
		r.Upgrade = nil
	}
	seq, retry, given := x.identity()
	x.r.Seq, x.r.Retry = seq, retry
	x.traced, x.reported = given && x.f.hooks.Trace != nil, false
	x.answered, x.upload, x.told, x.attempt, x.end = false, nil, "", 0, time.Time{}
	x.taking.reset()
	x.ask.Source = x.f.options.TrustedProxies.Client(x.c.Peer.IP, x.ask.Header)
	x.ask.Method, x.ask.Host, x.ask.Target = r.Method, r.Host, r.Normal
	x.r.Discard = x.f.hooks.Discard(seq)
	x.r.Idempotent, x.r.Expect, x.r.Upgrade = http1.Idempotent(r.Method), r.Expect, r.Upgrade != nil
	if x.r.Length = r.Length; r.Chunked {
		x.r.Length = -1
	}
	x.perform(x.begin())
}

// begin begins the exchange, or refuses the request.
func (x *driver) begin() exchange.Step {
	cause, reason := x.refusal()
	if cause != exchange.NoCause {
		return x.m.Refuse(&x.f.setup, cause, reason)
	}
	return x.m.Begin(x.f.hooks.Now(), &x.f.setup, &x.r)
}

// refusal is why a request is refused before it is routed; NoCause for one that is not.
func (x *driver) refusal() (exchange.Cause, string) {
	switch method := string(x.c.Request.Method); {
	case method == http.MethodTrace:
		return exchange.Method, method + " is not allowed"
	case method == http.MethodConnect:
		x.c.Close = true // what follows it may be no HTTP
		return exchange.Method, method + " is not allowed"
	case x.refusedByOptions():
		x.c.Close = true
		return exchange.Malformed, http1.ErrTarget.Error()
	}
	return exchange.NoCause, ""
}

// perform performs the exchange's steps until one is final.
func (x *driver) perform(step exchange.Step) {
	defer x.leave()
	for {
		var e exchange.Event
		switch step.Do {
		case exchange.Spool:
			e = x.prepare(step.Max)
		case exchange.Queue:
			e = x.queue(step.Until)
		case exchange.Wait:
			x.noteAttempt()
			e = x.wait(step.Until)
		case exchange.Connect:
			x.noteAttempt()
			e = x.connect(&step)
		case exchange.Converse:
			e = x.converse(step.Idle)
		case exchange.Forward:
			e = x.forward(&step)
		case exchange.Tunnel:
			e = x.tunnel()
		default:
			x.finish(&step)
			return
		}
		step = x.m.Next(x.f.hooks.Now(), e)
		if x.u != nil && step.Do != exchange.Converse && step.Do != exchange.Forward && step.Do != exchange.Tunnel {
			x.drop()
		}
	}
}

// finish performs a final step.
func (x *driver) finish(step *exchange.Step) {
	switch step.Do {
	case exchange.Answer:
		x.fail(step)
	case exchange.Redirect:
		x.say(step.Status, "Location: "+x.m.Rule().Redirect.Location(&x.ask, x.f.port, x.c.Peer.Secure)+"\r\n", nil)
	case exchange.Respond:
		x.say(step.Status, "", []byte(x.m.Rule().Respond.Body))
	case exchange.Cut:
		x.access.Cause, x.access.Reason = step.Cause, step.Reason
		x.reportAbandoned() // the reset may overtake what was written
		x.c.Abort()
	case exchange.End:
		if step.Cause != exchange.NoCause {
			x.reportAbandoned()
			x.access.Status, x.access.Cause, x.access.Reason = step.Status, step.Cause, step.Reason
			x.c.Abort()
		}
	}
}

// leave ends the count of the request in its group.
func (x *driver) leave() {
	if p, ok := x.m.Pool().(*Pool); ok {
		p.requests.Add(-1)
	}
}

// forget lets go of what was read, of what is too large to be kept, and of the configuration: the connection may be idle for long.
func (x *driver) forget() {
	x.m.Forget()
	x.rule, x.pool, x.up, x.target = nil, nil, nil, nil
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

// say answers with a text of our own.
func (x *driver) say(status int, headers string, text []byte) {
	x.access.Status = status
	x.reportIfGone()
	x.wrote(x.c.Respond(status, headers+x.traceHeader(), text))
}

// wrote tells the exchange of a client that went away before an answer of the balancer's own was written.
func (x *driver) wrote(err error) {
	if err != nil {
		x.m.Next(x.f.hooks.Now(), exchange.Event{Kind: exchange.Left, Reason: errClient.Error()})
		x.reportAbandoned()
	}
}

// fail answers with a failure's status. The step's reason is for the log.
func (x *driver) fail(step *exchange.Step) {
	x.access.Status, x.access.Cause, x.access.Reason = step.Status, step.Cause, step.Reason
	told := step.Reason
	if x.told != "" && step.Cause != exchange.TargetError { // of an answer there is nothing to hide
		told = x.told
	}
	headers := ""
	if step.After > 0 { // whole seconds, by RFC 9110, 10.2.3
		headers = "Retry-After: " + strconv.Itoa(int((step.After+time.Second-1)/time.Second)) + "\r\n"
	}
	headers += x.traceHeader()
	x.reportIfGone()
	if http1.HasPrefix(x.c.Field("content-type"), grpcType) {
		x.failGRPC(step.Status, told, headers)
		return
	}
	x.wrote(x.c.Fail(step.Status, told, headers))
}
