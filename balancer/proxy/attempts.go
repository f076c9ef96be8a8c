package proxy

import (
	"cmp"
	"errors"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/exchange"
	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/chaos"
)

// attempts tries targets until one has answered, or nothing more may be tried.
func (x *driver) attempts(pool *Pool) {
	discard := x.f.hooks.Discard(x.pick.Seq)
	var last failure
	for {
		x.access.Attempts = x.pick.Attempt
		t, why := x.choose(pool, discard)
		switch {
		case t != nil:
		case why == errClient:
			x.gone(exchange.GoneFirst, errClient)
			return
		case x.pick.Attempt == 0:
			x.unrouted(causeOfNone(why), why.Error())
			return
		default:
			x.failed(&last)
			return
		}
		began := x.f.hooks.Now()
		x.access.Upstream, x.access.Attempts = t.ID, x.pick.Attempt+1
		x.asked = t
		if x.pick.Attempt > 0 && !discard {
			x.f.counters.Retries.Add(1)
		}
		last = x.attempt(pool, t, began)
		now := x.f.hooks.Now()
		pool.release(now, t, last.how.Outcome(), now-began, last.reason())
		switch {
		case x.again:
			x.again = false
		case x.answered:
			if last.err != nil {
				x.cut(&last)
			}
			return
		case last.how == exchange.GoneFirst || last.how == exchange.ClientStalled:
			x.gone(last.how, last.err)
			return
		case last.how == exchange.BodyUnusable:
			x.refuse(last.err)
			return
		case !x.mayRetry(pool, last.how.Retried()):
			x.failed(&last)
			return
		}
		x.pick.Attempt++
		x.pick.Tried = append(x.pick.Tried, t.ID)
	}
}

// failed answers a request whose attempts have all failed, with the last of them.
func (x *driver) failed(f *failure) {
	if f.err == nil {
		x.failAs(f.status, exchange.TargetError, f.reason(), f.reason())
		return
	}
	x.failAs(x.f.options.Status.Of(f.cause()), f.cause(), f.reason(), x.told(f.err))
}

// cut ends an answer that can't be passed on to its end, so that the client does not take it for whole.
func (x *driver) cut(f *failure) {
	if f.how == exchange.GoneFirst || f.how == exchange.ClientStalled {
		x.gone(f.how, f.err)
		return
	}
	x.access.Cause, x.access.Reason = f.cause(), f.reason()
	x.reportAbandoned() // the reset may overtake what was written
	x.c.Abort()
}

// gone notes that the client went away, or takes no more of its answer.
func (x *driver) gone(how exchange.Ending, why error) {
	x.f.counters.Aborted.Add(1)
	x.reportAbandoned()
	x.access.Cause, x.access.Reason = how.Cause(), why.Error()
	if x.access.Status = x.f.options.Status.Of(x.access.Cause); how == exchange.GoneFirst {
		x.access.Status = cmp.Or(x.f.options.Status.Gone, StatusGone)
	}
	x.c.Abort()
}

// mayRetry asks whether a failed attempt may be followed by another.
func (x *driver) mayRetry(pool *Pool, o group.Outcome) bool {
	return !x.late() && pool.Group.MayRetry(x.f.hooks.Now(), x.pick.Attempt, o, x.repeatable && !x.answered)
}

// late reports whether the request has had its whole time.
func (x *driver) late() bool { return !x.end.IsZero() && !time.Now().Before(x.end) }

// attempt is one exchange with one target.
func (x *driver) attempt(pool *Pool, t *group.Target, began time.Duration) failure {
	x.beginAttempt()
	x.touch = chaos.Exchange{Target: t.ID, Seq: x.pick.Seq, Attempt: x.pick.Attempt}
	effect := x.f.hooks.Touch(&x.touch)
	x.trace.begin(t, &effect)
	if effect.Delay > 0 {
		if !x.wait(effect.Delay) {
			return failure{how: exchange.GoneFirst, err: errClient}
		}
		began = x.f.hooks.Now()
	}
	if effect.Status != 0 {
		return x.injected(pool, effect.Status)
	}
	up := pool.upstream(t)
	u := up.reuse(&x.c.Peer, x.repeatable)
	for again := false; ; again = true {
		if u == nil {
			var err error
			if u, err = x.connect(up); err != nil {
				return x.unconnected(err)
			}
		}
		f, err := x.on(u, pool, t)
		repeat := err != nil && !again && x.metClose(u, err, x.f.hooks.Now()-began)
		if err != nil {
			f = x.endingOf(err) // before the end of the upload changes how it looks
			if u.reused && !u.got && closed(err) {
				up.closedUnsaid(u)
			}
		}
		keep := x.finishUpload(err != nil) && u.reusable && err == nil
		x.u = nil
		up.give(u, keep)
		if !repeat {
			return f
		}
		x.f.counters.Reconnects.Add(1)
		u = nil
	}
}

// injected answers with a fault's status in the target's place.
func (x *driver) injected(pool *Pool, status int) failure {
	f := answeredWith(status)
	if f.how != exchange.Answered && x.mayRetry(pool, f.how.Outcome()) {
		x.again = true
		return f
	}
	x.answered, x.access.Status = true, status
	x.reportIfGone()
	if x.c.Respond(status, x.traceHeader(), nil) != nil {
		return failure{how: exchange.GoneFirst, err: errClient}
	}
	return f
}

// connect makes a connection to a target.
func (x *driver) connect(up *upstream) (*conn, error) {
	if !x.end.IsZero() {
		x.onTarget.start()
		defer x.onTarget.stop()
	}
	ctx, stop := x.attended()
	defer stop()
	return up.open(ctx, &x.c.Peer)
}

// unconnected is the end of an attempt that got no connection.
func (x *driver) unconnected(err error) failure {
	how := exchange.Refused
	switch {
	case errors.Is(err, errClient):
		how = exchange.GoneFirst
	case errors.Is(err, errOver):
		how = x.overBy()
	case NoResources(err):
		how = exchange.NoResources
		x.f.hooks.Short(err)
	case timedOut(err):
		how = exchange.ConnectTimedOut
	}
	return failure{how: how, err: err}
}

// on is the exchange on a connection.
func (x *driver) on(u *conn, pool *Pool, t *group.Target) (failure, error) {
	u.begin(x)
	x.u = u
	if !x.end.IsZero() {
		x.c.Bound(x.end)
		defer x.c.Bound(time.Time{})
	}
	return x.converse(pool, t)
}
