package sim

import (
	"net/http"
	"slices"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/backend/model"
	"github.com/seed-8025779b/shakedown/balancer/exchange"
	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/http1"
	"github.com/seed-8025779b/shakedown/balancer/route"
	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/mix"
)

// request is one request on its way.
type request struct {
	measure.Sample
	asks   *mix.Request
	x      *exchange.Exchange // under way at the balancer; nil before and after
	step   int                // of it, counted
	since  time.Duration      // when that began
	turn   int                // how often it was sent to a target: what an earlier time left behind is void
	target *simTarget         // that it is at
	asked  *simTarget         // to which its latest connection was made
	reused bool               // that was used before
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
		w.begin(it.r)
	case waited:
		if it.r.x != nil && it.turn == it.r.step { // else the client gave up
			w.next(it.r, exchange.Event{Kind: exchange.Waited})
		}
	case serviced:
		if it.r.target != nil && it.turn == it.r.turn { // else the target died under it
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

// begin is the arrival of a request at the balancer.
func (w *World) begin(r *request) {
	w.count.Requests.Add(1)
	if n := len(w.free); n > 0 {
		r.x, w.free = w.free[n-1], w.free[:n-1]
	} else {
		r.x = &exchange.Exchange{}
	}
	w.perform(r, r.x.Begin(w.now, &w.setup, &exchange.Request{
		Ask: w.routed(r), Seq: r.Seq, Discard: w.opts.Discard(r.Seq), Repeatable: http1.Idempotent(r.asks.Method),
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
	case exchange.Queue:
		w.queue(r)
	case exchange.Wait:
		w.q.push(item{at: step.Until, kind: waited, r: r, turn: r.step})
	case exchange.Connect:
		w.connect(r, w.all[step.Target.ID], step.Fresh)
	case exchange.Forward:
		w.answer(r, step.Status) // an answer comes in one piece
		if !step.Injected {
			r.asked.idle = min(r.asked.idle+1, exchange.MaxIdle)
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
func (w *World) queue(r *request) {
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
	w.At(w.now+g.cfg.Limits.Wait, func() {
		if g.queue.Leave(waiter) {
			w.next(r, exchange.Event{Kind: exchange.TimedOut})
		}
	})
}

// connect connects a request to its target, by a connection that is idle or a new one, and sends it.
func (w *World) connect(r *request, t *simTarget, fresh bool) {
	r.reused = !fresh && t.idle > 0
	if r.reused {
		t.idle--
	}
	if !t.alive {
		w.next(r, exchange.Event{Kind: exchange.Failed, Ending: exchange.Refused, Reason: "connection refused"})
		return
	}
	r.asked = t
	r.x.Next(w.now, exchange.Event{Kind: exchange.Connected}) // the request is sent at once
	r.turn++
	switch t.m.Arrive(w.now, r.Seq) {
	case model.Rejected:
		w.answered(r, http.StatusServiceUnavailable)
	case model.Started:
		r.target = t
		t.running = append(t.running, r)
		w.serve(r)
	case model.Queued:
		r.target = t
		t.running = append(t.running, r)
	}
}

func (w *World) serve(r *request) {
	w.q.push(item{at: w.now + model.ServiceTime(w.s.Seed, r.target.group.times, r.Seq), kind: serviced, r: r, turn: r.turn})
}

// serviced is the end of a request's service; the next one in the queue takes its slot.
func (w *World) serviced(r *request) {
	t := r.target
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
	if r.x != nil { // else the client gave up, and its exchange ended then
		w.answered(r, http.StatusOK)
	}
}

// answered is a target's answer.
func (w *World) answered(r *request, status int) {
	w.next(r, exchange.Event{Kind: exchange.Head, Status: status})
}

// broken is the end of a target's process under a request.
func (w *World) broken(r *request) {
	r.target = nil
	if r.x == nil {
		return // the client gave up, and its exchange ended then
	}
	w.next(r, exchange.Event{Kind: exchange.Failed, Ending: exchange.BrokenOff, Reason: "connection reset", Reused: r.reused, Closed: true, Sent: true})
}

// Members implements exchange.Pool.
func (g *simGroup) Members() *group.Group { return g.g }

// Queued implements exchange.Pool.
func (g *simGroup) Queued() bool { return g.queue.Len() > 0 }

// Release implements exchange.Pool.
func (g *simGroup) Release(now time.Duration, t *group.Target, o group.Outcome, took time.Duration, reason string) {
	if g.g.Release(now, t, o, took) {
		g.w.owner(g, func(now time.Duration) []group.Effect { return g.g.Answered(now, t, o, reason) })
	}
	g.queue.Serve(now, g.g)
}

// answer sends the balancer's answer to the client.
func (w *World) answer(r *request, status int) {
	if r.done {
		return
	}
	r.Status = status
	w.q.push(item{at: w.now + w.s.RTT/2, kind: finish, r: r})
}
