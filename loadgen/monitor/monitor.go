// Package monitor watches the load generator itself: whether it stood still, whether its control group was
// throttled, and how much it used of the CPU it may use.
//
//	m, err := monitor.Start(clock, monitor.Config{Tolerance: time.Millisecond, InFlight: engine.InFlight, Sink: sink})
//	err = engine.Play(ctx, schedule, clock, m.Take)
//	usage := m.Stop()
//
// The monitor has a heart of its own that beats every two milliseconds, through the same poller that wakes the
// generator's connections: when a beat is late, so is what the generator noticed of its answers. Each sample is
// passed on a little later than it ended, when it is known for how long the generator stood still during it
// (Sample.Stalled).
//
// Limits: a stall shorter than the period and the tolerance together may go unseen. Delays beyond the process,
// in the kernel or on the way, are the system's. Throttling is read from Linux control groups; elsewhere only
// the heartbeat tells.
package monitor

import (
	"context"
	"math"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/pace"
)

const (
	// period of the heartbeat: some 0.3 % of a processor.
	period = 2 * time.Millisecond
	// countBeats is after how many beats the counters are read.
	countBeats = 10
	// flushEvery is how often samples are passed on.
	flushEvery = 20 * time.Millisecond
)

// Config is what a monitor needs.
type Config struct {
	Tolerance time.Duration         // delay of a request by the generator that counts as none
	InFlight  func() int64          // requests offered that have no outcome yet; from any goroutine
	Sink      func(*measure.Sample) // takes each sample in, one at a time; the sample is its only during the call
}

// Usage is what the generator took, and how it stood still.
type Usage struct {
	CPU    float64 // share of the CPU that it may use
	Stalls []measure.Stall
}

// Monitor watches one playing of a load.
type Monitor struct {
	cfg    Config
	system system
	began  time.Duration
	cpu    time.Duration // used before
	cancel context.CancelFunc
	work   sync.WaitGroup

	ledgerMu  sync.Mutex
	ledger    *measure.StallLedger
	throttled time.Duration // as the control groups last told
	told      bool          // they have told at all

	mu  sync.Mutex
	in  []measure.Sample // since the last flush
	out []measure.Sample // being passed on: of the flushing goroutine
	// early are those that ended after the time up to which the ledger knows: of the flushing goroutine.
	early []measure.Sample
}

// system is what a monitor looks at.
type system struct {
	now   func() time.Duration // since the epoch
	cpu   func() time.Duration // that this process has used
	group *cgroup
}

// Start begins to watch.
func Start(clock pace.Clock, cfg Config) (*Monitor, error) {
	waiter, err := pace.NewWaiter(clock)
	if err != nil {
		return nil, err
	}
	m := watch(system{clock.Now, cpuTime, ownCgroup()}, cfg)
	var ctx context.Context
	ctx, m.cancel = context.WithCancel(context.Background())
	context.AfterFunc(ctx, waiter.Interrupt)
	m.work.Go(func() {
		defer waiter.Close()
		for n, next := 1, m.began+period; waiter.Wait(ctx, next) == nil; n++ {
			m.beat(n%countBeats == 0)
			for now := clock.Now(); next <= now; {
				next += period
			}
		}
	})
	m.work.Go(func() {
		tick := time.NewTicker(flushEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				m.flush(false)
			case <-ctx.Done():
				return
			}
		}
	})
	return m, nil
}

// watch returns a monitor whose heart has beaten once.
func watch(s system, cfg Config) *Monitor {
	m := &Monitor{cfg: cfg, system: s, ledger: measure.NewStallLedger(period, cfg.Tolerance), began: s.now(), cpu: s.cpu()}
	m.beat(true)
	return m
}

// beat tells the ledger that the generator runs. Once the control groups have told for how long they were throttled,
// the ledger waits to be told: when they tell no more, it is told the same again.
func (m *Monitor) beat(count bool) {
	inFlight := m.cfg.InFlight()
	m.ledgerMu.Lock()
	defer m.ledgerMu.Unlock()
	now := m.system.now()
	m.ledger.Beat(now, inFlight)
	if !count {
		return
	}
	if total, ok := m.system.group.throttled(); ok {
		m.throttled, m.told = total, true
	}
	if m.told {
		m.ledger.Throttle(now, m.throttled)
	}
}

// Take takes a sample in, from any goroutine. It is the engine's sink.
func (m *Monitor) Take(s *measure.Sample) {
	kept := *s
	kept.Retried = slices.Clone(s.Retried) // the engine uses it again
	m.mu.Lock()
	m.in = append(m.in, kept)
	m.mu.Unlock()
}

// flush passes on the samples that ended before the time up to which the ledger knows, or all.
func (m *Monitor) flush(all bool) {
	m.mu.Lock()
	m.in, m.out = m.out[:0], m.in
	m.mu.Unlock()
	m.ledgerMu.Lock()
	known := m.ledger.Known()
	if all {
		known = math.MaxInt64
	}
	m.early = m.early[:0]
	for i := range m.out {
		if s := &m.out[i]; s.Done <= known {
			s.Stalled = m.ledger.Stalled(s)
		} else {
			m.early = append(m.early, *s)
		}
	}
	m.ledgerMu.Unlock()
	m.mu.Lock()
	m.in = append(m.in, m.early...)
	m.mu.Unlock()
	for i := range m.out {
		if s := &m.out[i]; s.Done <= known {
			m.cfg.Sink(s)
		}
	}
}

// Stop ends the watch when every sample has been taken in, and passes the last ones on.
func (m *Monitor) Stop() Usage {
	m.cancel()
	m.work.Wait()
	return m.finish()
}

func (m *Monitor) finish() Usage {
	m.beat(true)
	m.flush(true)
	used := (m.system.cpu() - m.cpu).Seconds()
	allowed := min(float64(runtime.GOMAXPROCS(0)), m.system.group.cpus())
	return Usage{CPU: used / ((m.system.now() - m.began).Seconds() * allowed), Stalls: m.ledger.Stalls()}
}
