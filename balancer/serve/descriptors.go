package serve

import "sync/atomic"

// Descriptors is how many connections a process may have open, those of clients and those to targets together, because each takes one
// of its descriptors. A nil one has no bound. It may be used by several goroutines.
type Descriptors struct {
	most int64
	free func() bool
	used atomic.Int64
	away atomic.Int64 // connections of clients who are told why they are turned away, beside the others
}

// NewDescriptors returns a bound. free closes some connections that nobody uses, and reports whether there was one.
func NewDescriptors(most int, free func() bool) *Descriptors {
	return &Descriptors{most: int64(most), free: free}
}

// Most is how many connections may be open.
func (d *Descriptors) Most() int { return int(d.most) }

// Open is how many connections are open.
func (d *Descriptors) Open() int { return int(d.used.Load()) }

// Take reports whether one more connection may be opened, and counts it until Give. Where there are as many as there may be,
// connections that nobody uses are closed for it.
func (d *Descriptors) Take() bool {
	for d != nil && !d.take() {
		if !d.free() {
			return false
		}
	}
	return true
}

func (d *Descriptors) take() bool {
	for {
		n := d.used.Load()
		if n >= d.most {
			return false
		}
		if d.used.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// The clients who are told at once why they are turned away hold descriptors that are not counted, for as long as linger takes. They
// may have a small share of what is counted, because more would take the descriptors of connections to targets.
const (
	awayShare = 16
	fewAway   = 4
)

// takeAway reports whether one more client may be told why it is turned away, by whichever listener, and counts it until giveAway.
func (d *Descriptors) takeAway() bool {
	if d != nil && d.away.Add(1) > max(d.most/awayShare, fewAway) {
		d.away.Add(-1)
		return false
	}
	return true
}

func (d *Descriptors) giveAway() {
	if d != nil {
		d.away.Add(-1)
	}
}

// Give gives back what Take took, once the connection is closed.
func (d *Descriptors) Give() {
	if d != nil {
		d.used.Add(-1)
	}
}

// Free closes some connections that nobody uses, and reports whether there was one: whatever else has taken the descriptors, the
// kernel has none left.
func (d *Descriptors) Free() bool { return d != nil && d.free() }
