package pick

import (
	"math"
	"sync/atomic"
	"time"
)

// average is a moving average of what is told of a target, with the time constant of whoever tells it. Average and stamp
// share a word, so that they change together.
type average struct{ word atomic.Uint64 }

// The stamp counts in tenths of a millisecond, the average is a float32; that of response times is in microseconds.
const stampUnit = 100 * time.Microsecond

func pack(cost float64, at time.Duration) uint64 {
	return uint64(math.Float32bits(float32(cost)))<<32 | uint64(uint32(at/stampUnit))
}

// read returns the average as it has decayed by now; 0 when nothing was observed.
func (l *average) read(now, constant time.Duration) float64 {
	word := l.word.Load()
	return float64(math.Float32frombits(uint32(word>>32))) * decay(word, now, constant)
}

// last returns the average as it was when something was last told; 0 when nothing was.
func (l *average) last() float64 { return float64(math.Float32frombits(uint32(l.word.Load() >> 32))) }

func decay(word uint64, now, constant time.Duration) float64 {
	passed := time.Duration(uint32(now/stampUnit)-uint32(word)) * stampUnit
	if passed > math.MaxInt32*stampUnit { // a stamp from a moment later, by another processor
		passed = 0
	}
	return math.Exp(-float64(passed) / float64(constant))
}

// observe takes a response time in. A peak counts in full at once.
func (l *average) observe(now, took, constant time.Duration, peak bool) {
	l.add(now, float64(took)/float64(time.Microsecond), constant, peak)
}

// add takes a value in.
func (l *average) add(now time.Duration, x float64, constant time.Duration, peak bool) {
	for {
		old := l.word.Load()
		cost := float64(math.Float32frombits(uint32(old >> 32)))
		w := decay(old, now, constant)
		switch {
		case old == 0, peak && x > cost:
			cost = x
		default:
			cost = cost*w + x*(1-w)
		}
		if l.word.CompareAndSwap(old, pack(cost, now)) {
			return
		}
	}
}
