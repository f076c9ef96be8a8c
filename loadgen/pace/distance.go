package pace

import (
	"math"
	"time"
)

const (
	// attempts bounds how often two clocks are read to know their distance.
	attempts = 20
	// atOnce is how long reading them may take for the reading to be good enough.
	atOnce = 5 * time.Microsecond
)

// distance is by how much clock b is ahead of clock a. One is read after the other, and this process may stand still in
// between, so that b is read between two readings of a, again while these lie apart; the closest ones count.
func distance(a, b func() time.Duration) (d time.Duration) {
	closest := time.Duration(math.MaxInt64)
	for n := 0; n < attempts && closest > atOnce; n++ {
		before := a()
		at := b()
		if took := a() - before; took < closest {
			closest, d = took, at-before-took/2
		}
	}
	return d
}
