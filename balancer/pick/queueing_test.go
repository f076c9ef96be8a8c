package pick

import (
	"container/heap"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/scenarios/draw"
)

// A queueing is a group under load in virtual time: Poisson arrivals, targets with some slots and a bounded queue each,
// exponential service times. Draws go by the requests' numbers, so that every strategy meets the same load.
type queueing struct {
	targets     int
	utilisation float64 // of what the targets can do
	slow        float64 // service times of the first target, as a multiple of the others'; 0 for 1
	failing     bool    // the first target answers every request at once with a failure
	warm, last  time.Duration
	seed        draw.Seed
}

// What a target of the model has, and how long its client waits; half of what the sample backend has by default.
const (
	modelSlots   = 4
	modelQueue   = 32
	modelService = 20 * time.Millisecond
	modelTimeout = time.Second
)

// outcome is what became of the requests after the warm-up.
type outcome struct {
	failed float64 // share: refused by a full queue, failed by the target, or answered too late
	p99    time.Duration

	imbalance float64 // the largest target's share over the mean share, less 1
}

type modelJob struct {
	seq     uint64
	arrived time.Duration
}

type modelTarget struct {
	busy   int
	queue  []modelJob
	factor float64
}

type departure struct {
	at     time.Duration
	target int
	job    modelJob
}

type departures []departure

func (d departures) Len() int           { return len(d) }
func (d departures) Less(i, j int) bool { return d[i].at < d[j].at }
func (d departures) Swap(i, j int)      { d[i], d[j] = d[j], d[i] }
func (d *departures) Push(x any)        { *d = append(*d, x.(departure)) }
func (d *departures) Pop() any {
	old := *d
	x := old[len(old)-1]
	*d = old[:len(old)-1]
	return x
}

func (q queueing) run(s Strategy) outcome {
	members := ready(s, set(q.targets))
	targets := make([]modelTarget, q.targets)
	capacity := 0. // requests a second
	for i := range targets {
		targets[i].factor = 1
		if i == 0 && q.slow > 0 {
			targets[i].factor = q.slow
		}
		if i > 0 || !q.failing {
			capacity += modelSlots / modelService.Seconds() / targets[i].factor
		}
	}
	arrivals, services := q.seed.Stream("arrivals"), q.seed.Stream("services")
	gap := float64(time.Second) / (capacity * q.utilisation)
	var ends departures
	var times []time.Duration
	planned, failed, picked := 0, 0, make([]int, q.targets)
	judged := func(j modelJob) bool { return j.arrived >= q.warm }
	release := func(now time.Duration, i int, j modelJob, fails bool) {
		l := members.Members[i].Load
		l.InFlight.Add(-1)
		ended(s, now, l, now-j.arrived, fails)
		switch {
		case !judged(j):
		case fails || now-j.arrived > modelTimeout:
			failed++
		default:
			times = append(times, now-j.arrived)
		}
	}
	serve := func(now time.Duration, i int, j modelJob) {
		took := services.Exp(j.seq, 0) * targets[i].factor * float64(modelService)
		heap.Push(&ends, departure{now + time.Duration(took), i, j})
	}
	arrival := time.Duration(0)
	for seq := uint64(0); ; seq++ {
		arrival += time.Duration(arrivals.Exp(seq, 0) * gap)
		for len(ends) > 0 && (ends[0].at <= arrival || arrival >= q.last) {
			d := heap.Pop(&ends).(departure)
			t := &targets[d.target]
			if len(t.queue) > 0 {
				serve(d.at, d.target, t.queue[0])
				t.queue = t.queue[1:]
			} else {
				t.busy--
			}
			release(d.at, d.target, d.job, false)
		}
		if arrival >= q.last {
			break
		}
		j := modelJob{seq, arrival}
		i := s.Pick(arrival, &Request{Seq: seq, Key: draw.Mix(seq)}, members)
		if judged(j) {
			planned++
			picked[i]++
		}
		members.Members[i].Load.InFlight.Add(1)
		switch t := &targets[i]; {
		case i == 0 && q.failing, t.busy == modelSlots && len(t.queue) == modelQueue:
			release(arrival, i, j, true)
		case t.busy == modelSlots:
			t.queue = append(t.queue, j)
		default:
			t.busy++
			serve(arrival, i, j)
		}
	}
	slices.Sort(times)
	o := outcome{
		failed:    float64(failed) / float64(planned),
		imbalance: float64(slices.Max(picked))/float64(planned)*float64(q.targets) - 1,
	}
	if n := len(times); n > 0 {
		o.p99 = times[min(int(math.Ceil(.99*float64(n)))-1, n-1)]
	}
	return o
}

// In groups of every size, at every load, with and without a slow target, prequal fails no more requests than random and
// p2c do, and its p99 is about p2c's or better. Equal targets have equal shares. A target that fails at once does not draw
// requests to it.
func TestPrequalHoldsBesideRandomAndP2C(t *testing.T) {
	const failures, slower, uneven = .001, 1.15, .14 // what chance may make of it
	var trials []queueing
	for _, targets := range []int{3, 6, 10} {
		for _, slow := range []float64{1, 4} {
			for _, utilisation := range []float64{.6, .8, .95} {
				trials = append(trials, queueing{targets, utilisation, slow, false, 3 * time.Second, 15 * time.Second, 7})
			}
		}
		trials = append(trials, queueing{targets, .6, 1, true, 3 * time.Second, 15 * time.Second, 7})
	}
	trials = append(trials, queueing{100, .8, 4, false, time.Second, 3 * time.Second, 7})
	for _, q := range trials {
		name := fmt.Sprintf("%d targets, utilisation %g, the first %g times as slow, failing %v", q.targets, q.utilisation, q.slow, q.failing)
		random, p2c, got := q.run(build(t, "random")), q.run(build(t, "p2c")), q.run(build(t, "prequal"))
		t.Logf("%s: random %v, p2c %v, prequal %v", name, random, p2c, got)
		most := min(random.failed, p2c.failed) + failures
		if q.failing {
			most = random.failed / 3
		}
		if got.failed > most {
			t.Errorf("%s: prequal fails %.2f %%, random %.2f %%, p2c %.2f %%", name, got.failed*100, random.failed*100, p2c.failed*100)
		}
		if float64(got.p99) > slower*float64(p2c.p99) {
			t.Errorf("%s: p99 %v with prequal, %v with p2c", name, got.p99, p2c.p99)
		}
		if q.slow == 1 && !q.failing && got.imbalance > uneven {
			t.Errorf("%s: a target has %.0f %% more than its share with prequal, %.0f %% with p2c", name, got.imbalance*100, p2c.imbalance*100)
		}
	}
}

func (o outcome) String() string {
	return fmt.Sprintf("%.2f %% failed, p99 %d ms, imbalance %.0f %%", o.failed*100, o.p99.Milliseconds(), o.imbalance*100)
}
