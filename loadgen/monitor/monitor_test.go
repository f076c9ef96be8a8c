package monitor

import (
	"math"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/pace"
)

const ms = time.Millisecond

// driven is a monitor whose time passes when a test says so.
type driven struct {
	*Monitor
	t      *testing.T
	at     time.Duration
	used   time.Duration
	passed []measure.Sample
}

func drive(t *testing.T, group *cgroup) *driven {
	d := &driven{t: t}
	d.Monitor = watch(system{func() time.Duration { return d.at }, func() time.Duration { return d.used }, group}, Config{
		Tolerance: ms,
		InFlight:  func() int64 { return 1 },
		Sink:      func(s *measure.Sample) { d.passed = append(d.passed, *s) },
	})
	return d
}

// beatUntil beats on time until the given instant.
func (d *driven) beatUntil(to time.Duration, count bool) {
	for d.at+period <= to {
		d.at += period
		d.beat(count)
	}
}

// take takes in a sample that is on time, sent at once, and ends at the given instant.
func (d *driven) take(seq uint64, due, done time.Duration) {
	d.Take(&measure.Sample{Seq: seq, Due: due, Offered: due, Sent: due, First: done, Done: done})
}

// flushed flushes, and returns the numbers of the samples passed on by that.
func (d *driven) flushed() (seqs []uint64) {
	before := len(d.passed)
	d.flush(false)
	for i := range d.passed[before:] {
		s := &d.passed[before+i]
		if s.Done > d.ledger.Known() {
			d.t.Errorf("passed on when %v is known: %+v", d.ledger.Known(), s)
		}
		seqs = append(seqs, s.Seq)
	}
	return seqs
}

func (d *driven) wantPassed(what string, got []uint64, want ...uint64) {
	d.t.Helper()
	if !slices.Equal(got, want) {
		d.t.Errorf("%s: passed on %v, want %v", what, got, want)
	}
}

// throttledGroup has a quota of half a processor, and has been throttled for a millisecond.
func throttledGroup() (*cgroup, fstest.MapFS) {
	root := files(map[string]string{
		"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n",
		"sys/fs/cgroup/cpu.max": "50000 100000\n", "sys/fs/cgroup/cpu.stat": "throttled_usec 1000\n",
	})
	return findCgroup(root), root
}

// A sample is passed on once, and not before the ledger knows of its end.
func TestSamplesWaitForTheLedger(t *testing.T) {
	d := drive(t, nil)
	d.beatUntil(10*ms, false)
	d.take(1, 5*ms, 9*ms)
	d.take(2, 5*ms, 11*ms)
	d.take(3, 5*ms, 10*ms)
	d.wantPassed("after 10 ms", d.flushed(), 1, 3)
	d.wantPassed("again", d.flushed())
	d.beatUntil(12*ms, false)
	d.wantPassed("after 12 ms", d.flushed(), 2)
	d.take(4, 11*ms, 13*ms)
	d.take(5, 11*ms, 20*ms)
	d.wantPassed("not yet", d.flushed())
	d.at = 14 * ms
	d.finish()
	d.wantPassed("when stopped, even what ends later", d.flushed())
	var all []uint64
	for i := range d.passed {
		all = append(all, d.passed[i].Seq)
	}
	d.wantPassed("in all", all, 1, 3, 2, 4, 5)
}

// A sample that waits keeps what it was retried after: the engine uses the memory of that again for its next request.
func TestSamplesThatWaitKeepTheirRetries(t *testing.T) {
	d := drive(t, nil)
	retried := []measure.Class{measure.Status5xx}
	d.Take(&measure.Sample{Seq: 1, Done: ms, ClientAttempts: 2, Retried: retried})
	retried = append(retried[:0], measure.Timeout)
	d.Take(&measure.Sample{Seq: 2, Done: ms, ClientAttempts: 2, Retried: retried})
	retried[0] = measure.Reset
	d.beatUntil(10*ms, false)
	d.wantPassed("after 10 ms", d.flushed(), 1, 2)
	if a, b := d.passed[0].Retried, d.passed[1].Retried; !slices.Equal(a, []measure.Class{measure.Status5xx}) || !slices.Equal(b, []measure.Class{measure.Timeout}) {
		t.Errorf("retried after %v and %v", a, b)
	}
	none := measure.Sample{Retried: make([]measure.Class, 0, 1)}
	d.in = slices.Grow(d.in, 200)
	if n := testing.AllocsPerRun(100, func() { d.Take(&none) }); n != 0 {
		t.Errorf("%v allocations for a request without a retry", n)
	}
}

// With a control group that tells when it was throttled, what is known ends where the counters were last read; one
// that tells no more holds nothing back.
func TestSamplesWaitForTheCounters(t *testing.T) {
	group, root := throttledGroup()
	d := drive(t, group)
	d.beatUntil(10*ms, false)
	d.take(1, 4*ms, 5*ms)
	d.wantPassed("before the counters were read", d.flushed())
	root["sys/fs/cgroup/cpu.stat"] = &fstest.MapFile{Data: []byte("throttled_usec 3000\n")}
	d.beatUntil(12*ms, true)
	d.wantPassed("after that", d.flushed(), 1)
	delete(root, "sys/fs/cgroup/cpu.stat")
	d.take(2, 12*ms, 13*ms)
	d.beatUntil(20*ms, true)
	d.wantPassed("without a counter", d.flushed(), 2)
	if stalls := d.finish().Stalls; len(stalls) != 1 || stalls[0].Cause != measure.Throttled || stalls[0].Resumed != 12*ms {
		t.Errorf("%+v", stalls)
	}
}

// What ran while no heart beat is marked by how long that was.
func TestStallMarksSamples(t *testing.T) {
	d := drive(t, nil)
	d.beatUntil(100*ms, false)
	d.take(1, 50*ms, 60*ms)
	d.take(2, 90*ms, 301*ms)
	d.at = 300 * ms
	d.beat(false)
	d.beatUntil(400*ms, false)
	d.take(3, 350*ms, 360*ms)
	d.wantPassed("in all", d.flushed(), 1, 2, 3)
	// The next beat would have been at 102 ms.
	for i, want := range []time.Duration{0, 198 * ms, 0} {
		if d.passed[i].Stalled != want {
			t.Errorf("stalled %v, want %v: %+v", d.passed[i].Stalled, want, d.passed[i])
		}
	}
	want := []measure.Stall{{From: 102 * ms, Resumed: 300 * ms, To: 300 * ms, Cause: measure.Paused, Stopped: 198 * ms}}
	if got := d.finish().Stalls; !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// The buffers keep their size while samples are passed on as fast as they come.
func TestMemoryDoesNotGrow(t *testing.T) {
	d := drive(t, nil)
	seq, most := uint64(0), 0
	for round := range 1000 {
		d.beatUntil(d.at+flushEvery, false)
		for range 100 { // every second one ends when it is not known yet
			d.take(seq, d.at, d.at+time.Duration(seq%2)*ms)
			seq++
		}
		d.flush(false)
		if size := cap(d.in) + cap(d.out) + cap(d.early); round < 10 {
			most = max(most, size)
		} else if size > most {
			t.Fatalf("after %d rounds the buffers hold %d samples, after ten %d", round, size, most)
		}
		d.passed = d.passed[:0]
	}
}

// Samples may be taken in by any goroutine while others are passed on: each is passed on once.
func TestSamplesAreTakenInMeanwhile(t *testing.T) {
	const takers, each = 4, 2000
	d := drive(t, nil)
	d.beatUntil(10*ms, false)
	var work sync.WaitGroup
	for k := range takers {
		work.Go(func() {
			for i := range each {
				d.take(uint64(k*each+i), 0, time.Duration(i%20)*ms) // half of them are not known yet
			}
		})
	}
	done := make(chan struct{})
	go func() {
		work.Wait()
		close(done)
	}()
	for open := true; open; {
		d.flush(false)
		select {
		case <-done:
			open = false
		default:
		}
	}
	d.finish()
	seen := make([]int, takers*each)
	for i := range d.passed {
		seen[d.passed[i].Seq]++
	}
	for seq, n := range seen {
		if n != 1 {
			t.Fatalf("sample %d was passed on %d times", seq, n)
		}
	}
}

// The share of the CPU is of what the control group allows, or of the processors when that is less.
func TestShareOfTheCPU(t *testing.T) {
	group, root := throttledGroup()
	processors := float64(runtime.GOMAXPROCS(0))
	for name, tc := range map[string]struct {
		quota string
		want  float64
	}{
		"half a processor":   {"50000 100000\n", .6},
		"no quota":           {"max 100000\n", .3 / processors},
		"more than there is": {"100000000 100000\n", .3 / processors},
	} {
		root["sys/fs/cgroup/cpu.max"] = &fstest.MapFile{Data: []byte(tc.quota)}
		d := drive(t, group)
		d.at, d.used = time.Second, 300*ms
		if got := d.finish().CPU; math.Abs(got-tc.want) > 1e-9 {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}

// The heart beats by itself from Start to Stop, after which every sample has been passed on.
func TestStartAndStop(t *testing.T) {
	clock := pace.NewClock(pace.Monotonic())
	n := 0
	m, err := Start(clock, Config{Tolerance: ms, InFlight: func() int64 { return 0 }, Sink: func(*measure.Sample) { n++ }})
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		now := clock.Now()
		m.Take(&measure.Sample{Due: now, Offered: now, Sent: now, First: now, Done: now})
	}
	if usage := m.Stop(); n != 100 || !(usage.CPU >= 0) {
		t.Errorf("%d passed on, %+v", n, usage)
	}
}
