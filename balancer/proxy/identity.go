package proxy

import (
	"math"

	"github.com/seed-8025779b/shakedown/balancer/http1"
	"github.com/seed-8025779b/shakedown/balancer/serve"
	"github.com/seed-8025779b/shakedown/loadgen/mix"
)

// ownNumbers is the first of the numbers that a front gives to requests that have none: beyond those of a generator.
const ownNumbers = 1 << 63

// identity is the request's sequence number, of which every draw about the request is made: the client's when it is
// believed, in which case given is true, or a number of our own. A client that is believed chooses its target by it, and
// which faults and logs it meets: only a generator is.
func (x *driver) identity() (seq uint64, given bool) {
	if x.f.hooks.TrustSeq {
		if seq, ok := parseNumber(x.c.Field(mix.SeqName)); ok {
			return seq, true
		}
	}
	return ownNumbers | x.f.seq.Add(1), false
}

// parseNumber reads a number in decimal digits and nothing else; ok is false for anything that is none, or that is too
// large. An error of package strconv would be allocated for each request without a number.
func parseNumber(text []byte) (n uint64, ok bool) {
	for _, c := range text {
		digit := uint64(c - '0')
		if c < '0' || c > '9' || n > (math.MaxUint64-digit)/10 {
			return 0, false
		}
		n = 10*n + digit
	}
	return n, len(text) > 0
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
