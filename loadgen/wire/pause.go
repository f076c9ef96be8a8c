package wire

import (
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/attempt"
)

// pause keeps a request until an instant, without a connection. Its state is exchanged for that of another, whose memory the
// connection uses from now on.
func (p *play) pause(call *attempt.Call, until time.Duration) {
	kept := p.calls.Get().(*attempt.Call)
	*kept, *call = *call, *kept
	p.mu.Lock()
	defer p.mu.Unlock()
	p.paused[kept] = time.AfterFunc(until-p.clock.Now(), func() { p.resume(kept) })
	if p.cancelled.Load() { // nobody else would look at it before its time
		p.resumeLocked(kept)
	}
}

// resume goes on with a request whose pause is over.
func (p *play) resume(call *attempt.Call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.resumeLocked(call)
}

// resumeLocked goes on with a request, once: the play may have been cancelled in its pause. A connection is there, if only the one on
// which it failed. The lock is held.
func (p *play) resumeLocked(call *attempt.Call) {
	timer, ok := p.paused[call]
	if !ok {
		return
	}
	timer.Stop()
	delete(p.paused, call)
	now := p.clock.Now()
	call.Next(now, attempt.Event{Kind: attempt.Resumed}) // it waits for a connection
	p.hand(job{seq: call.Seq, due: call.Due, offered: now, again: call})
	p.release()
}
