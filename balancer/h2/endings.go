package h2

import (
	"sync"
	"time"
)

// endTime is how long a target may take to end a stream after its whole answer. It often says the end by itself, once it has done what
// follows the answer; a reset before that would tell it that nobody wants the answer, and cut its work off.
const endTime = time.Second

// maxEnding is how many streams of a client may wait for their ends at once. Those beyond are reset.
const maxEnding = 1000

// endings are the streams whose exchanges are over, and that their target has not ended yet. Nobody waits for them but the goroutines that
// read them. One timer is for all, so that an exchange costs none.
type endings struct {
	mu    sync.Mutex
	open  []*Exchange
	timer *time.Timer
}

// ending is a stream's part of endings, whose lock it is under.
type ending struct {
	over  bool // its reader has ended
	place int  // in open, from 1 on; 0 while it is not there
	by    time.Time
}

// wait leaves a stream to the target, unless it has ended or too many are left already. It will be cancelled.
func (e *endings) wait(x *Exchange) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if x.ending.over || len(e.open) >= maxEnding {
		return false
	}
	e.open = append(e.open, x)
	x.ending.place, x.ending.by = len(e.open), time.Now().Add(endTime)
	switch {
	case len(e.open) > 1:
	case e.timer == nil:
		e.timer = time.AfterFunc(endTime, e.sweep)
	default:
		e.timer.Reset(endTime)
	}
	return true
}

// ended hears that a stream's reader has ended.
func (e *endings) ended(x *Exchange) {
	e.mu.Lock()
	defer e.mu.Unlock()
	x.ending.over = true
	if x.ending.place > 0 {
		e.end(x)
	}
}

// over reports whether a stream's reader has ended.
func (e *endings) over(x *Exchange) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return x.ending.over
}

// end takes a stream out and cancels it, which resets one that has not ended. The lock is held.
func (e *endings) end(x *Exchange) {
	last := len(e.open) - 1
	e.open[x.ending.place-1] = e.open[last]
	e.open[last].ending.place = x.ending.place
	e.open[last] = nil
	e.open = e.open[:last]
	x.ending.place = 0
	if !x.ending.over {
		x.cc.reset()
	}
	x.cancel()
}

// sweep cancels the streams whose time has passed.
func (e *endings) sweep() {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	for i := len(e.open) - 1; i >= 0; i-- { // the one that takes another's place was looked at
		if x := e.open[i]; !now.Before(x.ending.by) {
			e.end(x)
		}
	}
	if len(e.open) > 0 {
		e.timer.Reset(endTime / 10)
	}
}
