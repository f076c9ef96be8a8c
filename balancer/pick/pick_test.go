package pick

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

func set(n int) *Set {
	s := &Set{}
	for i := range n {
		s.Members = append(s.Members, Member{ID: fmt.Sprint("t", i), Load: &Load{}})
	}
	return s
}

// weighing gives the members weights.
func weighing(weights ...int) *Set {
	s := set(len(weights))
	for i, w := range weights {
		s.Members[i].Weight = w
	}
	return s
}

// ready prepares a set for a strategy, as a group does when it publishes one.
func ready(s Strategy, members *Set) *Set {
	if p, ok := s.(Preparer); ok {
		members.Prepared = p.Prepare(members)
	}
	return members
}

func build(t testing.TB, kind string, set ...string) Strategy {
	t.Helper()
	w := spec.Written{Kind: kind, Values: map[string]string{}}
	for _, x := range set {
		name, value, _ := strings.Cut(x, "=")
		w.Values[name] = value
	}
	c, err := Kinds().Table().Read(w)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Kinds().New(c)
	if err != nil {
		t.Fatal(err)
	}
	return b(draw.Seed(42).Stream("pick"))
}

// request is the seq-th of many different ones.
func request(seq uint64) *Request { return &Request{Seq: seq, Key: Hash(fmt.Sprint("key", seq))} }

func TestEveryStrategyPicksAmongTheReadyAndUntried(t *testing.T) {
	for _, kind := range Kinds().Table().Names() {
		t.Run(kind, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				s := build(t, kind)
				members := set(rapid.IntRange(0, 8).Draw(rt, "n"))
				for i := range members.Members {
					members.Members[i].Load.InFlight.Store(rapid.Int64Range(0, 5).Draw(rt, "load"))
					members.Members[i].Weight = rapid.IntRange(0, 5).Draw(rt, "weight")
				}
				ready(s, members)
				r := &Request{Seq: rapid.Uint64().Draw(rt, "seq"), Attempt: rapid.IntRange(0, 3).Draw(rt, "attempt"), Key: rapid.Uint64().Draw(rt, "key")}
				untried := 0
				for _, m := range members.Members {
					if rapid.Bool().Draw(rt, "tried") {
						r.Tried = append(r.Tried, m.ID)
					} else {
						untried++
					}
				}
				i := s.Pick(0, r, members)
				if untried == 0 {
					if i != -1 {
						rt.Fatalf("picked %d of none", i)
					}
				} else if i < 0 || i >= len(members.Members) || r.Left(&members.Members[i]) {
					rt.Fatalf("picked %d of %d, tried %v", i, len(members.Members), r.Tried)
				}
			})
		})
	}
}

// ended tells a strategy of an exchange with an answer whose head took so long and whose end came at once, or of one that failed.
func ended(s Strategy, now time.Duration, l *Load, took time.Duration, failed bool) {
	if o, ok := s.(TimeObserver); ok && !failed {
		o.Answered(now, l, took)
	}
	if o, ok := s.(Observer); ok {
		o.Done(now, l, took, failed)
	}
}

func shares(s Strategy, members *Set, n int) []float64 {
	ready(s, members)
	out := make([]float64, len(members.Members))
	for seq := range n {
		now := time.Duration(seq+1) * time.Millisecond
		i := s.Pick(now, request(uint64(seq)), members)
		ended(s, now, members.Members[i].Load, time.Millisecond, false) // before the next begins
		out[i] += 1 / float64(n)
	}
	return out
}

// Where nothing speaks for one target, each gets as much as the others; how even a hash is, its definition says.
func TestIdleTargetsShareEvenly(t *testing.T) {
	tolerance := map[string]float64{"ring_hash": 3 / math.Sqrt(160), "bounded_hash": 3 / math.Sqrt(160)} // three times 1/√points
	for _, kind := range Kinds().Table().Names() {
		if kind == "first" { // it is about being uneven
			continue
		}
		within := .08
		if x, ok := tolerance[kind]; ok {
			within = x
		}
		for i, share := range shares(build(t, kind), set(4), 40_000) {
			if math.Abs(share/.25-1) > within {
				t.Errorf("%s: target %d has %.3f", kind, i, share)
			}
		}
	}
}

func TestWeightsAreKept(t *testing.T) {
	for kind, within := range map[string]float64{
		"weighted_round_robin": 1e-9, "weighted_random": .02, "maglev": .02, "rendezvous": .02, "ring_hash": 3 / math.Sqrt(160), "bounded_hash": 3 / math.Sqrt(160),
	} {
		got := shares(build(t, kind), weighing(5, 1, 2), 80_000)
		for i, want := range []float64{5. / 8, 1. / 8, 2. / 8} {
			if math.Abs(got[i]/want-1) > within {
				t.Errorf("%s: target %d has %.4f, its weight says %.4f", kind, i, got[i], want)
			}
		}
	}
	members := weighing(4, 1) // a target of weight 4 with three requests has less to do than one of weight 1 with one
	members.Members[0].Load.InFlight.Store(3)
	members.Members[1].Load.InFlight.Store(1)
	for _, kind := range []string{"least_requests", "least_time"} {
		if i := build(t, kind).Pick(0, &Request{}, members); i != 0 {
			t.Errorf("%s picked %d", kind, i)
		}
	}
}

func TestRoundRobinSequence(t *testing.T) {
	s, members := build(t, "round_robin"), set(3)
	for k := range 9 {
		if i := s.Pick(0, &Request{Seq: uint64(k)}, members); i != k%3 {
			t.Fatalf("pick %d is %d", k, i)
		}
	}
}

// The sequence of nginx' smooth weighting for weights 5, 1, 1, from the commit that brought it.
func TestSmoothWeightingSequence(t *testing.T) {
	for weights, want := range map[*Set]string{weighing(5, 1, 1): "aabacaa", weighing(10, 2, 2): "aabacaa", weighing(1, 1, 1): "abc", weighing(3, 2): "ababa"} {
		s := build(t, "weighted_round_robin")
		ready(s, weights)
		got := ""
		for range 2 * len(want) {
			got += string(rune('a' + s.Pick(0, &Request{}, weights)))
		}
		if got != want+want {
			t.Errorf("%s, want %s twice", got, want)
		}
	}
	// Large weights are scaled: the sequence stays short, and nobody is left out.
	many := weighing(1_000_000, 999_999, 1)
	if sequence := (&smooth{}).Prepare(many).([]int32); len(sequence) > maxSequence+3 || !slices.Contains(sequence, 2) {
		t.Errorf("a sequence of %d", len(sequence))
	}
}

func TestLeastRequestsTakesTheLeastLoaded(t *testing.T) {
	s, members := build(t, "least_requests"), set(3)
	members.Members[0].Load.InFlight.Store(2)
	members.Members[2].Load.InFlight.Store(1)
	for range 5 {
		if i := s.Pick(0, &Request{}, members); i != 1 {
			t.Fatalf("picked %d", i)
		}
	}
}

// With d draws with replacement among n equally idle targets but one busy, the busy one is chosen only
// when every draw hits it: (1/n)^d. Without replacement never, while there are two.
func TestP2CAvoidsTheBusyOne(t *testing.T) {
	members := set(4)
	members.Members[3].Load.InFlight.Store(10)
	if got := shares(build(t, "p2c"), members, 100_000)[3]; math.Abs(got-1./16) > .004 {
		t.Errorf("busy target has %.4f, want %.4f", got, 1./16)
	}
	for i, share := range shares(build(t, "p2c", "replacement=false"), members, 100_000) {
		want := 1. / 3
		if i == 3 {
			want = 0
		}
		if math.Abs(share-want) > .01 {
			t.Errorf("without replacement target %d has %.4f, want %.4f", i, share, want)
		}
	}
}

// In each of these the slow target gets less, in the proportion that the definition says.
func TestLatencyDecides(t *testing.T) {
	for _, kind := range []string{"peak_ewma", "least_time"} {
		s, members := build(t, kind), set(2)
		ended(s, time.Second, members.Members[0].Load, 10*time.Millisecond, false)
		ended(s, time.Second, members.Members[1].Load, 50*time.Millisecond, false)
		members.Members[0].Load.InFlight.Store(3) // 10 × 4 < 50 × 1
		slow := 0
		for seq := range uint64(1000) {
			slow += s.Pick(time.Second, request(seq), members)
		}
		members.Members[0].Load.InFlight.Store(5) // 10 × 6 > 50 × 1
		quick := 0
		for seq := range uint64(1000) {
			quick += 1 - s.Pick(time.Second, request(seq), members)
		}
		limit := 0
		if kind == "peak_ewma" { // both draws hit the same target in half of all cases
			limit = 300
		}
		if slow > limit || quick > limit {
			t.Errorf("%s: %d of 1000 to the slow one, %d to the busy one", kind, slow, quick)
		}
		ended(s, 2*time.Second, members.Members[1].Load, time.Microsecond, true)
		if got := members.Members[1].Load.latency.read(2*time.Second, 10*time.Second); got < 40_000 {
			t.Errorf("%s: a quick failure made the target look quick: %v µs", kind, got)
		}
	}
}

// The moving average against its definition: w = exp(−Δt/τ), cost·w + rtt·(1−w), and a peak at once.
func TestMovingAverage(t *testing.T) {
	const constant = 10 * time.Second
	near := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > want*1e-3 {
			t.Errorf("%s: %v µs, want %v", what, got, want)
		}
	}
	var l average
	if l.read(time.Hour, constant) != 0 {
		t.Error("something is known of nothing")
	}
	l.observe(0, 100*time.Millisecond, constant, true)
	near("the first", l.read(0, constant), 100_000)
	near("after one time constant", l.read(constant, constant), 100_000/math.E)
	l.observe(constant, 20*time.Millisecond, constant, true)
	w := math.Exp(-1)
	near("a quicker one", l.read(constant, constant), 100_000*w+20_000*(1-w))
	l.observe(constant, 300*time.Millisecond, constant, true)
	near("a peak", l.read(constant, constant), 300_000)
	var even average
	even.observe(0, 100*time.Millisecond, constant, false)
	even.observe(constant, 300*time.Millisecond, constant, false)
	near("a slower one without peaks", even.read(constant, constant), 100_000*w+300_000*(1-w))
	// A stamp from a moment later, by another processor, is not an age of days.
	near("from the past", even.read(constant-time.Millisecond, constant), 100_000*w+300_000*(1-w))
}

// A target of which nothing is known and whose first answer is awaited gets no second request.
func TestPeakEWMAWaitsForTheFirstAnswer(t *testing.T) {
	s, members := build(t, "peak_ewma", "replacement=false"), set(2)
	ended(s, 0, members.Members[0].Load, time.Second, false)
	if i := s.Pick(0, request(1), members); i != 1 {
		t.Fatalf("the new target is not tried: %d", i)
	}
	members.Members[1].Load.InFlight.Store(1)
	for seq := range uint64(100) {
		if i := s.Pick(0, request(seq), members); i != 0 {
			t.Fatal("it got a second request before its first answer")
		}
	}
}

func TestFirstFillsInOrder(t *testing.T) {
	s, members := build(t, "first", "full=2"), set(3)
	got := ""
	for range 8 {
		i := s.Pick(0, &Request{}, members)
		members.Members[i].Load.InFlight.Add(1)
		got += fmt.Sprint(i)
	}
	if got != "00112201" {
		t.Errorf("%s", got)
	}
}

// counts is how many of many keys each target has.
func counts(s Strategy, members *Set, keys int) (owner []int, by []float64) {
	ready(s, members)
	by = make([]float64, len(members.Members))
	for k := range keys {
		i := s.Pick(0, &Request{Key: Hash(fmt.Sprint("key", k))}, members)
		owner = append(owner, i)
		by[i]++
	}
	return owner, by
}

// spread is the relative standard deviation.
func spread(by []float64) float64 {
	sum, sq := 0., 0.
	for _, x := range by {
		sum += x
		sq += x * x
	}
	n := float64(len(by))
	mean := sum / n
	return math.Sqrt(sq/n-mean*mean) / mean
}

// The ring's shares spread as 1/√points; many keys make the sampling noise small beside it.
func TestRingSpread(t *testing.T) {
	for _, points := range []int{100, 1000} {
		ring := build(t, "ring_hash", fmt.Sprint("points=", points)).(*ring)
		members := set(50)
		list := ring.Prepare(members).([]point)
		arc := make([]float64, 50) // a target's share is the length of its arcs
		last := list[len(list)-1].hash
		for _, p := range list {
			arc[p.member] += float64(p.hash - last)
			last = p.hash
		}
		if got, want := spread(arc), 1/math.Sqrt(float64(points)); got < want*.7 || got > want*1.4 {
			t.Errorf("%d points: spread %.4f, want about %.4f", points, got, want)
		}
	}
}

// Maglev's table is even to 1 %, and a target that leaves moves little more than its own keys.
func TestMaglevBalanceAndDisruption(t *testing.T) {
	members := set(100)
	table := build(t, "maglev").(*lookup).Prepare(members).([]int32)
	slots := make([]int, 100)
	for _, m := range table {
		slots[m]++
	}
	if most, least := slices.Max(slots), slices.Min(slots); float64(most-least) > .01*float64(len(table))/100 {
		t.Errorf("between %d and %d slots", least, most)
	}
	for kind, most := range map[string]float64{"ring_hash": 1.35, "rendezvous": 1.2, "maglev": 3.2} { // in shares of one of 20 targets
		s := build(t, kind)
		before, _ := counts(s, set(20), 50_000)
		fewer := set(20)
		fewer.Members = fewer.Members[:19]
		after, _ := counts(s, fewer, 50_000)
		moved := 0
		for k := range before {
			if before[k] != after[k] {
				moved++
			}
			if kind != "maglev" && before[k] != 19 && before[k] != after[k] {
				t.Fatalf("%s: a key of a target that stayed has moved", kind)
			}
		}
		if share := float64(moved) / 50_000 * 20; share > most {
			t.Errorf("%s: %.2f times the leaver's share moved", kind, share)
		}
	}
}

// Whatever the keys, no target ever exceeds its bound, and a key below it stays where the ring has it.
func TestBoundedLoadsStayBelowTheFactor(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		const factor = 1.25
		s, plain := build(t, "bounded_hash"), build(t, "ring_hash")
		members := ready(s, set(rapid.IntRange(1, 10).Draw(rt, "n")))
		n := len(members.Members)
		skew := rapid.IntRange(1, 50).Draw(rt, "keys")
		for k := range 200 {
			r := &Request{Key: Hash(fmt.Sprint(rapid.IntRange(0, skew).Draw(rt, "key")))}
			i := s.Pick(0, r, members)
			home := plain.Pick(0, r, members)
			total := int64(k + 1)
			bound := int64(math.Ceil(factor * float64(total) / float64(n)))
			if i != home && members.Members[home].Load.InFlight.Load()+1 <= bound {
				rt.Fatalf("a key left its target, which had room")
			}
			if got := members.Members[i].Load.InFlight.Add(1); got > bound {
				rt.Fatalf("request %d: %d in flight, the bound is %d", k, got, bound)
			}
		}
	})
}

// One key goes to one target, whatever the order of members; when that is down its keys spread over all others.
func TestKeysStick(t *testing.T) {
	for _, kind := range []string{"ring_hash", "maglev", "rendezvous"} {
		s := build(t, kind)
		a, b := set(10), set(10)
		slices.Reverse(b.Members)
		ready(s, a)
		x := s.Pick(0, &Request{Key: 7}, a)
		ready(s, b)
		if y := s.Pick(0, &Request{Key: 7}, b); kind != "maglev" && a.Members[x].ID != b.Members[y].ID {
			t.Errorf("%s: the order of members decides", kind)
		}
		ready(s, a)
		heirs := map[int]bool{}
		for k := range uint64(5000) {
			r := request(k)
			if i := s.Pick(0, r, a); i == 3 {
				r.Tried = []string{"t3"}
				heirs[s.Pick(0, r, a)] = true
			}
		}
		if len(heirs) < 8 {
			t.Errorf("%s: the keys of one target went to %v", kind, heirs)
		}
	}
}

func TestKeys(t *testing.T) {
	for text, want := range map[string]Key{"address": {Address, ""}, "path": {Path, ""}, "header:X-User": {Header, "X-User"}, "cookie:s": {Cookie, "s"}, "query:id": {Query, "id"}} {
		if k, err := ParseKey(text); k != want || err != nil {
			t.Errorf("%s: %v, %v", text, k, err)
		}
	}
	for _, text := range []string{"", "x", "header", "header:", "path:x", "address:1"} {
		if _, err := ParseKey(text); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
	for _, kind := range []string{"ring_hash", "bounded_hash", "maglev", "rendezvous", "ip_hash"} {
		if k := build(t, kind).(Keyed).Key(); k.From != Address {
			t.Errorf("%s goes by %v", kind, k)
		}
	}
}

func TestPicksDoNotAllocate(t *testing.T) {
	for _, kind := range Kinds().Table().Names() {
		s, members, r := build(t, kind), set(50), &Request{Seq: 3, Key: 99, Tried: []string{"t7"}}
		ready(s, members)
		if n := testing.AllocsPerRun(100, func() { s.Pick(0, r, members) }); n != 0 {
			t.Errorf("%s allocates %v times a pick", kind, n)
		}
	}
}

func BenchmarkPick(b *testing.B) {
	for _, kind := range Kinds().Table().Names() {
		b.Run(kind, func(b *testing.B) {
			s, members, r := build(b, kind), set(1000), &Request{}
			ready(s, members)
			b.ReportAllocs()
			for i := range b.N {
				r.Seq = uint64(i)
				r.Key = draw.Mix(uint64(i))
				s.Pick(0, r, members)
			}
		})
	}
}

// A target that has just come has the share that its age says, with every strategy that spreads evenly; then its full
// one.
func TestSlowStart(t *testing.T) {
	const over = 10 * time.Second
	for _, kind := range Kinds().Table().Names() {
		if kind == "first" {
			continue
		}
		inner := build(t, kind)
		s := SlowStart{inner, over, draw.Seed(9).Stream("slow")}
		members := set(4)
		members.Members[2].Warming, members.Members[2].Since = true, 5*time.Second
		ready(inner, members)
		const n = 20_000
		full := 0
		for seq := range uint64(n) {
			if inner.Pick(0, request(seq), members) == 2 {
				full++
			}
		}
		for age, want := range map[time.Duration]float64{0: leastShare, over / 4: .25, over / 2: .5, over: 1, 3 * over: 1} {
			got := 0
			for seq := range uint64(n) {
				if s.Pick(5*time.Second+age, request(seq), members) == 2 {
					got++
				}
			}
			// Draws and hashes give it that part of its share; turns give it what a target of that weight has.
			most := want * 4 / (3 + want)
			if share := float64(got) / float64(full); share < want-.03 || share > most+.03 {
				t.Errorf("%s: after %v it has %.3f of its share, want %.2f to %.2f", kind, age, share, want, most)
			}
		}
		alone := set(1)
		alone.Members[0].Warming = true
		ready(inner, alone)
		for seq := range uint64(100) {
			if s.Pick(0, request(seq), alone) != 0 {
				t.Fatalf("%s: the only target is left out", kind)
			}
		}
		r := request(1)
		ready(inner, members)
		if n := testing.AllocsPerRun(100, func() { s.Pick(5*time.Second, r, members) }); n != 0 {
			t.Errorf("%s: %v allocations", kind, n)
		}
	}
}

// Idle targets are used in the order in which they fell idle; with none idle, any.
func TestJoinIdleQueue(t *testing.T) {
	s := build(t, "join_idle_queue")
	members := set(4)
	for i, idle := range []time.Duration{30, 10, 20, 40} {
		members.Members[i].Load.InFlight.Store(1)
		members.Members[i].Load.InFlight.Add(-1)
		ended(s, idle, members.Members[i].Load, 1, false)
	}
	for _, want := range []int{1, 2, 0, 3} {
		if got := s.Pick(50, request(1), members); got != want {
			t.Fatalf("%d, not %d", got, want)
		}
		members.Members[want].Load.InFlight.Add(1)
	}
	seen := map[int]bool{}
	for seq := range uint64(100) {
		seen[s.Pick(50, request(seq), members)] = true
	}
	if len(seen) != 4 {
		t.Errorf("with none idle: %v", seen)
	}
}

// The fastest cold target is chosen, hot ones only when all are, and then the least loaded.
func TestPrequal(t *testing.T) {
	count := func(members *Set) map[int]int {
		s, seen := build(t, "prequal", "hot=50%"), map[int]int{}
		for i, m := range members.Members {
			for range 100 {
				ended(s, time.Second, m.Load, time.Duration(i+1)*time.Millisecond, false)
			}
		}
		for seq := range uint64(1000) {
			seen[s.Pick(time.Second, request(seq), members)]++
		}
		return seen
	}
	loads := func(inFlight ...int64) *Set {
		s := set(len(inFlight))
		for i, n := range inFlight {
			s.Members[i].Load.InFlight.Store(n)
		}
		return s
	}
	if seen := count(loads(0, 0, 0, 0, 0)); seen[0] < seen[2] || seen[0] < seen[4] || seen[4] > 100 {
		t.Errorf("all cold: %v", seen)
	}
	if seen := count(loads(50, 0, 0, 0, 0)); seen[0] > 0 || seen[1] < seen[4] {
		t.Errorf("the fastest is hot: %v", seen)
	}
	// A probe that is used again counts what was sent since: nobody is flooded by what was true once.
	s, members := build(t, "prequal"), loads(0, 0, 0, 0)
	longest, run, last := 0, 0, -1
	for seq := range uint64(400) {
		i := s.Pick(time.Second, request(seq), members)
		members.Members[i].Load.InFlight.Add(1)
		if run++; i != last {
			run, last = 1, i
		}
		longest = max(longest, run)
	}
	for i := range members.Members {
		if n := members.Members[i].Load.InFlight.Load(); n < 80 || n > 120 {
			t.Errorf("target %d got %d of 400", i, n)
		}
	}
	if longest > 5 {
		t.Errorf("%d in a row on one target", longest)
	}
}

// Each target is probed once for a request, and each as often as the others.
func TestPrequalProbesDifferentTargets(t *testing.T) {
	p, members := build(t, "prequal", "probes=4").(*probing), set(7)
	seen := map[int]int{}
	for seq := range uint64(7000) {
		r := request(seq)
		if seq%2 == 1 {
			r.Limit = 1 // the targets that are not full are looked for
		}
		var drawn [maxProbes]int
		n := p.draw(r, members, &drawn)
		slices.Sort(drawn[:n])
		if n != 4 || len(slices.Compact(drawn[:n])) != 4 {
			t.Fatalf("request %d: %d of %v", seq, n, drawn)
		}
		for _, i := range drawn[:n] {
			seen[i]++
		}
	}
	for i := range members.Members {
		if math.Abs(float64(seen[i])/4000-1) > .05 {
			t.Errorf("target %d was probed %d times, want about 4000", i, seen[i])
		}
	}
}

// A probe is used twice at the most: what it told is then too far from the truth.
func TestPrequalUsesAProbeTwice(t *testing.T) {
	s, members := build(t, "prequal", "probes=1").(*probing), set(20)
	for seq := range uint64(2000) {
		s.Pick(time.Duration(seq), request(seq), members)
		for i := range s.kept {
			if s.pool[i].used >= maxUses {
				t.Fatalf("request %d: a probe was used %d times and is still there", seq, s.pool[i].used)
			}
		}
	}
}

// The window of recent loads against its definition.
func TestRecentLoads(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var w recentLoads
		list := rapid.SliceOfN(rapid.Int64Range(0, 20), 1, 3*len(w.sorted)).Draw(rt, "loads")
		for _, x := range list {
			w.add(x)
		}
		last := slices.Clone(list[max(len(list)-len(w.sorted), 0):])
		slices.Sort(last)
		if got := w.sorted[:len(last)]; !slices.Equal(got, last) {
			rt.Fatalf("%v, want %v", got, last)
		}
		q := rapid.Float64Range(0, 1).Draw(rt, "q")
		if got, want := w.quantile(q), last[min(int(q*float64(len(last))), len(last)-1)]; got != want {
			rt.Fatalf("quantile %v is %d, want %d", q, got, want)
		}
	})
}

// A target that fails at once looks worse than a slow one, from the first failure on; it looks no better while nobody
// asks it and the others' answers are awaited.
func TestPrequalIsAverseToFailures(t *testing.T) {
	for _, known := range []bool{false, true} {
		s, members := build(t, "prequal"), set(2)
		slow, failing := members.Members[0].Load, members.Members[1].Load
		ended(s, time.Second, slow, 500*time.Millisecond, false)
		if known {
			ended(s, time.Second, failing, time.Millisecond, false)
		}
		ended(s, 2*time.Second, failing, 100*time.Microsecond, true)
		slow.InFlight.Store(1)
		for now := 2 * time.Second; now < 4*time.Second; now += 10 * time.Millisecond {
			if i := s.Pick(now, request(uint64(now)), members); i != 0 {
				t.Fatalf("known %v: after %v the target that fails is chosen", known, now)
			}
		}
	}
}

// A full target is never chosen, whatever the strategy, and only when all are full there is none.
func TestLimit(t *testing.T) {
	for _, kind := range Kinds().Table().Names() {
		s, members := build(t, kind), set(5)
		ready(s, members)
		for n := range uint64(15) {
			r := request(n)
			r.Limit = 3
			i := s.Pick(0, r, members)
			if i < 0 {
				t.Fatalf("%s: no target for request %d", kind, n)
			}
			if members.Members[i].Load.InFlight.Add(1) > 3 {
				t.Errorf("%s: target %d is over its limit", kind, i)
			}
		}
		r := request(99)
		r.Limit = 3
		if i := s.Pick(0, r, members); i >= 0 {
			t.Errorf("%s: full target %d was chosen", kind, i)
		}
	}
}
