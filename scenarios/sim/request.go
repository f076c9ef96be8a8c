package sim

import (
	"cmp"
	"slices"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/backend/model"
	"github.com/seed-8025779b/shakedown/balancer/exchange"
	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/http1"
	"github.com/seed-8025779b/shakedown/balancer/route"
	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/loadgen/attempt"
	"github.com/seed-8025779b/shakedown/loadgen/mix"
)

// request is one request on its way.
type request struct {
	*attempt.Call // the client's side of it, of which this is one attempt
	asks          *mix.Request
	retry         int                // which retry of its client's it is
	id            uint64             // of this attempt, for draws and servers
	status        int                // of the balancer's answer
	x             *exchange.Exchange // under way at the balancer; nil before and after
	step          int                // of it, counted
	since         time.Duration      // when that began
	visit         *visit             // at a target; nil while it is at none
	to            *simTarget         // that it is connected to
	first         visit              // the memory of the first one
	asked         time.Duration      // when that began
	spent         time.Duration      // in all, waiting for targets
	reused        bool               // the connection to it was used before
	sent          bool
	gives         time.Duration // when its client gives up
	done          bool          // the client has the outcome of this attempt
	waiter        *group.Waiter // in its group's queue, the last time
	user          *user
}

// visit is a request at a target, queued or served. It may outlast the attempt that it is for: a server goes on.
type visit struct {
	r   *request // nil once the balancer waits for its end no longer
	t   *simTarget
	id  uint64        // of the attempt
	cut bool          // its target's process has ended
	at  time.Duration // when it began
}

func (w *World) handle(it *item) {
	switch it.kind {
	case control:
		it.f()
	case arrive:
		w.arrive(it.r)
	case atBalancer:
		w.begin(it.r)
	case waited:
		switch {
		case it.r.x == nil || it.turn != it.r.step: // the client gave up
		case it.r.done:
			w.left(it.r)
		default:
			w.next(it.r, exchange.Event{Kind: exchange.Waited})
		}
	case serviced:
		if !it.v.cut {
			w.serviced(it.v)
		}
	case overdue:
		if it.r.x != nil && it.turn == it.r.step { // else it was answered
			w.overdue(it.r)
		}
	case finish:
		w.finish(it.r)
	case deadline:
		w.giveUp(it.r)
	case drop:
		w.drop(it.r)
	case resume:
		w.act(it.r, it.r.Next(w.now, attempt.Event{Kind: attempt.Resumed}))
	}
}

// begin is the arrival of a request at the balancer.
func (w *World) begin(r *request) {
	w.count.Requests.Add(1)
	if n := len(w.free); n > 0 {
		r.x, w.free = w.free[n-1], w.free[:n-1]
	} else {
		r.x = &exchange.Exchange{}
	}
	w.perform(r, r.x.Begin(w.now, &w.setup, &exchange.Request{
		Ask: w.routed(r), Seq: r.Seq, Retry: r.retry, Discard: w.opts.Discard(r.Seq), Idempotent: http1.Idempotent(r.asks.Method),
	}))
}

// next tells a request's exchange what has happened.
func (w *World) next(r *request, e exchange.Event) {
	w.perform(r, r.x.Next(w.now, e))
}

// perform does what the exchange wants to be done.
func (w *World) perform(r *request, step exchange.Step) {
	x := r.x
	if !r.done { // else the sample is out of our hands
		t := x.Trace()
		r.Attempts, r.Target, r.Fault = t.Attempts, t.Target, t.Fault
	}
	r.step++
	r.since = w.now
	switch step.Do {
	case exchange.Answer, exchange.Redirect, exchange.Respond:
		w.over(r)
		w.free = append(w.free, x)
		w.answer(r, step.Status)
	case exchange.Cut, exchange.End:
		w.over(r)
		w.free = append(w.free, x)
	case exchange.Spool: // bodies come with their heads
		w.next(r, exchange.Event{Kind: exchange.Spooled, Whole: true})
	case exchange.Queue:
		w.queue(r, step.Until)
	case exchange.Wait:
		w.q.push(item{at: step.Until, kind: waited, r: r, turn: r.step})
	case exchange.Connect:
		w.connect(r, w.all[step.Target.ID], step.Fresh)
	case exchange.Converse:
		w.converse(r, step.Idle)
	case exchange.Forward:
		w.answer(r, step.Status) // an answer comes in one piece
		if !step.Injected {
			r.to.idle = min(r.to.idle+1, exchange.MaxIdle)
		}
		if step.Cookie && !r.done {
			w.setCookie(r, x.Pool().Members(), step.Target)
		}
		w.next(r, exchange.Event{Kind: exchange.Complete})
	}
}

// over notes that a request is no longer under way at the balancer. It is still known to the events that it has left behind.
func (w *World) over(r *request) {
	r.x, r.waiter = nil, nil
}

// match finds the rule for a request and the group that it forwards to.
func (w *World) match(ask *route.Request, seq uint64) (*route.Rule, exchange.Pool) {
	rule := w.rules.Match(ask)
	if rule == nil {
		return nil, nil
	}
	if g := w.groups[rule.Group(w.split.Float(seq, 0))]; g != nil {
		return rule, g
	}
	return rule, nil
}

// touch is what the faults in force do to the attempt that begins.
func (w *World) touch(x *chaos.Exchange) chaos.Effect {
	if w.opts.Attempt != nil {
		w.opts.Attempt(*x)
	}
	return w.active.Touch(x)
}

// queue makes a request wait for a target with room.
func (w *World) queue(r *request, until time.Duration) {
	g := r.x.Pool().(*simGroup)
	waiter := &group.Waiter{Request: r.x.Pick(), Discard: w.opts.Discard(r.Seq), Admit: func(t *group.Target) {
		w.next(r, exchange.Event{Kind: exchange.Admitted, Target: t})
	}}
	r.waiter = waiter
	if !g.queue.Join(g.g, waiter) {
		w.next(r, exchange.Event{Kind: exchange.Full})
		return
	}
	g.queue.Serve(w.now, g.g) // those before it may have tried the target that has room
	w.At(until, func() {
		if g.queue.Leave(waiter) {
			w.next(r, exchange.Event{Kind: exchange.TimedOut})
		}
	})
}

// connect connects a request to its target, by a connection that is idle or a new one.
func (w *World) connect(r *request, t *simTarget, fresh bool) {
	r.reused = !fresh && t.idle > 0
	if r.reused {
		t.idle--
	}
	if !t.alive {
		w.next(r, exchange.Event{Kind: exchange.Failed, Ending: exchange.Refused, Reason: "connection refused"})
		return
	}
	r.asked, r.to = w.now, t
	w.next(r, exchange.Event{Kind: exchange.Connected})
}

// converse sends a request to its target, whose answer may not be longer in coming than idle.
func (w *World) converse(r *request, idle time.Duration) {
	v := &r.first
	if v.t != nil { // it may still be at another target
		v = &visit{}
	}
	t := r.to
	*v = visit{r: r, t: t, id: r.id, at: w.now}
	admission := t.m.Arrive(w.now, r.id)
	if admission == model.Rejected {
		w.answered(r, statusUnavailable)
		return
	}
	r.visit = v
	t.running = append(t.running, v)
	if admission == model.Started {
		w.serve(v)
	}
	by := w.now + idle
	if end, ok := r.x.Deadline(); ok {
		by = min(by, end)
	}
	if by <= max(r.gives, w.now)+exchange.LookEvery { // else its client has gone before
		w.q.push(item{at: max(by, w.now), kind: overdue, r: r, turn: r.step})
	}
}

// overdue ends an attempt that has taken too long.
func (w *World) overdue(r *request) {
	w.abandon(r)
	here := w.now - r.asked
	r.spent += here
	if end, ok := r.x.Deadline(); ok && w.now >= end {
		w.next(r, w.overTime(r, here))
		return
	}
	w.next(r, exchange.Event{Kind: exchange.Failed, Ending: exchange.Silent, Reason: "no answer in time", Reused: r.reused, Sent: true})
}

// overTime is the end of an attempt during which the whole time of the exchange was over. Clients are never waited for: their bodies
// come with their heads, and they take every answer at once.
func (w *World) overTime(r *request, here time.Duration) exchange.Event {
	return exchange.Event{
		Kind: exchange.Failed, Ending: exchange.OverTime, Reason: "the exchange has taken too long", Reused: r.reused, Sent: true,
		Waits: exchange.Waits{Target: r.spent}, Here: exchange.Waits{Target: here},
	}
}

// abandon takes a request away from its target: in the target's queue it leaves when the target looks the next time, in service it runs
// to its end.
func (w *World) abandon(r *request) {
	v := r.visit
	if v == nil {
		return
	}
	r.visit, v.r = nil, nil
	if !v.t.m.Waits(v.id) {
		return
	}
	looks := (w.now-v.at)/model.LookEvery + 1
	w.At(v.at+looks*model.LookEvery, func() {
		if !v.cut && v.t.m.Leave(v.id) {
			v.t.running = slices.DeleteFunc(v.t.running, func(o *visit) bool { return o == v })
		}
	})
}

func (w *World) serve(v *visit) {
	w.q.push(item{at: w.now + model.ServiceTime(w.s.Seed, v.t.group.times, v.id), kind: serviced, v: v})
}

// serviced is the end of a request's service; the next one in the queue takes its slot.
func (w *World) serviced(v *visit) {
	t := v.t
	i := slices.Index(t.running, v)
	t.running = slices.Delete(t.running, i, i+1)
	t.served++
	if next, ok := t.m.Finish(w.now); ok {
		for _, q := range t.running {
			if q.id == next {
				w.serve(q)
				break
			}
		}
	}
	if r := v.r; r != nil { // else the balancer waits for it no longer
		r.visit = nil
		w.answered(r, statusOK)
	}
}

// answered is a target's answer.
func (w *World) answered(r *request, status int) {
	r.spent += w.now - r.asked
	w.next(r, exchange.Event{Kind: exchange.Head, Status: status})
}

// broken is the end of a target's process under a request.
func (w *World) broken(v *visit) {
	v.cut = true
	r := v.r
	if r == nil {
		return
	}
	r.visit = nil
	r.spent += w.now - r.asked
	w.next(r, exchange.Event{Kind: exchange.Failed, Ending: exchange.BrokenOff, Reason: "connection reset", Reused: r.reused, Closed: true, Sent: true})
}

// Members implements exchange.Pool.
func (g *simGroup) Members() *group.Group { return g.g }

// Timeouts implements exchange.Pool.
func (g *simGroup) Timeouts() exchange.Timeouts {
	t := g.cfg.Timeouts
	return exchange.Timeouts{Response: cmp.Or(t.Response, exchange.DefaultResponse), Exchange: t.Exchange}
}

// Queued implements exchange.Pool.
func (g *simGroup) Queued() bool { return g.queue.Len() > 0 }

// Release implements exchange.Pool.
func (g *simGroup) Release(now time.Duration, t *group.Target, o group.Outcome, took time.Duration, reason string) {
	if g.g.Release(now, t, o, took) {
		g.runner.Do(now, func(now time.Duration) []group.Effect { return g.g.Answered(now, t, o, reason) })
	}
	g.serve(now)
}

// answer sends the balancer's answer to the client.
func (w *World) answer(r *request, status int) {
	if r.done {
		return
	}
	r.status = status
	w.q.push(item{at: w.now + w.s.RTT/2, kind: finish, r: r})
}
