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
	Served   []Served  // those successes of Ended that met faults, by their final attempt
	Missed   []Missed  // successes of Due that may have missed faults

	best  uint64 // successes that would have ended in it at best, without the generator's own delays
	older []older
}

// Failure counts failed requests that have the same final attempt.
type Failure struct {
	Fault  string // id of the wire fault that shaped it, or empty
	Target string // id of its target, or empty when nobody said
	Group  string // without a target: the group that it was for, or empty when that is not known
	N      uint64
	Turned uint64 // those of N that may be the generator's own doing
}

// Served counts successes that met the same faults.
type Served struct {
	Fault string // id of the wire fault that shaped the final attempt, or empty
	Hit   int    // stands for the faults that its target was hit by; 0 for none. Who knows of faults numbers them
	Group string // without a target: the group that it was for, or empty when that is not known
	N     uint64
}

// Missed counts the successes of a bin that may have missed the same faults; see Sample.Missed.
type Missed struct {
	Faults      int    // Sample.Missed
	Request     string // its name in the mix
	Status      int
	N           uint64
	First, Last time.Duration // the first may have been sent at First without the generator's own delay, the last was at Last
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
		if x := &b.Failures[i]; x.Fault == f.Fault && x.Target == f.Target && x.Group == f.Group {
			x.N += f.N
			x.Turned += f.Turned
			return
		}
	}
	b.Failures = append(b.Failures, f)
}

func (b *Bin) addServed(s Served) {
	for i := range b.Served {
		if x := &b.Served[i]; x.Fault == s.Fault && x.Hit == s.Hit && x.Group == s.Group {
			x.N += s.N
			return
		}
	}
	b.Served = append(b.Served, s)
}

func (b *Bin) addMissed(m Missed) {
	for i := range b.Missed {
		if x := &b.Missed[i]; x.Faults == m.Faults && x.Request == m.Request && x.Status == m.Status {
			x.N += m.N
			x.First, x.Last = min(x.First, m.First), max(x.Last, m.Last)
			return
		}
	}
	b.Missed = append(b.Missed, m)
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
	for _, s := range o.Served {
		b.addServed(s)
	}
	for _, m := range o.Missed {
		b.addMissed(m)
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

// bins is the run's time in bins. They never cross the end of a phase, a cut or a mark; their other edges are multiples
// of their width, so that where they lie does not depend on how wide they were before.
type bins struct {
	list  []*Bin
	ends  []time.Duration // of the phases
	base  time.Duration   // width of the first bins, and of those in detail
	width time.Duration   // of new bins that are not in detail
	limit int             // of bins that are not in detail
	next  int             // number of bins at which neighbours are merged again
	cuts  []time.Duration // ascending
	marks []time.Duration // ascending; an edge stands there as often as it is marked
	keep  time.Duration   // what begins from there on is in detail
	seen  time.Duration   // the latest instant asked for
}

// noDetail is later than every run.
const noDetail = time.Duration(1 << 62)

func newBins(base time.Duration) bins {
	return bins{base: base, width: base, limit: maxBins, next: maxBins + 1, keep: noDetail}
}

// at returns the bin that holds t, and makes those up to it. Times before 0 belong to the first.
func (b *bins) at(t time.Duration) *Bin {
	b.seen = max(b.seen, t)
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
	}
	end := b.edge(start, width)
	if start < b.keep {
		end = min(end, b.keep)
	}
	b.list = append(b.list, newBin(start, end, b.phaseAt(start)))
	if len(b.list) >= b.next {
		b.compact()
	}
}

// edge returns the end of a bin of a width that holds t.
func (b *bins) edge(t, width time.Duration) time.Duration {
	end := (t/width + 1) * width
	if limit := b.ends[b.phaseAt(t)]; t < limit {
		end = min(end, limit)
	}
	return end
}

// phaseAt returns the index of the phase that holds t; the last phase takes what is beyond.
func (b *bins) phaseAt(t time.Duration) int {
	return min(sort.Search(len(b.ends), func(i int) bool { return t < b.ends[i] }), len(b.ends)-1)
}

// detailed reports whether a bin that starts at t has the first width: it is kept, or follows a cut closely.
func (b *bins) detailed(t time.Duration) bool {
	if t >= b.keep {
		return true
	}
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
	seen := b.seen // what the last bin holds ended or was due by then
	bin := b.at(t)
	last := b.list[len(b.list)-1]
	switch {
	case bin != last:
		if bin.Start != t {
			t = bin.End
		}
		last.End = min(last.End, b.edge(max(seen, last.Start), b.base))
	case last.Start < t:
		end := min(last.End, b.edge(t, b.base))
		last.End = t
		b.list = append(b.list, newBin(t, end, last.Phase))
	default:
		last.End = min(last.End, b.edge(max(seen, t), b.base))
	}
	b.cuts = insert(b.cuts, t)
	return t
}

// insert adds an instant to ascending ones, unless it is among them.
func insert(list []time.Duration, t time.Duration) []time.Duration {
	i, found := slices.BinarySearch(list, t)
	if found {
		return list
	}
	return slices.Insert(list, i, t)
}

func (b *bins) mark(t time.Duration) {
	i, _ := slices.BinarySearch(b.marks, t)
	b.marks = slices.Insert(b.marks, i, t)
}

func (b *bins) unmark(t time.Duration) {
	if i, found := slices.BinarySearch(b.marks, t); found {
		b.marks = slices.Delete(b.marks, i, i+1)
	}
}

// compact merges neighbours that are not in detail, up to the present width; when too many are left, up to twice that.
func (b *bins) compact() {
	plain := b.merge()
	if plain > b.limit {
		b.width *= 2
		plain = b.merge()
		b.limit = max(maxBins, plain+maxBins/2) // phases, cuts and marks keep bins apart: their number is the file's
	}
	b.next = len(b.list) + b.limit - plain + 1
}

// merge merges neighbours that are not in detail and lie in the same stretch of the present width. It returns how many
// bins are not in detail.
func (b *bins) merge() (plain int) {
	if len(b.list) == 0 {
		return 0
	}
	kept, merged := b.list[:1], false
	for _, x := range b.list[1:] {
		last := kept[len(kept)-1]
		if b.joins(last, x) {
			last.merge(x)
			merged = true
			continue
		}
		if merged {
			last.pack()
			merged = false
		}
		kept = append(kept, x)
	}
	if merged {
		kept[len(kept)-1].pack()
	}
	clear(b.list[len(kept):])
	b.list = kept
	for _, x := range kept {
		if !b.detailed(x.Start) {
			plain++
		}
	}
	return plain
}

// joins reports whether two bins that follow each other may become one.
func (b *bins) joins(x, y *Bin) bool {
	_, cut := slices.BinarySearch(b.cuts, y.Start)
	_, mark := slices.BinarySearch(b.marks, y.Start)
	return !cut && !mark && x.Phase == y.Phase && x.Start/b.width == (y.End-1)/b.width && !b.detailed(x.Start) && !b.detailed(y.Start)
}
