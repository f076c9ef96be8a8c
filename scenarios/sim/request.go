package sim

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/backend/model"
	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/http1"
	"github.com/seed-8025779b/shakedown/balancer/pick"
	"github.com/seed-8025779b/shakedown/balancer/proxy"
	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/mix"
)

// request is one request on its way.
type request struct {
	measure.Sample
	asks   *mix.Request
	pick   pick.Request
	group  *simGroup
	target *simTarget // of the attempt in progress
	chosen time.Duration
	status int
	last   int // what to answer when no further target is left to try
	sent   bool
	done   bool          // the client has its outcome
	waiter *group.Waiter // in its group's queue, the last time
	user   *user
}

func (w *World) handle(it *item) {
	switch it.kind {
	case control:
		it.f()
	case arrive:
		w.arrive(it.r)
	case atBalancer:
		w.route(it.r)
	case exchange:
		if it.attempt == it.r.pick.Attempt {
			w.exchange(it.r)
		}
	case serviced:
		if it.attempt == it.r.pick.Attempt {
			w.serviced(it.r)
		}
	case finish:
		w.finish(it.r)
	case deadline:
		w.giveUp(it.r)
	case drop:
		w.drop(it.r)
	}
}

// route is the balancer's part: rules, strategy, and the faults on the connection to the target.
func (w *World) route(r *request) {
	if r.pick.Attempt == 0 {
		w.requests++
		routed := w.routed(r)
		rule := w.rules.Match(routed)
		if rule != nil {
			if ok, _ := rule.Allow(w.now, routed); !ok {
				w.limited++
				w.answer(r, w.statuses.Of(proxy.RateLimit))
				return
			}
		}
		switch {
		case rule == nil:
		case rule.Redirect != nil:
			w.answer(r, rule.Redirect.Status)
			return
		case rule.Respond != nil:
			w.answer(r, rule.Respond.Status)
			return
		default:
			r.group = w.groups[rule.Group(w.split.Float(r.Seq, 0))]
		}
		if r.group != nil {
			if k, ok := r.group.g.Key(); ok {
				if r.pick.Key, ok = routed.Key(k); !ok {
					r.pick.Key = r.group.g.AnyKey(r.Seq)
				}
			}
		}
	}
	if r.group == nil {
		w.turnedDown(r, proxy.NoRule)
		return
	}
	discard := w.opts.Discard(r.Seq)
	q := &r.group.queue
	var member *group.Target
	full := q.Len() > 0 // nobody overtakes those who wait
	if !full {
		member, full = r.group.g.Choose(w.now, &r.pick, discard)
	}
	switch {
	case full && w.wait(r, discard):
	case full:
		w.turnedDown(r, proxy.QueueFull)
	case member == nil:
		w.turnedDown(r, proxy.NoTarget)
	default:
		w.chosen(r, member)
	}
}

// wait puts a request into its group's queue; false when that is full.
func (w *World) wait(r *request, discard bool) bool {
	r.waiter = &group.Waiter{Request: &r.pick, Discard: discard, Admit: func(t *group.Target) { w.chosen(r, t) }}
	if !r.group.queue.Join(r.group.g, r.waiter) {
		w.overflow++
		return false
	}
	w.waited++
	waiter := r.waiter
	w.At(w.now+r.group.cfg.Limits.Wait, func() {
		if r.group.queue.Leave(waiter) {
			w.turnedDown(r, proxy.QueueTimeout)
		}
	})
	return true
}

// turnedDown answers a request for which there is no target, or no further one.
func (w *World) turnedDown(r *request, cause proxy.Cause) {
	if r.pick.Attempt > 0 {
		w.answer(r, r.last)
		return
	}
	w.unrouted++
	w.answer(r, w.statuses.Of(cause))
}

// chosen begins an attempt.
func (w *World) chosen(r *request, member *group.Target) {
	r.chosen = w.now
	if r.pick.Attempt > 0 && !w.opts.Discard(r.Seq) {
		w.retries++
	}
	t := w.all[member.ID]
	r.target = t
	x := chaos.Exchange{Target: t.ID, Seq: r.Seq, Attempt: r.pick.Attempt}
	if w.opts.Attempt != nil {
		w.opts.Attempt(x)
	}
	e := w.active.Touch(&x)
	r.status = e.Status
	if !r.done { // else the sample is out of our hands
		r.Attempts, r.Target, r.Fault = r.pick.Attempt+1, t.ID, e.Fault
	}
	if e.Delay > 0 {
		w.q.push(item{at: w.now + e.Delay, kind: exchange, r: r, attempt: r.pick.Attempt})
	} else {
		w.exchange(r)
	}
}

// exchange is the request's arrival at its target.
func (w *World) exchange(r *request) {
	t := r.target
	switch {
	case t == nil:
		return // the client gave up while it was delayed, and its attempt was released then
	case r.done:
		r.target = nil
		w.release(t, r, group.Abandoned, "")
	case r.status != 0:
		r.target = nil
		w.answered(t, r, r.status)
	case !t.alive:
		r.target = nil
		w.failed(t, r, group.ConnectFailed, "connection refused", w.statuses.Of(proxy.ConnectFailed))
	default:
		switch t.m.Arrive(w.now, r.Seq) {
		case model.Rejected:
			r.target = nil
			w.answered(t, r, http.StatusServiceUnavailable)
		case model.Started:
			t.running = append(t.running, r)
			w.serve(r)
		case model.Queued:
			t.running = append(t.running, r)
		}
	}
}

func (w *World) serve(r *request) {
	w.q.push(item{at: w.now + model.ServiceTime(w.s.Seed, r.group.times, r.Seq), kind: serviced, r: r, attempt: r.pick.Attempt})
}

// serviced is the end of a request's service; the next one in the queue takes its slot.
func (w *World) serviced(r *request) {
	t := r.target
	if t == nil {
		return // the target was killed under it
	}
	r.target = nil
	i := slices.Index(t.running, r)
	t.running = slices.Delete(t.running, i, i+1)
	t.served++
	if next, ok := t.m.Finish(w.now); ok {
		for _, q := range t.running {
			if q.Seq == next {
				w.serve(q)
				break
			}
		}
	}
	if r.done {
		return // the client gave up, and its attempt was released then
	}
	w.answered(t, r, http.StatusOK)
}

// answered ends an attempt with the status that the target, or a fault in its place, has answered.
func (w *World) answered(t *simTarget, r *request, status int) {
	if o := group.OutcomeOf(status); o != group.OK {
		w.failed(t, r, o, "status "+strconv.Itoa(status), status)
		return
	}
	w.release(t, r, group.OK, "")
	w.answer(r, status)
}

// failed ends an attempt that failed: another target is asked, or the client is answered.
func (w *World) failed(t *simTarget, r *request, o group.Outcome, reason string, status int) {
	w.release(t, r, o, reason)
	if !r.group.g.MayRetry(w.now, r.pick.Attempt, o, http1.Idempotent(r.asks.Method)) {
		w.answer(r, status)
		return
	}
	r.pick.Attempt++
	r.pick.Tried = append(r.pick.Tried, t.ID)
	r.last = status
	w.route(r)
}

// release gives an attempt's target back and tells the group what it needs to hear.
func (w *World) release(t *simTarget, r *request, o group.Outcome, reason string) {
	if t.group.g.Release(w.now, t.member, o, w.now-r.chosen) {
		w.owner(t.group, func(now time.Duration) []group.Effect { return t.group.g.Answered(now, t.member, o, reason) })
	}
	t.group.queue.Serve(w.now, t.group.g)
}

// answer sends the balancer's answer to the client.
func (w *World) answer(r *request, status int) {
	if r.done {
		return
	}
	r.Status = status
	w.q.push(item{at: w.now + w.s.RTT/2, kind: finish, r: r})
}
