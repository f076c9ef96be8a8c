package sim

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/exchange"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
)

func (w *World) nextArrival() {
	var seq uint64
	var due time.Duration
	seq, due, w.more = w.walk.Next()
	if w.more {
		r := &request{Sample: measure.Sample{Seq: seq, Due: due, Offered: due}}
		w.q.push(item{at: due, kind: arrive, r: r})
	}
}

// arrive offers a request: it takes a connection or waits for one, in order of due time.
func (w *World) arrive(r *request) {
	if r.user == nil {
		w.nextArrival()
	}
	w.open++
	r.asks = w.mix.At(r.Seq)
	r.Request = r.asks.Name
	if r.user != nil || w.inUse < w.s.Client.Connections { // a user has a connection of its own
		w.send(r)
		return
	}
	w.waiting = append(w.waiting, r)
	w.q.push(item{at: max(w.lastStart(r), w.now), kind: drop, r: r})
}

// lastStart is the instant from which it is of no use to send a request that waits for a connection.
func (w *World) lastStart(r *request) time.Duration {
	return w.s.Client.LastStart(r.Due)
}

func (w *World) send(r *request) {
	if r.user == nil {
		w.inUse++
	}
	r.sent, r.Sent, r.Wait = true, w.now, w.now-r.Offered
	if r.asks.Body != "" {
		w.body = w.mix.Texts(w.mix.Index(r.Seq)).Body.Append(w.body[:0], r.Seq)
		r.BytesOut = int64(len(w.body))
	}
	by := r.Due + w.s.Client.Timeout
	if first := w.s.Client.Stages.FirstByte; first > 0 { // an answer comes in one piece
		by = min(by, w.now+first)
	}
	r.gives = max(by, w.now)
	w.q.push(item{at: r.gives, kind: deadline, r: r})
	w.q.push(item{at: w.now + w.s.RTT/2, kind: atBalancer, r: r})
}

// drop ends a request that is still without a connection when too little of its time is left for an attempt.
func (w *World) drop(r *request) {
	if r.sent || r.done {
		return
	}
	r.Done, r.Wait = w.now, w.now-r.Offered
	r.Outcome, r.Class = measure.Dropped, measure.NoConnection
	r.Detail = fmt.Sprintf("waited %v for one of %d connections to become free", r.Wait.Round(time.Millisecond), w.s.Client.Connections)
	if i := slices.Index(w.waiting, r); i == 0 { // the usual case: they came in the order in which they are dropped
		w.waiting = w.waiting[1:]
	} else if i > 0 {
		w.waiting = slices.Delete(w.waiting, i, i+1)
	}
	w.deliver(r)
}

func (w *World) finish(r *request) {
	if r.done {
		return
	}
	r.First, r.Done = w.now, w.now
	w.judge(r)
	w.deliver(r)
	w.disconnect(r)
}

// judge says whether an answer is a failure: when it is not the status that the request expects or, where it expects
// none, by its status.
func (w *World) judge(r *request) {
	e := r.asks.Expect
	switch {
	case e != nil && e.Status == r.Status:
	case e != nil && e.Status != 0:
		r.Outcome, r.Class, r.Detail = measure.Failed, measure.Expectation, fmt.Sprintf("status %d, expected %d", r.Status, e.Status)
	default:
		if r.Class = measure.ClassOfStatus(r.Status); r.Class != "" {
			r.Outcome, r.Detail = measure.Failed, "status "+strconv.Itoa(r.Status)
		}
	}
}

// giveUp is the client's timeout.
func (w *World) giveUp(r *request) {
	if r.done {
		return
	}
	r.Done = w.now
	r.Outcome, r.Class, r.Detail, r.Status = measure.Failed, measure.FirstByteTimeout, "no answer before the timeout", 0
	w.deliver(r)
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
		if w.now >= w.lastStart(next) {
			w.drop(next)
			continue
		}
		w.waiting = w.waiting[1:]
		w.send(next)
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
			it.r.Outcome, it.r.Class = measure.Cancelled, ""
			w.sink(&it.r.Sample)
		}
	}
	w.more, w.open, w.users = false, 0, 0
}
