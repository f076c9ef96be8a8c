package pick

import (
	"sync/atomic"
	"time"

	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

var prequal = spec.Kind[Builder]{
	Entry: spec.Entry{
		Name: "prequal", Doc: "the fastest of some probed targets that are not hot, by requests in flight; the least loaded when all are hot",
		Params: []spec.Param{
			{Name: "probes", Type: spec.Count, Default: "3", Min: 1, Max: 16, Doc: "targets probed for each request"},
			{Name: "pool", Type: spec.Count, Default: "16", Min: 1, Max: 64, Doc: "probes kept, to be used again"},
			{Name: "age", Type: spec.Duration, Default: "1s", Min: .001, Max: 60, Doc: "a probe that is older is not used"},
			{Name: "hot", Type: spec.Share, Default: "84%", Max: 1, Doc: "a target is hot beyond this quantile of the requests in flight"},
		},
	},
	New: func(v spec.Values) (Builder, error) {
		return func(s draw.Stream) Strategy {
			return &probing{stream: s, probes: v.Int("probes"), size: v.Int("pool"), age: v.Duration("age"), hot: v.Float("hot")}
		}, nil
	},
}

// probing chooses by Prequal's rule "hot-cold lexicographic" (Wydrowski, Kleinberg, Rumble, Archer: "Load is not what you
// should balance: introducing Prequal", 2024), with the paper's defaults. A probe reads what the balancer itself knows of
// a target, its requests in flight and its moving average of response times: with a single balancer that is what the
// target would answer. Probes are kept and used again, up to their age, and each use adds to the load that it tells of.
type probing struct {
	stream      draw.Stream
	probes      int
	size        int
	age         time.Duration
	hot         float64
	busy        atomic.Bool // somebody has the pool
	pool        [64]probe
	kept        int
	removeWorst bool // of the next removal: the worst, else the oldest
}

// probe is what was learned of a target.
type probe struct {
	member   int // of the set in which it was probed
	load     *Load
	at       time.Duration
	inFlight int64
	latency  float64
}

// latencyConstant is that of the average that a probe tells; peak_ewma's default.
const latencyConstant = 10 * time.Second

// Done implements Observer.
func (p *probing) Done(now time.Duration, l *Load, took time.Duration, _ bool) {
	l.latency.observe(now, took, latencyConstant, false)
}

func (p *probing) Pick(now time.Duration, r *Request, s *Set) int {
	if len(s.Members) == 0 {
		return -1
	}
	var fresh [16]int
	n := 0
	for k := range p.probes {
		if i := s.drawn(p.stream.Float(r.Seq, r.Attempt*p.probes+k), r, nil); i >= 0 {
			fresh[n] = i
			n++
		}
	}
	if n == 0 {
		return -1
	}
	if !p.busy.CompareAndSwap(false, true) { // another request has the pool: the fresh probes must do
		var few [16]probe
		for k, i := range fresh[:n] {
			few[k] = read(now, s, i)
		}
		return fresh[p.best(few[:n], r.Seq, func(*probe) bool { return true })]
	}
	defer p.busy.Store(false)
	for _, i := range fresh[:n] {
		p.keep(read(now, s, i))
	}
	usable := func(x *probe) bool {
		return now-x.at <= p.age && x.member < len(s.Members) && s.Members[x.member].Load == x.load && !r.Left(&s.Members[x.member])
	}
	best := p.best(p.pool[:p.kept], r.Seq, usable)
	i := fresh[0] // when other threads have filled every probed target meanwhile
	if usable(&p.pool[best]) {
		i = p.pool[best].member
	}
	p.pool[best].inFlight++
	p.remove()
	return i
}

func read(now time.Duration, s *Set, i int) probe {
	l := s.Members[i].Load
	return probe{i, l, now, l.InFlight.Load(), l.latency.read(now, latencyConstant)}
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

// best is the probe to follow among those that are good: the fastest that is not hot, else the one with the fewest
// requests in flight; among equals any, by the request's number. When none is good it is the first.
func (p *probing) best(pool []probe, seq uint64, good func(*probe) bool) int {
	limit := p.quantile(pool)
	best, start := -1, int(draw.Mix(seq)%uint64(max(len(pool), 1)))
	for k := range pool {
		i := (start + k) % len(pool)
		x := &pool[i]
		if !good(x) {
			continue
		}
		if best < 0 || p.before(x, &pool[best], limit) {
			best = i
		}
	}
	return max(best, 0)
}

func (p *probing) before(a, b *probe, limit int64) bool {
	hotA, hotB := a.inFlight > limit, b.inFlight > limit
	switch {
	case hotA != hotB:
		return hotB
	case hotA:
		return a.inFlight < b.inFlight
	case a.latency != b.latency:
		return a.latency < b.latency
	}
	return a.inFlight < b.inFlight
}

// quantile is the number of requests in flight beyond which a target of the pool is hot.
func (p *probing) quantile(pool []probe) int64 {
	var sorted [64]int64
	for i := range pool { // insertion: the pool is small
		j := i
		for ; j > 0 && sorted[j-1] > pool[i].inFlight; j-- {
			sorted[j] = sorted[j-1]
		}
		sorted[j] = pool[i].inFlight
	}
	if len(pool) == 0 {
		return 0
	}
	return sorted[min(int(p.hot*float64(len(pool))), len(pool)-1)]
}

// remove takes one probe out for each that came in beyond need, the worst and the oldest in turn, so that the pool does
// not fill with targets that are never chosen.
func (p *probing) remove() {
	if p.kept <= p.probes {
		return
	}
	out := p.oldest()
	if p.removeWorst {
		limit := p.quantile(p.pool[:p.kept])
		out = 0
		for i := range p.kept {
			if p.before(&p.pool[out], &p.pool[i], limit) {
				out = i
			}
		}
	}
	p.removeWorst = !p.removeWorst
	p.kept--
	p.pool[out] = p.pool[p.kept]
}
