// Package exchange decides what becomes of one request between a client and the targets of a group: which rule, which
// target, what after a failure, which answer.
//
// An Exchange is a state machine without sockets, clocks and goroutines. A driver tells it of a request by Begin, performs
// the Step that it returns, tells what happened by Next, and so on until a Step is final. The live data plane and the
// simulator are such drivers; neither decides anything by itself.
package exchange

import (
	"strconv"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/http1"
	"github.com/seed-8025779b/shakedown/balancer/pick"
	"github.com/seed-8025779b/shakedown/balancer/route"
	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/scenarios/draw"
)

// Setup is what the exchanges of a listener have in common. All of it is required, but for Decision and Sampled.
type Setup struct {
	// Match returns the rule for a request and the pool that the rule forwards to; either is nil when there is none.
	Match  func(r *route.Request, seq uint64) (*route.Rule, Pool)
	Touch  func(*chaos.Exchange) chaos.Effect // what the faults in force do to an attempt
	Wall   func() int64                       // the wall clock, in seconds since 1970: cookies outlive a process and its clock
	Status *Statuses
	Count  *Counters

	Decision func(*Decision)       // is told how targets were chosen for the requests that Sampled picks out; nil for nobody
	Sampled  func(seq uint64) bool // required with Decision
}

// Pool is a target group as exchanges use it.
type Pool interface {
	Members() *group.Group
	Timeouts() Timeouts
	Queued() bool // requests wait for a target with room: nobody overtakes them
	// Release gives a target back after an attempt, with its outcome, the reason for a failure and how long the target took: to the head
	// of its answer, or to its failure when none came.
	Release(now time.Duration, t *group.Target, o group.Outcome, took time.Duration, reason string)
}

// Timeouts bound how long exchanges with a group's targets may take.
type Timeouts struct {
	Response time.Duration // in which nothing comes of an answer, once the target has the request
	Exchange time.Duration // the whole time; 0 for no bound
}

// DefaultResponse is the Response of Timeouts where nobody sets it: an application load balancer's idle timeout.
const DefaultResponse = 60 * time.Second

// Request is what an exchange must know of a request.
type Request struct {
	Ask        *route.Request
	Seq        uint64 // its number, which the draws are made of
	Retry      int    // which retry of its client's it is: 0 for the first attempt; its draws are others
	Discard    bool   // it belongs to a phase that is left out of the totals
	Idempotent bool   // it may take effect twice (RFC 9110, 9.2.2)
	Expect     bool   // the client holds the body back until it is told to go on
	Upgrade    bool   // the client asks for another protocol
	// Length is how many bytes of a body the client has announced; -1 when it has not said how many.
	Length int64
}

// Exchange is one request on its way. The zero value is ready for Begin, which may be called again for the next request.
type Exchange struct {
	s    *Setup
	r    Request
	rule *route.Rule
	pool Pool
	pick pick.Request

	sticky    *group.Sticky // nil when clients don't stick
	setCookie bool          // the client is to stick to the target that answers
	timeouts  Timeouts
	end       time.Duration // when its whole time is over, if that is bounded
	decision  *Decision     // to be told of; nil for none

	repeatable bool // it may be sent twice: it is idempotent, and its body is at hand

	target    *group.Target // of the attempt under way; nil between attempts
	began     time.Duration // when that began
	asked     time.Duration // when its exchange with the target did: a fault's delay comes before it
	took      time.Duration // by the target, to the head of its answer or to its failure
	delay     time.Duration // by faults, of the attempt; it counts as time in which the target says nothing
	delayed   time.Duration // by faults, in all attempts
	status    int           // of a fault, in the target's place; 0 for none
	queued    bool          // it waits for a target with room
	reopened  int           // how often it has gone from a connection that broke to a new one
	committed bool          // something of an answer has gone to the client: nothing else can be said
	last      failure
	touch     chaos.Exchange
	trace     Trace
}

// Trace is what is to be told of a request's attempts.
type Trace struct {
	Attempts int    // that were begun
	Target   string // of the latest one; empty when there was none
	Fault    string // that shaped it
}

// failure is how the last attempt ended, and what to tell a client whose request has no answer.
type failure struct {
	ending      Ending
	status      int    // of an answer
	reason      string // of a failure
	unprocessed bool   // see Ending.Retried
}

// LookEvery is how often a driver that waits looks whether the client is still there, from the instant on at which the step
// began. A client that has left is noticed then, and not before, but for the end of a Wait: what comes to a target is sent for a client
// that is there.
const LookEvery = 100 * time.Millisecond

// MaxIdle is how many idle connections to one target a driver keeps; the excess is closed. A connection becomes idle when an answer was
// passed on to its end, before Complete is told: the exchange then releases the target, and who has waited for it may use the
// connection. After every other end of an attempt it is closed, also when an answer came that is not passed on.
const MaxIdle = 256

// What a driver decides by itself is about connections and about bodies on their way, which a driver without bytes does not have: how long
// a connection may take to make (one of HTTP/2 is many requests' at once), which idle ones are safe, when a client that holds its body
// back is told to go on, and for how long the rest of a body is waited for after its answer.

// Rule is the rule that the request has met; nil for none.
func (x *Exchange) Rule() *route.Rule { return x.rule }

// Pool is the pool that the rule forwards to; nil for none.
func (x *Exchange) Pool() Pool { return x.pool }

// Repeatable reports whether the request may be sent twice: it is idempotent, and its body is at hand.
func (x *Exchange) Repeatable() bool { return x.repeatable }

// Deadline is when the whole time of the exchange is over; ok is false when it is not bounded.
func (x *Exchange) Deadline() (at time.Duration, ok bool) { return x.end, x.timeouts.Exchange > 0 }

// Pick is the request as strategies see it, for a queue.
func (x *Exchange) Pick() *pick.Request { return &x.pick }

// Trace is what is to be told of the attempts so far.
func (x *Exchange) Trace() Trace { return x.trace }

// Forget lets go of the rule and the pool: whoever keeps the exchange for another request must not keep the configuration that this
// one has met. It is called when the exchange is over, and nothing more is asked about it.
func (x *Exchange) Forget() {
	x.rule, x.pool, x.sticky, x.target, x.decision = nil, nil, nil, nil, nil
}

// Begin takes a request in.
func (x *Exchange) Begin(now time.Duration, s *Setup, r *Request) Step {
	*x = Exchange{s: s, r: *r, pick: pick.Request{Seq: draw.Attempt(r.Seq, r.Retry), Tried: x.pick.Tried[:0]}}
	x.rule, x.pool = s.Match(r.Ask, x.pick.Seq)
	if x.rule == nil {
		return x.unrouted(NoRule, "no rule matches")
	}
	if ok, after := x.rule.Allow(now, r.Ask); !ok {
		s.Count.Limited.Add(1)
		step := x.answer(RateLimit, "the rate limit is reached")
		step.After = after
		return step
	}
	switch {
	case x.rule.Redirect != nil:
		return Step{Do: Redirect, Status: x.rule.Redirect.Status}
	case x.rule.Respond != nil:
		return Step{Do: Respond, Status: x.rule.Respond.Status}
	case x.pool == nil:
		return x.unrouted(NoTarget, "the rule forwards to no group")
	}
	g := x.pool.Members()
	x.timeouts = x.pool.Timeouts()
	x.end = now + x.timeouts.Exchange
	if k, ok := g.Key(); ok {
		if x.pick.Key, ok = r.Ask.Key(k); !ok {
			x.pick.Key = g.AnyKey(x.pick.Seq)
		}
	}
	x.readCookie(g)
	return Step{Do: Spool, Max: x.spool(g.Config().Retry)}
}

// Refuse takes in a request that is refused before it is routed.
func (x *Exchange) Refuse(s *Setup, c Cause, reason string) Step {
	*x = Exchange{s: s, pick: pick.Request{Tried: x.pick.Tried[:0]}}
	return x.refused(c, reason)
}

// spool is how much of the request's body is worth keeping for another attempt.
func (x *Exchange) spool(retry *group.Retry) int {
	if retry == nil || !retry.Repeats() || !x.r.Idempotent || x.r.Expect || x.r.Upgrade || x.r.Length > int64(retry.Spool) {
		return 0
	}
	return retry.Spool
}

// readCookie finds the target that the client sticks to.
func (x *Exchange) readCookie(g *group.Group) {
	if x.sticky = g.Config().Sticky; x.sticky == nil {
		return
	}
	var value []byte
	for header, next := x.r.Ask.Header("cookie", 0); header != nil && value == nil; header, next = x.r.Ask.Header("cookie", next) { // a client of HTTP/2 may send several
		value = http1.CookieValue(header, x.sticky.Cookie)
	}
	x.pick.Sticky, x.setCookie = x.sticky.Read(g, value, x.s.Wall())
	x.setCookie = x.setCookie || x.pick.Sticky == (pick.Tag{})
}

// sticks reports whether the answer is to make the client stick to the target of the attempt. The one that it came to stick to may not
// be there any more.
func (x *Exchange) sticks() bool {
	return x.sticky != nil && (x.setCookie || !x.isOwn(x.target))
}

// isOwn reports whether a target is the one that the client sticks to.
func (x *Exchange) isOwn(t *group.Target) bool {
	return x.pick.Sticky != (pick.Tag{}) && x.sticky.Tag(x.pool.Members(), t.ID) == x.pick.Sticky
}

// answer is the balancer's own answer.
func (x *Exchange) answer(c Cause, reason string) Step {
	x.s.Count.Errors.Add(c)
	return Step{Do: Answer, Status: x.s.Status.Of(c), Cause: c, Reason: reason}
}

// unrouted is the answer to a request that no target was asked for.
func (x *Exchange) unrouted(c Cause, reason string) Step {
	x.s.Count.Unrouted.Add(1)
	return x.answer(c, reason)
}

// refused is the answer to a request whose body can't be used.
func (x *Exchange) refused(c Cause, reason string) Step {
	x.s.Count.Refused.Add(1)
	return x.answer(c, reason)
}

// choose finds a target for an attempt. When those that are ready are full, the request waits for one with room, behind those that wait
// already. Without a ready target that was not tried it does not wait, whoever does; but see group.Limits.First.
func (x *Exchange) choose(now time.Duration) Step {
	if x.s.Decision != nil && x.s.Sampled(x.r.Seq) {
		x.decision = x.view(now)
	}
	g := x.pool.Members()
	var waits bool
	if x.pool.Queued() {
		waits = g.Waits(&x.pick)
	} else {
		var t *group.Target
		if t, waits = g.Choose(now, &x.pick, x.r.Discard); t != nil {
			x.decided(t, false)
			return x.begin(now, t)
		}
	}
	switch limits := g.Config().Limits; {
	case waits && limits != nil: // else they were in force a moment ago
		x.queued = true
		return Step{Do: Queue, Until: x.before(now + limits.Wait)}
	case waits:
		return x.full()
	}
	x.decided(nil, false)
	return x.none(NoTarget, "no target is ready")
}

// full is the answer when neither a target nor the queue has room.
func (x *Exchange) full() Step {
	x.decided(nil, true)
	return x.none(QueueFull, "no target has room for another request, and neither has the queue")
}

// none is the answer when there is no target for an attempt: to the first one for a cause, after others as the last of them
// ended.
func (x *Exchange) none(c Cause, reason string) Step {
	if x.pick.Attempt == 0 {
		return x.unrouted(c, reason)
	}
	return x.failed()
}

// begin begins an attempt at a target.
func (x *Exchange) begin(now time.Duration, t *group.Target) Step {
	x.target, x.began, x.reopened = t, now, 0
	if x.pick.Attempt > 0 && !x.r.Discard {
		x.s.Count.Retries.Add(1)
	}
	x.touch = chaos.Exchange{Target: t.ID, Seq: x.pick.Seq, Attempt: x.pick.Attempt}
	e := x.s.Touch(&x.touch)
	x.status, x.delay, x.trace = e.Status, e.Delay, Trace{x.pick.Attempt + 1, t.ID, e.Fault}
	if e.Delay > 0 {
		return Step{Do: Wait, Until: x.before(now + min(e.Delay, x.timeouts.Response))}
	}
	return x.ask(now)
}

// ask begins the exchange with the target, or takes a fault's answer in its place.
func (x *Exchange) ask(now time.Duration) Step {
	x.asked = now
	x.delayed += now - x.began
	if x.late(now) { // in the queue, or by a fault's delay
		return x.broken(now, &Event{Kind: Failed, Ending: OverTime, Reason: "the exchange has taken too long"})
	}
	if x.delay >= x.timeouts.Response { // to the balancer, a slow way to a target is a target that says nothing
		return x.broken(now, &Event{Kind: Failed, Ending: Silent, Sent: true, Reason: "a fault has delayed it for longer than a response may take"})
	}
	if x.status == 0 {
		return Step{Do: Connect, Target: x.target}
	}
	step := x.head(now, &Event{Kind: Head, Status: x.status})
	step.Injected = step.Do == Forward
	return step
}

// Next takes in what has happened at the last Step, and returns the next one.
func (x *Exchange) Next(now time.Duration, e Event) Step {
	if x.queued {
		return x.leftQueue(now, &e)
	}
	switch e.Kind {
	case Spooled:
		x.repeatable = x.r.Idempotent && e.Whole && !x.r.Upgrade
		return x.choose(now)
	case BodyBad:
		return x.refused(e.Cause, e.Reason)
	case Waited:
		return x.ask(now)
	case Connected:
		return Step{Do: Converse, Idle: x.timeouts.Response - x.delay}
	case Head:
		return x.head(now, &e)
	case Complete:
		x.release(now)
		return Step{Do: End}
	case Left:
		x.last = failure{ending: GoneFirst, reason: e.Reason}
		x.note(now, &e)
		return x.gone(now)
	}
	return x.broken(now, &e)
}

// note notes how long the target of the attempt has taken, up to the head of its answer. A fault's delay is its own: it stands for a slow
// way to it.
func (x *Exchange) note(now time.Duration, e *Event) {
	if !x.committed {
		x.took = max(now-x.began-e.Body, 0)
	}
}

// leftQueue goes on with a request that is no longer in the queue, or has not got into it.
func (x *Exchange) leftQueue(now time.Duration, e *Event) Step {
	x.queued = false
	if e.Kind == Full {
		x.s.Count.Overflowed.Add(1)
		return x.full()
	}
	x.s.Count.Waited.Add(1)
	x.decided(e.Target, true)
	switch e.Kind {
	case Admitted:
		return x.begin(now, e.Target)
	case TimedOut:
		if x.late(now) {
			return x.none(Timeout, "the exchange has taken too long, waiting for a target with room")
		}
		return x.none(QueueTimeout, "no target had room in time")
	}
	x.last = failure{ending: GoneFirst, reason: e.Reason}
	return x.gone(now)
}

// head decides on an answer: it is passed on, or a failure that another attempt may follow.
func (x *Exchange) head(now time.Duration, e *Event) Step {
	status := e.Status
	x.last = failure{ending: endingOfStatus(status), status: status}
	x.note(now, e)
	if x.last.ending == Answered {
		x.pool.Members().Responded(now, x.target, x.took)
	} else {
		x.last.reason = "status " + strconv.Itoa(status)
		if x.mayRetry(now) {
			x.release(now)
			return x.again(now)
		}
	}
	x.committed = true
	if status == switchingProtocols {
		return Step{Do: Tunnel, Target: x.target}
	}
	return Step{Do: Forward, Target: x.target, Status: status, Cookie: x.sticks(), Idle: x.timeouts.Response}
}

// switchingProtocols is the status of an answer that another protocol follows (RFC 9110, 15.2.2).
const switchingProtocols = 101

// broken decides on an attempt that failed without an answer, or in the middle of one.
func (x *Exchange) broken(now time.Duration, e *Event) Step {
	if x.metClose(now, e) {
		x.reopened++
		x.s.Count.Reconnects.Add(1)
		return Step{Do: Connect, Target: x.target, Fresh: true, New: x.reopened == maxReopened && e.Ending == BrokenAlready}
	}
	x.note(now, e)
	x.last = failure{ending: x.endingOf(now, e), reason: e.Reason, unprocessed: e.Unprocessed && !e.Uploading}
	switch {
	case x.last.ending == GoneFirst || x.last.ending == ClientStalled:
		return x.gone(now)
	case x.committed:
		x.release(now)
		return Step{Do: Cut, Cause: x.cause(e), Reason: e.Reason}
	case x.last.ending == BodyUnusable:
		x.release(now)
		return x.refused(e.Cause, e.Reason)
	}
	x.release(now)
	if e.Ending != OverTime && x.mayRetry(now) {
		return x.again(now)
	}
	return x.failed()
}

// cause is the cause that an answer was cut for.
func (x *Exchange) cause(e *Event) Cause {
	if c := x.last.ending.Cause(); c != NoCause {
		return c
	}
	return e.Cause
}

// gone ends an exchange whose client is not there any more, or takes nothing more.
func (x *Exchange) gone(now time.Duration) Step {
	x.s.Count.Aborted.Add(1)
	if x.target != nil {
		x.release(now)
	}
	c := x.last.ending.Cause()
	return Step{Do: End, Status: x.s.Status.Of(c), Cause: c, Reason: x.last.reason}
}

// failed answers a request whose attempts have all failed, with the last of them.
func (x *Exchange) failed() Step {
	if f := &x.last; f.status != 0 {
		x.s.Count.Errors.Add(TargetError)
		return Step{Do: Answer, Status: f.status, Cause: TargetError, Reason: f.reason}
	}
	return x.answer(x.last.ending.Cause(), x.last.reason)
}

// mayRetry asks whether the attempt may be followed by another, which counts against the budget.
func (x *Exchange) mayRetry(now time.Duration) bool {
	return !x.late(now) && x.pool.Members().MayRetry(now, &x.pick, x.target, x.last.ending.Retried(x.last.unprocessed), x.repeatable && !x.committed)
}

// late reports whether the exchange has had its whole time.
func (x *Exchange) late(now time.Duration) bool { return x.timeouts.Exchange > 0 && now >= x.end }

// before bounds an instant by the end of the exchange's whole time.
func (x *Exchange) before(at time.Duration) time.Duration {
	if x.timeouts.Exchange > 0 {
		return min(at, x.end)
	}
	return at
}

// again begins another attempt, at a target that was not tried.
func (x *Exchange) again(now time.Duration) Step {
	x.pick.Attempt++
	return x.choose(now)
}

// release gives the target of the attempt back.
func (x *Exchange) release(now time.Duration) {
	t := x.target
	x.target = nil
	x.pick.Tried = append(x.pick.Tried, t.ID)
	x.pool.Release(now, t, x.last.ending.Outcome(), x.took, x.last.reason)
}
