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
	"runtime"
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
	clock  pace.Clock
	group  *cgroup
	began  time.Duration
	cpu    time.Duration // used before
	cancel context.CancelFunc
	work   sync.WaitGroup

	ledgerMu sync.Mutex
	ledger   *measure.StallLedger

	mu  sync.Mutex
	in  []measure.Sample // since the last flush
	out []measure.Sample // being passed on: of the flushing goroutine
	// early are those that ended after the time up to which the ledger knows: of the flushing goroutine.
	early []measure.Sample
}

// Start begins to watch.
func Start(clock pace.Clock, cfg Config) (*Monitor, error) {
	waiter, err := pace.NewWaiter(clock)
	if err != nil {
		return nil, err
	}
	m := &Monitor{cfg: cfg, clock: clock, group: ownCgroup(), ledger: measure.NewStallLedger(period, cfg.Tolerance), began: clock.Now(), cpu: cpuTime()}
	var ctx context.Context
	ctx, m.cancel = context.WithCancel(context.Background())
	context.AfterFunc(ctx, waiter.Interrupt)
	m.beat(true)
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
				m.flush()
			case <-ctx.Done():
				return
			}
		}
	})
	return m, nil
}

// beat tells the ledger that the generator runs.
func (m *Monitor) beat(count bool) {
	inFlight := m.cfg.InFlight()
	m.ledgerMu.Lock()
	defer m.ledgerMu.Unlock()
	now := m.clock.Now()
	m.ledger.Beat(now, inFlight)
	if count {
		if total, ok := m.group.throttled(); ok {
			m.ledger.Throttle(now, total)
		}
	}
}

// Take takes a sample in, from any goroutine. It is the engine's sink.
func (m *Monitor) Take(s *measure.Sample) {
	m.mu.Lock()
	m.in = append(m.in, *s)
	m.mu.Unlock()
}

// flush passes on the samples that ended before the time up to which the ledger knows.
func (m *Monitor) flush() {
	m.mu.Lock()
	m.in, m.out = m.out[:0], m.in
	m.mu.Unlock()
	m.ledgerMu.Lock()
	known := m.ledger.Known()
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
	m.beat(true)
	m.flush()
	used := (cpuTime() - m.cpu).Seconds()
	allowed := min(float64(runtime.GOMAXPROCS(0)), m.group.cpus())
	return Usage{CPU: used / ((m.clock.Now() - m.began).Seconds() * allowed), Stalls: m.ledger.Stalls()}
}
