package proxy

import (
	"cmp"
	"errors"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/chaos"
)

// attempts tries targets until one has answered, or nothing more may be tried.
func (x *exchange) attempts(pool *Pool) {
	discard := x.f.hooks.Discard(x.pick.Seq)
	last := failure{}
	for {
		x.access.Attempts = x.pick.Attempt
		t, why := x.choose(pool, discard)
		switch {
		case t != nil:
		case why == errClient:
			x.gone()
			return
		case last.cause == NoCause:
			x.unrouted(causeOfNone(why), why.Error())
			return
		default:
			x.failed(last)
			return
		}
		began := x.f.hooks.Now()
		x.access.Upstream, x.access.Attempts = t.ID, x.pick.Attempt+1
		if x.pick.Attempt > 0 && !discard {
			x.f.counters.Retries.Add(1)
		}
		outcome, failed := x.attempt(pool, t)
		now := x.f.hooks.Now()
		pool.release(now, t, outcome, now-began, failed.reason)
		switch {
		case outcome == group.Abandoned && !x.answered && x.upload.unusable() != nil:
			x.refuse(x.upload.unusable())
			return
		case outcome == group.Abandoned:
			x.gone()
			return
		case x.again:
			x.again = false
		case x.answered:
			if outcome == group.Broken {
				x.access.Cause, x.access.Reason = failed.cause, failed.reason
				x.reportAbandoned() // the reset may overtake what was written
				x.c.Abort()         // the client must not take it for whole
			}
			return
		case !x.mayRetry(pool, outcome):
			x.failed(failed)
			return
		}
		last = failed
		x.pick.Attempt++
		x.pick.Tried = append(x.pick.Tried, t.ID)
	}
}

// failed answers a request whose attempts have all failed, with the last of them.
func (x *exchange) failed(f failure) {
	if f.cause == TargetError {
		x.failAs(f.status, f.cause, f.reason)
		return
	}
	x.fail(f.cause, f.reason)
}

// gone notes that the client went away.
func (x *exchange) gone() {
	x.f.counters.Aborted.Add(1)
	x.reportAbandoned()
	x.access.Status, x.access.Cause, x.access.Reason = cmp.Or(x.f.options.Status.Gone, StatusGone), ClientGone, errClient.Error()
	x.c.Abort()
}

// mayRetry asks whether a failed attempt may be followed by another.
func (x *exchange) mayRetry(pool *Pool, o group.Outcome) bool {
	return !x.late() && pool.Group.MayRetry(x.f.hooks.Now(), x.pick.Attempt, o, x.repeatable && !x.answered)
}

// late reports whether the request has had its whole time.
func (x *exchange) late() bool { return !x.end.IsZero() && !time.Now().Before(x.end) }

// attempt is one exchange with one target.
func (x *exchange) attempt(pool *Pool, t *group.Target) (group.Outcome, failure) {
	x.touch = chaos.Exchange{Target: t.ID, Seq: x.pick.Seq, Attempt: x.pick.Attempt}
	effect := x.f.hooks.Touch(&x.touch)
	x.trace.begin(t, &effect)
	if effect.Delay > 0 && !x.wait(effect.Delay) {
		return group.Abandoned, failure{}
	}
	if effect.Status != 0 {
		outcome, failed := statusOutcome(effect.Status)
		if outcome != group.OK && x.mayRetry(pool, outcome) {
			x.again = true
			return outcome, failed
		}
		x.answered, x.access.Status = true, effect.Status
		x.reportIfGone()
		if x.c.Respond(effect.Status, x.traceHeader(), nil) != nil {
			return group.Abandoned, failure{}
		}
		return outcome, failed
	}
	up := pool.upstream(t)
	u, err := up.take(&x.c.Peer)
	if err != nil {
		cause := ConnectFailed
		if timedOut(err) {
			cause = ConnectTimeout
		}
		return group.ConnectFailed, failure{cause: cause, reason: err.Error()}
	}
	x.u, u.end = u, x.end
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
	cause := Broken
	if timedOut(err) {
		cause = Timeout
	}
	return group.Broken, failure{cause: cause, reason: err.Error()}
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
