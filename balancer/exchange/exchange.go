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
	"github.com/seed-8025779b/shakedown/balancer/pick"
	"github.com/seed-8025779b/shakedown/balancer/route"
	"github.com/seed-8025779b/shakedown/chaos"
)

// Setup is what the exchanges of a listener have in common. All of it is required.
type Setup struct {
	// Match returns the rule for a request and the pool that the rule forwards to; either is nil when there is none.
	Match  func(r *route.Request, seq uint64) (*route.Rule, Pool)
	Touch  func(*chaos.Exchange) chaos.Effect // what the faults in force do to an attempt
	Status *Statuses
	Count  *Counters
}

// Pool is a target group as exchanges use it.
type Pool interface {
	Members() *group.Group
	Queued() bool // requests wait for a target with room: nobody overtakes them
	// Release gives a target back after an attempt that took so long, with its outcome and the reason for a failure.
	Release(now time.Duration, t *group.Target, o group.Outcome, took time.Duration, reason string)
}

// Request is what an exchange must know of a request.
type Request struct {
	Ask        *route.Request
	Seq        uint64
	Discard    bool // it belongs to a phase that is left out of the totals
	Repeatable bool // it may be sent twice: it is idempotent (RFC 9110, 9.2.2), and its body is at hand
}

// Exchange is one request on its way. The zero value is ready for Begin, which may be called again for the next request.
type Exchange struct {
	s    *Setup
	r    Request
	rule *route.Rule
	pool Pool
	pick pick.Request

	target    *group.Target // of the attempt under way; nil between attempts
	began     time.Duration // when that began
	asked     time.Duration // when its exchange with the target did: a fault's delay comes before it
	status    int           // of a fault, in the target's place; 0 for none
	queued    bool          // it waits for a target with room
	reopened  bool          // it has gone from a connection that broke to a new one
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
// began. A client that has left is noticed then, and not before.
const LookEvery = 100 * time.Millisecond

// MaxIdle is how many idle connections to one target a driver keeps; the excess is closed. A connection becomes idle when an answer was
// passed on to its end, before Complete is told: the exchange then releases the target, and who has waited for it may use the
// connection. After every other end of an attempt it is closed, also when an answer came that is not passed on.
const MaxIdle = 256

// Do is what a driver has to do.
type Do uint8

// The steps.
const (
	Answer   Do = iota // answer with Status for Cause; final
	Redirect           // answer as the rule's Redirect says; final
	Respond            // answer as the rule's Respond says; final
	Queue              // wait for a target with room: Admitted, Full, TimedOut or Left follows
	Wait               // let the time pass until Until: Waited or Left follows
	Connect            // connect to Target: Connected, Broken or Left follows
	Converse           // send the request and read the answer's head: Head, Broken or Left follows
	Forward            // pass the answer on, whose status is Status: Complete or Broken follows. An answer in the target's place is Injected
	Cut                // end the answer, of which something went to the client, so that it is not taken for whole; final
	End                // nothing is left to be done; final
)

// Step is what a driver has to do next. Which fields are set depends on Do.
type Step struct {
	Do       Do
	Status   int
	Cause    Cause
	Reason   string
	After    time.Duration // of an Answer for RateLimit: when another request may pass
	Target   *group.Target
	Fresh    bool // of a Connect: by a new connection
	Injected bool
	Until    time.Duration
}

// Happened is the kind of an Event.
type Happened uint8

// What may have happened.
const (
	Admitted  Happened = iota // the queue has found Target
	Full                      // the queue takes no more
	TimedOut                  // of the queue
	Waited                    // the time has passed
	Connected                 // there is a connection
	Head                      // the target has answered with Status
	Complete                  // the answer was passed on to its end
	Failed                    // the attempt ended by Ending, for Reason
	Left                      // the client has gone
)

// Event is what has happened. Which fields are set depends on Kind.
type Event struct {
	Kind   Happened
	Target *group.Target
	Status int
	Ending Ending
	Reason string

	// Of an attempt that Failed on a connection:
	Reused      bool          // the connection had had an exchange before
	Closed      bool          // the target's side has ended it
	Sent        bool          // bytes of the request have left
	Got         bool          // bytes of an answer have come
	Uploading   bool          // the body did not come with the head
	Unprocessed bool          // the target has said that it did not act on the request
	Connecting  time.Duration // that the connection took to make
}

// Rule is the rule that the request has met; nil for none.
func (x *Exchange) Rule() *route.Rule { return x.rule }

// Pool is the pool that the rule forwards to; nil for none.
func (x *Exchange) Pool() Pool { return x.pool }

// Pick is the request as strategies see it, for a queue.
func (x *Exchange) Pick() *pick.Request { return &x.pick }

// Trace is what is to be told of the attempts so far.
func (x *Exchange) Trace() Trace { return x.trace }

// Begin takes a request in.
func (x *Exchange) Begin(now time.Duration, s *Setup, r *Request) Step {
	*x = Exchange{s: s, r: *r, pick: pick.Request{Seq: r.Seq, Tried: x.pick.Tried[:0]}}
	x.rule, x.pool = s.Match(r.Ask, r.Seq)
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
	}
	g := x.pool.Members()
	if k, ok := g.Key(); ok {
		if x.pick.Key, ok = r.Ask.Key(k); !ok {
			x.pick.Key = g.AnyKey(r.Seq)
		}
	}
	return x.choose(now)
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

// choose finds a target for an attempt. When those that are ready are full, the request waits for one with room.
func (x *Exchange) choose(now time.Duration) Step {
	full := x.pool.Queued()
	if !full {
		var t *group.Target
		if t, full = x.pool.Members().Choose(now, &x.pick, x.r.Discard); t != nil {
			return x.begin(now, t)
		}
	}
	if full {
		x.queued = true
		return Step{Do: Queue}
	}
	return x.none(NoTarget, "no target is ready")
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
	x.target, x.began, x.reopened = t, now, false
	if x.pick.Attempt > 0 && !x.r.Discard {
		x.s.Count.Retries.Add(1)
	}
	x.touch = chaos.Exchange{Target: t.ID, Seq: x.r.Seq, Attempt: x.pick.Attempt}
	e := x.s.Touch(&x.touch)
	x.status, x.trace = e.Status, Trace{x.pick.Attempt + 1, t.ID, e.Fault}
	if e.Delay > 0 {
		return Step{Do: Wait, Until: now + e.Delay}
	}
	return x.ask(now)
}

// ask begins the exchange with the target, or takes a fault's answer in its place.
func (x *Exchange) ask(now time.Duration) Step {
	x.asked = now
	if x.status == 0 {
		return Step{Do: Connect, Target: x.target}
	}
	step := x.head(now, x.status)
	step.Injected = step.Do == Forward
	return step
}

// Next takes in what has happened at the last Step, and returns the next one.
func (x *Exchange) Next(now time.Duration, e Event) Step {
	if x.queued && e.Kind != Full {
		x.s.Count.Waited.Add(1)
	}
	x.queued = false
	switch e.Kind {
	case Admitted:
		return x.begin(now, e.Target)
	case Full:
		x.s.Count.Overflowed.Add(1)
		return x.none(QueueFull, "every target has as many requests as it may, and so has the queue")
	case TimedOut:
		return x.none(QueueTimeout, "no target had room in time")
	case Waited:
		return x.ask(now)
	case Connected:
		return Step{Do: Converse}
	case Head:
		return x.head(now, e.Status)
	case Complete:
		x.release(now)
		return Step{Do: End}
	case Left:
		x.last = failure{ending: GoneFirst, reason: e.Reason}
		return x.gone(now)
	}
	return x.broken(now, &e)
}

// head decides on an answer: it is passed on, or a failure that another attempt may follow.
func (x *Exchange) head(now time.Duration, status int) Step {
	x.last = failure{ending: EndingOf(status), status: status}
	if x.last.ending != Answered {
		x.last.reason = "status " + strconv.Itoa(status)
		if x.mayRetry(now) {
			x.release(now)
			return x.again(now)
		}
	}
	x.committed = true
	return Step{Do: Forward, Status: status}
}

// broken decides on an attempt that failed without an answer, or in the middle of one.
func (x *Exchange) broken(now time.Duration, e *Event) Step {
	if x.metClose(now, e) {
		x.reopened = true
		x.s.Count.Reconnects.Add(1)
		return Step{Do: Connect, Target: x.target, Fresh: true}
	}
	x.last = failure{ending: e.Ending, reason: e.Reason, unprocessed: e.Unprocessed && !e.Uploading}
	switch {
	case e.Ending == GoneFirst || e.Ending == ClientStalled:
		return x.gone(now)
	case x.committed:
		x.release(now)
		return Step{Do: Cut, Cause: e.Ending.Cause(), Reason: e.Reason}
	}
	x.release(now)
	if x.mayRetry(now) {
		return x.again(now)
	}
	return x.failed()
}

// gone ends an exchange whose client is not there any more.
func (x *Exchange) gone(now time.Duration) Step {
	x.s.Count.Aborted.Add(1)
	if x.target != nil {
		x.release(now)
	}
	return Step{Do: End, Cause: x.last.ending.Cause(), Reason: x.last.reason}
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
	return x.pool.Members().MayRetry(now, x.pick.Attempt, x.last.ending.Retried(x.last.unprocessed), x.r.Repeatable && !x.committed)
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
	x.pool.Release(now, t, x.last.ending.Outcome(), now-x.began, x.last.reason)
}

// closeRace is how soon after a request a connection that was used before must end for the request to have met the
// closing of an idle connection (RFC 9112, 9.3.1). What ends later may be the target's failure. loadgen/client.MetClose
// explains the rule; a balancer has more goroutines than a generator for which the end may have to wait.
const closeRace = 20 * time.Millisecond

// maxRoundTrip bounds what the time that a connection took to make says of the round trip.
const maxRoundTrip = 250 * time.Millisecond

// metClose reports whether an attempt on a connection that was used before failed because the target was just closing that
// connection, so that it may be repeated on a new one to the same target: no byte of the request had left, or the request
// can't take effect twice (RFC 9110, 9.2.2). A target of HTTP/2 says whether it has acted on it.
func (x *Exchange) metClose(now time.Duration, e *Event) bool {
	switch {
	case x.reopened || x.committed || e.Uploading || e.Got:
		return false
	case e.Unprocessed:
		return true
	case !e.Reused || !e.Closed:
		return false
	}
	return !e.Sent || (x.r.Repeatable && WithinCloseRace(now-x.asked, e.Connecting))
}

// WithinCloseRace reports whether a connection that was used before, and took so long to make, ended so soon after a request
// began that the request may have met the closing of an idle connection.
func WithinCloseRace(ago, connecting time.Duration) bool {
	return ago <= closeRace+min(connecting, maxRoundTrip)
}
