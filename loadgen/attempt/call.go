package attempt

import (
	"strconv"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/scenarios/budget"
)

// Client is what the requests of one load share. Its zero value but for Config and Tolerated is ready.
type Client struct {
	*Config
	Tolerated time.Duration // the delay of a request by the generator itself that counts as none

	budget budget.Budget // of retries
}

// Call is the client's side of one request as a state machine: what is to be done next, and what its sample says in the end. A
// driver calls Begin, performs each step and tells Next what has happened, until the step End. The sample's Sent, First, Connect,
// Handshake, Status and bytes, and what the balancer told, are the driver's to set while it performs a Send.
//
// A Call is used again by the next Begin, and then allocates nothing. It is not for several goroutines at once.
type Call struct {
	measure.Sample
	cl         *Client
	idempotent bool
	fresh      bool          // the present attempt is on a second connection: the first one met a close
	since      time.Duration // when it began to wait for a connection
	by         time.Duration // when the present attempt has to have ended
}

// Action is what a driver does.
type Action uint8

// The steps of a call, and what a driver tells when it has performed them.
const (
	Wait   Action = iota // for a connection, in order of due time, until Until: tells Connected or Expired
	Send                 // the request, and read its answer, all until Until: tells Answered or Failed
	Resend               // the same on a new connection, at once
	Pause                // until Until, without a connection: tells Resumed
	End                  // the sample is complete
)

// Step is what is to be done next.
type Step struct {
	Do    Action
	Until time.Duration
}

// Kind is what has happened.
type Kind uint8

// The events of a call.
const (
	Connected Kind = iota // it has a free connection, or may make one
	Expired               // it had none until the end of the wait
	Answered              // the answer is there, to its end
	Failed                // the attempt went wrong
	Resumed               // a pause is over
)

// Event is what has happened.
type Event struct {
	Kind   Kind
	Waited bool // Connected: no connection was free when it was offered

	Failure  string // Answered: what is not as the request expects it; empty when nothing is
	Expected bool   // Answered: it is the status that the request expects

	Class   measure.Class // Failed
	Detail  string        // Failed: for a person
	Unsent  bool          // Failed: no byte of the request has left
	Closed  bool          // Failed: the server closed or reset a connection that was used before
	Connect time.Duration // Closed: how long that connection took to make
}

// Begin takes a request in that is due, and was offered.
func (c *Call) Begin(cl *Client, seq uint64, request string, idempotent bool, due, offered time.Duration) Step {
	c.cl, c.idempotent, c.fresh, c.since = cl, idempotent, false, offered
	retried := c.Retried[:0]
	c.Sample = measure.Sample{Seq: seq, Request: request, Due: due, Offered: offered, Retried: retried}
	if cl.TooLate(due, offered, cl.Tolerated) {
		cl.Drop(&c.Sample, cl.Tolerated)
		return Step{Do: End}
	}
	if r := cl.Retry; r != nil {
		cl.budget.Earn(max(r.Budget, 0))
	}
	return c.wait()
}

// Next takes in what has happened.
func (c *Call) Next(now time.Duration, e Event) Step {
	switch e.Kind {
	case Connected:
		if e.Waited {
			if now >= c.cl.LastStart(c.Due) {
				return c.unconnected()
			}
			c.Wait += now - c.since
		}
		return c.send(now)
	case Expired:
		return c.unconnected()
	case Answered:
		return c.answered(now, &e)
	case Failed:
		return c.failed(now, &e)
	default:
		c.since = now
		return c.wait()
	}
}

// Cancel ends a request that had not ended when the load was stopped: it is neither a success nor a failure.
func (c *Call) Cancel() { c.Outcome, c.Class, c.Detail = measure.Cancelled, "", "" }

func (c *Call) wait() Step { return Step{Wait, c.cl.LastStart(c.Due)} }

// unconnected ends a request that had no connection in time: one that was never sent is dropped, one that was to be sent again has
// failed, as it did the last time.
func (c *Call) unconnected() Step {
	if c.ClientAttempts == 0 {
		c.cl.Drop(&c.Sample, c.cl.Tolerated)
		return Step{Do: End}
	}
	last := max(c.cl.LastStart(c.Due), c.since)
	c.Wait += last - c.since
	c.Done = last
	c.Detail += "; no connection became free to send it again"
	return Step{Do: End}
}

// send begins an attempt.
func (c *Call) send(now time.Duration) Step {
	if c.ClientAttempts > 0 {
		c.Retried = append(c.Retried, c.Class)
		c.forget()
	}
	c.ClientAttempts++
	c.fresh = false
	c.by = c.Due + c.cl.Timeout
	if r := c.cl.Retry; r != nil && r.Timeout > 0 {
		c.by = min(c.by, now+r.Timeout)
	}
	return Step{Send, c.by}
}

// forget empties what is of the last attempt alone.
func (c *Call) forget() {
	c.Sent, c.First, c.Done, c.Connect, c.Handshake = 0, 0, 0, 0, 0
	c.Outcome, c.Class, c.Detail, c.Status, c.BytesIn, c.BytesOut = measure.Succeeded, "", "", 0, 0, 0
	c.ForgetTold()
}

// ForgetTold empties what the balancer told, of an answer that does not count.
func (c *Call) ForgetTold() { c.Told, c.Attempts, c.Target, c.Fault = false, 0, "", "" }

// answered judges an answer.
func (c *Call) answered(now time.Duration, e *Event) Step {
	c.ended(now)
	if e.Failure != "" {
		c.Outcome, c.Class, c.Detail = measure.Failed, measure.Expectation, e.Failure
	} else if class := measure.ClassOfStatus(c.Status); class != "" && !e.Expected {
		c.Outcome, c.Class, c.Detail = measure.Failed, class, statusDetail(c.Status)
	} else {
		return Step{Do: End}
	}
	return c.retry(now, false)
}

// failed takes in that an attempt went wrong.
func (c *Call) failed(now time.Duration, e *Event) Step {
	if e.Closed && c.First == 0 && !c.fresh && (e.Unsent || (c.idempotent && c.cl.MetClose(c.Sent, now, e.Connect))) {
		c.fresh, c.Sent = true, 0
		return Step{Resend, c.by}
	}
	c.ended(now)
	if c.Sent == 0 {
		c.BytesOut = 0
	}
	c.Outcome, c.Class, c.Detail = measure.Failed, e.Class, e.Detail
	return c.retry(now, e.Unsent)
}

func (c *Call) ended(now time.Duration) {
	c.Done = now
	if c.fresh && c.Sent > 0 {
		c.Reconnect++
	}
}

// retry says whether a failed attempt is followed by another, and when.
func (c *Call) retry(now time.Duration, unsent bool) Step {
	r := c.cl.Retry
	if r == nil || c.ClientAttempts > r.Attempts || !c.allowed(r, unsent) {
		return Step{Do: End}
	}
	at := now + r.Pause(c.Seq, c.ClientAttempts-1)
	if at >= c.cl.LastStart(c.Due) { // too little time would be left
		return Step{Do: End}
	}
	if r.Budget >= 0 && !c.cl.budget.Spend(now, r.Floor) {
		return Step{Do: End}
	}
	return Step{Pause, at}
}

// allowed reports whether a retry may follow the failure of an attempt. What the generator's own machine lacks is not to be tried again:
// it would be the generator's load that grows.
func (c *Call) allowed(r *Retry, unsent bool) bool {
	repeatable := c.idempotent || r.Repeat
	switch {
	case c.Class == measure.Resources:
		return false
	case unsent:
		return true
	case c.Status >= 500:
		return repeatable && r.On == On5xx
	case c.First == 0:
		return repeatable && r.On != OnConnect
	}
	return false
}

// statusDetail does not allocate for the statuses that a failing system answers by the thousand.
func statusDetail(status int) string {
	switch status {
	case 500:
		return "status 500"
	case 502:
		return "status 502"
	case 503:
		return "status 503"
	case 504:
		return "status 504"
	}
	return "status " + strconv.Itoa(status)
}

// FirstByteBy is when the first byte of the answer has to be there, to a request that was sent at an instant and has to be answered
// until another.
func (t *Timeouts) FirstByteBy(sent, until time.Duration) time.Duration {
	if t.FirstByte > 0 {
		return min(until, sent+t.FirstByte)
	}
	return until
}

// NextRequest is when a user of a closed loop sends its next request, whose last one ended at an instant: after its think time,
// and after a failure a pause besides. ok is false when its stretch is over by then: it does not think past the end.
func (c *Config) NextRequest(ended, think, until time.Duration, failed bool) (at time.Duration, ok bool) {
	at = ended + think
	if failed {
		at += c.FailPause
	}
	return at, at < until
}
