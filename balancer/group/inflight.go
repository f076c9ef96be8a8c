package group

// closed is added to the in-flight count of a target that is gone, and is far below any count: the count and the decision to take no more requests
// are one word, so that no request can count itself between the owner's look at the count and the decision that follows
// from it. A request chooses from a set that it has read a moment ago; the target may have been drained since.
const closed = -1 << 40

// enter counts a request as in flight. It reports false when the target is gone, or when it has as many requests as limit
// says (0: no limit) because others were faster.
func (t *Target) enter(limit int64) bool {
	for {
		n := t.load.InFlight.Load()
		if n < 0 || (limit > 0 && n >= limit) {
			return false
		}
		// Not added and taken back: the owner could take that for a request, and wait for its end in vain.
		if t.load.InFlight.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// leave ends the count of a request, and reports whether it was the last one of a target that is gone.
func (t *Target) leave() (last bool) { return t.load.InFlight.Add(-1) == closed }

// inFlight is how many requests are counted.
func (t *Target) inFlight() int64 {
	n := t.load.InFlight.Load()
	if n < 0 {
		n -= closed
	}
	return n
}

// Closed reports whether the target is gone, so that no request is sent to it any more. It may be called from any
// goroutine.
func (t *Target) Closed() bool { return t.load.InFlight.Load() < 0 }

// shutIfIdle makes the target take no more requests if none is in flight, and reports whether it did.
func (t *Target) shutIfIdle() bool { return t.load.InFlight.CompareAndSwap(0, closed) }

// shut makes the target take no more requests. Those in flight stay counted.
func (t *Target) shut() {
	if t.load.InFlight.Load() >= 0 {
		t.load.InFlight.Add(closed)
	}
}
