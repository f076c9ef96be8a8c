package proxy

import (
	"github.com/seed-8025779b/shakedown/balancer/http1"
	"github.com/seed-8025779b/shakedown/balancer/serve"
	"github.com/seed-8025779b/shakedown/loadgen/mix"
)

// ownNumbers is the first of the numbers that a front gives to requests that have none: beyond those of a generator.
const ownNumbers = 1 << 63

// identity is the request's sequence number and which of its client's retries it is, of which every draw about the request is made:
// the client's when it is believed, in which case given is true, or a number of our own. A client that is believed chooses its target by it, and
// which faults and logs it meets: only a generator is.
func (x *driver) identity() (seq uint64, retry int, given bool) {
	if x.f.hooks.TrustSeq {
		if seq, retry, ok := mix.ParseSeq(x.c.Field(mix.SeqName)); ok {
			return seq, retry, true
		}
	}
	return ownNumbers | x.f.seq.Add(1), 0, false
}

// forged reports whether a header of a request is one that only a generator, a balancer of ours or a backend may set, and
// comes from a client that is not believed. Targets don't get it.
func (x *driver) forged(f *serve.Field) bool {
	return !x.f.hooks.TrustSeq && ownHeader(f.Name)
}

// ownHeader reports whether a header is one of ours. In a trailer they mean nothing, whoever sends them.
func ownHeader(name []byte) bool {
	if !http1.HasPrefix(name, ownPrefix) {
		return false
	}
	for _, own := range [...]string{mix.SeqName, mix.AttemptName, reasonName} {
		if http1.Is(name, own) {
			return true
		}
	}
	return false
}

const (
	ownPrefix  = "shakedown-"
	reasonName = ownPrefix + "reason" // of the header that serve writes
)
