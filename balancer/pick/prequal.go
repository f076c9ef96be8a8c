package pick

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

var prequal = spec.Kind[Builder]{
	Entry: spec.Entry{
		Name: "prequal", Doc: "the fastest of some probed targets that are not hot, by requests in flight; the least loaded when all are hot",
		Params: []spec.Param{
			{Name: "probes", Type: spec.Count, Default: "3", Min: 1, Max: maxProbes, Doc: "targets probed for each request"},
			{Name: "pool", Type: spec.Count, Default: "16", Min: 1, Max: maxPool, Doc: "probes kept, to be used again"},
			{Name: "age", Type: spec.Duration, Default: "1s", Min: .001, Max: 60, Doc: "a probe that is older is not used"},
			{Name: "hot", Type: spec.Share, Default: "84%", Max: 1, Doc: "a target is hot beyond this quantile of the requests in flight that recent probes told"},
		},
	},
	New: func(v spec.Values) (Builder, error) {
		return func(s draw.Stream) Strategy {
			return &probing{stream: s, probes: v.Int("probes"), size: v.Int("pool"), age: v.Duration("age"), hot: v.Float("hot")}
		}, nil
	},
}

const (
	maxProbes = 16
	maxPool   = 64
)

// probing chooses by Prequal's rule "hot-cold lexicographic" (Wydrowski, Kleinberg, Rumble, Archer: "Load is not what you
// should balance: introducing Prequal", 2024), with the paper's defaults: among the probes of a pool the fastest target
// whose requests in flight do not exceed a quantile of those that recent probes told; when all exceed it, the one with
// the fewest. A probe reads what the balancer itself knows of a target: with a single balancer that is what the target
// would answer. Probes are kept and used again, up to their age and to maxUses, and each use adds to the load that the
// probe tells of.
//
// Two things are not as in the paper, where groups have a hundred targets and more. A pool of so few targets holds one
// probe of each, so that probes of the same target replace each other. And a target's latency at its present load is
// not a median of those seen at that load, but its average response time times its requests in flight: see probe.expected.
type probing struct {
	stream draw.Stream
	probes int
	size   int
	age    time.Duration
	hot    float64
	limit  atomic.Int64 // a target with more requests in flight is hot

	busy        atomic.Bool // somebody has what follows
	recent      recentLoads
	pool        [maxPool]probe
	kept        int
	removeWorst bool // of the next removal: the worst, else the oldest
}

// maxUses is how often a probe is used: what the paper's formula comes to, (1+δ)/((1−m/n)·probes−1) with δ = 1, for a
// pool of m = 16 and n = 100 targets, rounded up.
const maxUses = 2

// probe is what was learned of a target.
type probe struct {
	member   int // of the set in which it was probed
	load     *Load
	at       time.Duration
	used     int
	inFlight int64   // with the requests that were sent because of this probe
	cost     float64 // see Load.cost
}

// probeConstant is the time constant of the averages that a probe tells: long enough for some dozens of answers at the
// rates of a target that has something to do, short enough to follow one that becomes slow.
const probeConstant = time.Second

// What a failed request costs besides the time of another attempt, in microseconds; and the share of failures beyond
// which it costs no more, so that a target that only fails is tried again now and then.
const (
	failureCost  = 1e6
	mostFailures = .99
)

// Answered implements TimeObserver.
func (p *probing) Answered(now time.Duration, l *Load, took time.Duration) {
	l.latency.observe(now, took, probeConstant, false)
}

// Done implements Observer. A failure says nothing of how long an answer takes, but what is known of the target is not
// forgotten meanwhile: one that fails at once is not to look like one that has had nothing to do.
func (p *probing) Done(now time.Duration, l *Load, took time.Duration, failed bool) {
	failure := 0.
	if failed {
		failure = 1
		l.latency.add(now, max(float64(took)/float64(time.Microsecond), l.latency.last()), probeConstant, false)
	}
	l.failures.add(now, failure, probeConstant, false)
}

// read probes a target.
func read(now time.Duration, s *Set, i int) probe {
	l := s.Members[i].Load
	return probe{member: i, load: l, at: now, inFlight: l.InFlight.Load(), cost: l.cost(now)}
}

// cost is how long a request takes at a target until it succeeds, in microseconds: the average response time, and the
// failures before, of which there are f/(1-f) where a share f of the requests fail. What was learned of a target that has
// nothing in flight is forgotten as it grows old, so that it is tried again.
func (l *Load) cost(now time.Duration) float64 {
	latency, idle := l.latency.last(), l.InFlight.Load() == 0
	switch {
	case idle:
		latency = l.latency.read(now, probeConstant)
	case latency == 0: // its first answer must come
		return unknown
	}
	f := min(l.failures.last(), mostFailures)
	return latency + (latency+failureCost)*f/(1-f)
}

func (p *probing) Pick(now time.Duration, r *Request, s *Set) int {
	var fresh [maxProbes]int
	n := p.draw(r, s, &fresh)
	if n == 0 {
		return -1
	}
	if !p.busy.CompareAndSwap(false, true) { // another request has the pool: the fresh probes must do
		var few [maxProbes]probe
		for k, i := range fresh[:n] {
			few[k] = read(now, s, i)
		}
		return fresh[p.best(few[:n], r.Seq, func(*probe) bool { return true })]
	}
	defer p.busy.Store(false)
	for _, i := range fresh[:n] {
		x := read(now, s, i)
		p.recent.add(x.inFlight)
		p.keep(x)
	}
	p.limit.Store(p.recent.quantile(p.hot))
	usable := func(x *probe) bool {
		return now-x.at <= p.age && x.member < len(s.Members) && s.Members[x.member].Load == x.load && !r.Left(&s.Members[x.member])
	}
	best := p.best(p.pool[:p.kept], r.Seq, usable)
	if best < 0 { // other threads have filled every probed target meanwhile
		return fresh[0]
	}
	x := &p.pool[best]
	i := x.member
	x.inFlight++
	if x.used++; x.used == maxUses {
		p.removeAt(best)
	}
	p.removeExcess()
	return i
}

// draw chooses the targets to probe, each of them once (Floyd's algorithm), and returns how many there are.
func (p *probing) draw(r *Request, s *Set, out *[maxProbes]int) (n int) {
	members := len(s.Members)
	most := min(p.probes, members)
	for k := range most {
		u, i := p.stream.Float(r.Seq, r.Attempt*p.probes+k), -1
		if r.all() {
			upTo := members - most + k
			if i = min(int(u*float64(upTo+1)), upTo); slices.Contains(out[:n], i) {
				i = upTo
			}
		} else {
			i = s.drawn(u, r, out[:n])
		}
		if i < 0 {
			break
		}
		out[n] = i
		n++
	}
	return n
}

// keep puts a probe into the pool, in place of one of the same target or of the oldest when it is full.
func (p *probing) keep(x probe) {
	slot := -1
	for i := range p.kept {
		if p.pool[i].load == x.load {
			slot = i
		}
	}
	if slot < 0 && p.kept < p.size {
		slot = p.kept
		p.kept++
	}
	if slot < 0 {
		slot = p.oldest()
	}
	p.pool[slot] = x
}

func (p *probing) oldest() int {
	o := 0
	for i := range p.kept {
		if p.pool[i].at < p.pool[o].at {
			o = i
		}
	}
	return o
}

// best is the probe to follow among those that are good: the one that promises the shortest time of those that are not
// hot, else the one with the fewest requests in flight; among equals any, by the request's number. It is -1 when none is
// good.
func (p *probing) best(pool []probe, seq uint64, good func(*probe) bool) int {
	best, start := -1, int(draw.Mix(seq)%uint64(max(len(pool), 1)))
	for k := range pool {
		i := (start + k) % len(pool)
		if x := &pool[i]; good(x) && (best < 0 || p.before(x, &pool[best])) {
			best = i
		}
	}
	return best
}

func (p *probing) before(a, b *probe) bool {
	limit := p.limit.Load()
	hotA, hotB := a.inFlight > limit, b.inFlight > limit
	switch {
	case hotA != hotB:
		return hotB
	case hotA:
		return a.inFlight < b.inFlight
	}
	if x, y := a.expected(), b.expected(); x != y {
		return x < y
	}
	return a.inFlight < b.inFlight
}

// expected says how good the target is for one more request, the less the better. It is in proportion to the requests in
// flight, although a target that serves several at once is as fast with few as with fewer: otherwise nothing would bring
// targets of the same speed back to the same load once they differ.
func (x *probe) expected() float64 { return x.cost * float64(x.inFlight+1) }

// removeExcess takes one probe out for each request while there are more than one request brings in, the worst and the
// oldest in turn, so that the pool does not fill with targets that are never chosen.
func (p *probing) removeExcess() {
	if p.kept <= p.probes {
		return
	}
	out := p.oldest()
	if p.removeWorst {
		out = 0
		for i := range p.kept {
			if p.before(&p.pool[out], &p.pool[i]) {
				out = i
			}
		}
	}
	p.removeWorst = !p.removeWorst
	p.removeAt(out)
}

func (p *probing) removeAt(i int) {
	p.kept--
	p.pool[i] = p.pool[p.kept]
}

// recentLoads are the requests in flight that the latest probes told, in the order in which they came and by size. The
// pool itself would not do: it holds few, and lacks the worst and those that were followed.
type recentLoads struct {
	added          uint64
	inTurn, sorted [128]int64
}

func (w *recentLoads) add(x int64) {
	n, slot := len(w.sorted), &w.inTurn[w.added%uint64(len(w.inTurn))]
	if w.added < uint64(n) {
		n = int(w.added)
	} else {
		n--
		gone, _ := slices.BinarySearch(w.sorted[:], *slot)
		copy(w.sorted[gone:], w.sorted[gone+1:])
	}
	at, _ := slices.BinarySearch(w.sorted[:n], x)
	copy(w.sorted[at+1:n+1], w.sorted[at:n])
	w.sorted[at], *slot = x, x
	w.added++
}

// quantile returns the value below which a share q of them lie; there must be some.
func (w *recentLoads) quantile(q float64) int64 {
	n := min(int(w.added), len(w.sorted))
	return w.sorted[min(int(q*float64(n)), n-1)]
}
