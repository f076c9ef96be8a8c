package measure

import (
	"slices"
	"sort"
	"time"
)

// Bin is a stretch of the run's time.
type Bin struct {
	Start, End time.Duration
	Phase      int    // index of the phase it lies in; what is beyond the last belongs to the last
	Planned    uint64 // requests that the schedule has in it; see Recorder.Plan

	Due      Tally     // the requests due in it
	Ended    Tally     // the requests that ended in it, whenever they were due; without service time, lateness and statuses
	Failures []Failure // the failed and dropped ones of Ended, by what the balancer said of them

	best  uint64 // successes that would have ended in it at best, without the generator's own delays
	older []older
}

// Failure counts failed requests that have the same final attempt.
type Failure struct {
	Fault  string // id of the wire fault that shaped it, or empty
	Target string // id of its target, or empty when nobody said
	N      uint64
	Turned uint64 // those of N that may be the generator's own doing
}

// older counts the successes that ended in a bin, or would have at best, and were due before a cut that had been made
// by then.
type older struct {
	cut     time.Duration
	n, best uint64
}

func newBin(start, end time.Duration, phase int) *Bin {
	return &Bin{Start: start, End: end, Phase: phase, Ended: Tally{brief: true}}
}

func (b *Bin) addFailure(f Failure) {
	for i := range b.Failures {
		if x := &b.Failures[i]; x.Fault == f.Fault && x.Target == f.Target {
			x.N += f.N
			x.Turned += f.Turned
			return
		}
	}
	b.Failures = append(b.Failures, f)
}

func (b *Bin) addOlder(o older) {
	for i := range b.older {
		if x := &b.older[i]; x.cut == o.cut {
			x.n += o.n
			x.best += o.best
			return
		}
	}
	b.older = append(b.older, o)
}

// merge takes in the bin that follows.
func (b *Bin) merge(o *Bin) {
	b.End = o.End
	b.Planned += o.Planned
	b.Due.Merge(&o.Due)
	b.Ended.Merge(&o.Ended)
	b.best += o.best
	for _, f := range o.Failures {
		b.addFailure(f)
	}
	for _, x := range o.older {
		b.addOlder(x)
	}
}

func (b *Bin) pack() {
	b.Due.Pack()
	b.Ended.Pack()
}

const (
	// maxBins bounds the bins that a recorder keeps apart from those in detail: beyond it neighbours merge, and
	// new ones are twice as wide.
	maxBins = 600
	// detailBins is how many bins after a cut keep the first width, so that what follows a fault is seen as
	// finely in a long run as in a short one.
	detailBins = 240
	// maxDetail bounds the bins in detail of all cuts together.
	maxDetail = 4800
)

// bins is the run's time in bins. They never cross the end of a phase or a cut.
type bins struct {
	list  []*Bin
	ends  []time.Duration // of the phases
	base  time.Duration   // width of the first bins, and of those in detail
	width time.Duration   // of new bins
	limit int             // of bins that are not in detail
	plain int             // how many there are
	cuts  []time.Duration // ascending
}

// at returns the bin that holds t, and makes those up to it. Times before 0 belong to the first.
func (b *bins) at(t time.Duration) *Bin {
	for n := len(b.list); n == 0 || t >= b.list[n-1].End; n = len(b.list) {
		start := time.Duration(0)
		if n > 0 {
			start = b.list[n-1].End
		}
		b.append(start)
	}
	i := sort.Search(len(b.list), func(i int) bool { return b.list[i].Start > t }) - 1
	return b.list[max(i, 0)]
}

func (b *bins) append(start time.Duration) {
	width := b.width
	if b.detailed(start) {
		width = b.base
	} else {
		b.plain++
	}
	end, phase := start+width, b.phaseAt(start)
	if limit := b.ends[phase]; start < limit {
		end = min(end, limit)
	}
	b.list = append(b.list, newBin(start, end, phase))
	if b.plain > b.limit {
		b.widen()
	}
}

// phaseAt returns the index of the phase that holds t; the last phase takes what is beyond.
func (b *bins) phaseAt(t time.Duration) int {
	return min(sort.Search(len(b.ends), func(i int) bool { return t < b.ends[i] }), len(b.ends)-1)
}

// detailed reports whether a bin that starts at t follows a cut closely.
func (b *bins) detailed(t time.Duration) bool {
	i := sort.Search(len(b.cuts), func(i int) bool { return b.cuts[i] > t }) - 1
	if i < 0 {
		return false
	}
	n := max(1, min(detailBins, maxDetail/len(b.cuts)))
	return t < b.cuts[i]+time.Duration(n)*b.base
}

// cut ends the present bin at t, which no bin may lie beyond. It returns the edge that came of it: t, or the
// first one after it when t had been passed already.
func (b *bins) cut(t time.Duration) time.Duration {
	last := b.at(t)
	switch {
	case last != b.list[len(b.list)-1]:
		if last.Start != t {
			t = last.End
		}
	case last.Start < t:
		end := last.End
		last.End = t
		next := newBin(t, min(end, t+b.base), last.Phase)
		b.list = append(b.list, next)
	}
	if i, found := slices.BinarySearch(b.cuts, t); !found {
		b.cuts = slices.Insert(b.cuts, i, t)
	}
	return t
}

// widen merges neighbours that are not in detail.
func (b *bins) widen() {
	b.width *= 2
	kept := b.list[:1]
	b.plain = 0
	for _, x := range b.list[1:] {
		last := kept[len(kept)-1]
		_, cut := slices.BinarySearch(b.cuts, x.Start)
		if !cut && x.Phase == last.Phase && x.End-last.Start <= b.width && !b.detailed(last.Start) && !b.detailed(x.Start) {
			last.merge(x)
			last.pack()
			continue
		}
		kept = append(kept, x)
	}
	clear(b.list[len(kept):])
	b.list = kept
	for _, x := range kept {
		if !b.detailed(x.Start) {
			b.plain++
		}
	}
	b.limit = max(maxBins, b.plain+maxBins/2) // phases and cuts keep bins apart: their number is the file's
}
