package proxy

import "github.com/seed-8025779b/shakedown/loadgen/mix"

// Abandoned is a request whose client cannot have read the answer, or not all of it, because it went away first or
// because the balancer broke the answer off.
type Abandoned struct {
	Seq      uint64
	Retry    int    // which retry of its client's it was
	Attempts int    // that the balancer made
	Target   string // id of the final one's target; empty when no target was asked
	Fault    string // id of the wire fault that shaped the final one; empty when none did
}

// appendTrace appends the header that tells of the attempts, or nothing for a request that is not traced.
func (x *driver) appendTrace(out []byte) []byte {
	if !x.traced {
		return out
	}
	t := x.m.Trace()
	out = append(out, mix.AttemptHeader...)
	out = append(out, ": "...)
	out = mix.AppendAttempt(out, t.Attempts, t.Target, t.Fault)
	return append(out, "\r\n"...)
}

// traceHeader is appendTrace for an answer of the balancer's own.
func (x *driver) traceHeader() string {
	if !x.traced {
		return ""
	}
	return string(x.appendTrace(nil))
}

// reportIfGone reports the request when its client is gone already. Without this look before an answer is written, the
// answer to a client that went away a moment ago would be lost unseen: the kernel still takes it.
func (x *driver) reportIfGone() {
	if !x.traced {
		return
	}
	if c := x.watched(); c != nil && c.Gone() {
		x.reportAbandoned()
	}
}

// reportAbandoned reports, once, that the client does not learn of the attempts by the answer.
func (x *driver) reportAbandoned() {
	if x.traced && !x.reported {
		x.reported = true
		t := x.m.Trace()
		x.f.hooks.Trace(Abandoned{x.r.Seq, x.r.Retry, t.Attempts, t.Target, t.Fault})
	}
}
