package sim

import (
	"slices"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/exchange"
	"github.com/seed-8025779b/shakedown/balancer/http1"
	"github.com/seed-8025779b/shakedown/loadgen/attempt"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/scenarios/draw"
)

func (w *World) nextArrival() {
	var seq uint64
	var due time.Duration
	seq, due, w.more = w.walk.Next()
	if w.more {
		w.q.push(item{at: due, kind: arrive, r: newRequest(seq, due)})
	}
}

func newRequest(seq uint64, due time.Duration) *request {
	r := &request{Call: &attempt.Call{}}
	r.Seq, r.Due = seq, due
	return r
}

// arrive offers a request.
func (w *World) arrive(r *request) {
	if r.user == nil {
		w.nextArrival()
	}
	w.open++
	r.asks = w.mix.At(r.Seq)
	w.act(r, r.Begin(&w.client, r.Seq, r.asks.Name, http1.Idempotent(r.asks.Method), r.Due, w.now))
}

// act does what the client's side of a request wants to be done.
func (w *World) act(r *request, step attempt.Step) {
	switch step.Do {
	case attempt.Wait:
		if r.user != nil || w.inUse < w.s.Client.Connections { // a user has a connection of its own
			w.act(r, r.Next(w.now, attempt.Event{Kind: attempt.Connected}))
			return
		}
		w.waiting = append(w.waiting, r)
		w.q.push(item{at: max(step.Until, w.now), kind: drop, r: r})
	case attempt.Send:
		w.send(r, step.Until)
	case attempt.Pause:
		again := &request{Call: r.Call, asks: r.asks, user: r.user}
		w.q.push(item{at: step.Until, kind: resume, r: again})
		r.done = true
	case attempt.End:
		w.deliver(r)
	}
}

func (w *World) send(r *request, until time.Duration) {
	if r.user == nil {
		w.inUse++
	}
	r.retry = r.ClientAttempts - 1
	r.id = draw.Attempt(r.Seq, r.retry)
	r.sent, r.Sent = true, w.now
	if r.asks.Body != "" {
		w.body = w.mix.Texts(w.mix.Index(r.Seq)).Body.Append(w.body[:0], r.Seq)
		r.BytesOut = int64(len(w.body))
	}
	r.gives = max(w.s.Client.Stages.FirstByteBy(w.now, until), w.now) // an answer comes in one piece
	w.q.push(item{at: r.gives, kind: deadline, r: r})
	w.q.push(item{at: w.now + w.s.RTT/2, kind: atBalancer, r: r})
}

// drop ends a wait for a connection when too little of the request's time is left for an attempt.
func (w *World) drop(r *request) {
	if r.sent || r.done {
		return
	}
	if i := slices.Index(w.waiting, r); i == 0 { // the usual case: they came in the order in which they are dropped
		w.waiting = w.waiting[1:]
	} else if i > 0 {
		w.waiting = slices.Delete(w.waiting, i, i+1)
	}
	w.act(r, r.Next(w.now, attempt.Event{Kind: attempt.Expired}))
}

// finish is the arrival of the answer at the client.
func (w *World) finish(r *request) {
	if r.done {
		return
	}
	r.First, r.Status = w.now, r.status
	failure, expected := r.asks.Expect.StatusFailure(r.Status)
	w.act(r, r.Next(w.now, attempt.Event{Kind: attempt.Answered, Failure: failure, Expected: expected}))
	w.disconnect(r)
}

// giveUp is the client's timeout.
func (w *World) giveUp(r *request) {
	if r.done {
		return
	}
	w.act(r, r.Next(w.now, attempt.Event{Kind: attempt.Failed, Class: measure.FirstByteTimeout, Detail: "no answer before the timeout"}))
	if r.x != nil {
		w.noticeLeft(r)
	}
	w.disconnect(r)
}

// noticeLeft makes the balancer notice that a client has gone, when it looks the next time.
func (w *World) noticeLeft(r *request) {
	step, looks := r.step, (w.now-r.since)/exchange.LookEvery+1
	w.At(r.since+looks*exchange.LookEvery, func() {
		switch {
		case r.x == nil: // it was answered meanwhile
			return
		case r.step != step: // it waits for something else meanwhile
			w.noticeLeft(r)
			return
		}
		w.left(r)
	})
}

// left ends a request at the balancer, whose client is seen to have gone.
func (w *World) left(r *request) {
	if r.waiter != nil {
		r.x.Pool().(*simGroup).queue.Leave(r.waiter)
	}
	w.abandon(r)
	x := r.x
	w.over(r) // before its target is given back, which may end that target's process under it
	x.Next(w.now, exchange.Event{Kind: exchange.Left, Reason: "the client has gone"})
	w.free = append(w.free, x)
}

// disconnect gives a request's connection to the first that waits for one.
func (w *World) disconnect(r *request) {
	if r.user != nil {
		return
	}
	w.inUse--
	for len(w.waiting) > 0 && w.inUse < w.s.Client.Connections {
		next := w.waiting[0]
		w.waiting = w.waiting[1:]
		w.act(next, next.Next(w.now, attempt.Event{Kind: attempt.Connected, Waited: true}))
	}
}

func (w *World) deliver(r *request) {
	r.done = true
	w.open--
	w.sink(&r.Sample)
	if r.user != nil {
		w.pause(r)
	}
}

// cancel ends every request that is on its way, because the run was stopped early.
func (w *World) cancel() {
	for _, it := range w.q.items {
		if it.r != nil && !it.r.done && it.kind != arrive {
			it.r.done = true
			it.r.Cancel()
			w.sink(&it.r.Sample)
		}
	}
	w.more, w.open, w.users = false, 0, 0
}
