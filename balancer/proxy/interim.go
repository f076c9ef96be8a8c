package proxy

import (
	"net/http"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/serve"
)

// continueAfter is for how long a client that holds its body back waits for a target of HTTP/1.1 to ask for it, before it is asked by us:
// as long as clients commonly wait until they send it unasked.
const continueAfter = time.Second

// beginHolding says when a client that holds its body back is told to go on, for a target that may let nothing come for idle. A target
// of HTTP/2 is not asked: common servers never send 100 Continue there, and wait for the body. A server of HTTP/1.1 may do the same, so
// the client is asked at the latest after half of the time that the target has: RFC 9110, 10.1.1, lets a proxy do so, and from then on
// it is the client that is waited for.
func (x *driver) beginHolding(idle time.Duration) error {
	switch {
	case !x.waits:
		return nil
	case x.pool.HTTP2:
		return x.tellToContinue()
	}
	now := time.Now()
	after := min(continueAfter, idle/2)
	if !x.end.IsZero() {
		after = min(after, x.end.Sub(now)/2)
	}
	x.continueAt = now.Add(after)
	return nil
}

// holdNoLonger tells a client that holds its body back to go on when the target has been silent for long enough.
func (x *driver) holdNoLonger() error {
	if !x.expecting() || time.Now().Before(x.continueAt) {
		return nil
	}
	return x.tellToContinue()
}

// tellToContinue tells a client that holds its body back to go on.
func (x *driver) tellToContinue() error {
	x.noteContinue()
	return x.tellClient(append(serve.AppendStatus(x.c.Out(), http.StatusContinue), "\r\n"...))
}

// noteContinue notes that the client is told to go on.
func (x *driver) noteContinue() {
	x.waits = false
	x.c.Continued()
}

// interim passes an answer on that is not the final one. A client of HTTP/1.0 does not know such.
func (x *driver) interim() error {
	if x.c.Request.Minor == 0 {
		return nil
	}
	if x.u.res.Status == http.StatusContinue {
		if !x.waits { // it holds nothing back, or was told
			return nil
		}
		x.noteContinue()
	}
	out := serve.AppendStatus(x.c.Out(), x.u.res.Status)
	out = x.appendFields(out, false)
	return x.tellClient(append(out, "\r\n"...))
}

// expecting reports whether the client waits to be told to send its body. Until then the target is waited for, although the request is
// not whole.
func (x *driver) expecting() bool { return x.waits && x.upload.untouched() }
