package scenarios

import (
	"slices"
	"sync"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/loadgen/profile"
	"github.com/seed-8025779b/shakedown/reports"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
)

// record is what the samples of a run come to. They arrive on the engine's side, everything else on the
// player's: a lock guards it.
type record struct {
	s    *plan.Scenario
	rows func(*reports.SampleRow) // nil when nobody wants them

	groups *destinations // nil where it does not matter which group a request is for

	mu       sync.Mutex
	recorder *measure.Recorder
	health   *condition
	planned  []uint64 // by phase
	never    []uint64 // by phase: those of planned that were due only after the run had been stopped
	walk     *profile.Walk
	next     time.Duration // due time of the walk's next request
	nextSeq  uint64
	more     bool   // there is one
	offered  uint64 // requests of the schedule that have a sample, or had an earlier one than another's
	trailing []*measure.Trailing
	recent   measure.Tally // since the last progress

	// Which target a request's final attempt went to stands in its answer. Where there was none the balancer
	// tells of it later, and until then what depends on it waits.
	traced  bool
	waiting map[uint64]*measure.Sample
	order   []uint64 // of waiting, by when they ended
	early   map[uint64]told
	unknown uint64      // requests of which nothing was known in the end
	faults  []*faultRun // injected so far

	hits  map[string]int // by target: a number that stands for the faults injected on it so far
	hitBy [][]*faultRun  // what these numbers stand for; none is 0

	scheduled []*faultRun     // by the scenario, injected or not
	fleet     *fleet          // only read here; who changes it holds the lock
	missable  [][]missedFault // what the numbers of Sample.Missed stand for
	scratch   []missedFault
}

// told is what the balancer told of a request whose sample has not come yet.
type told struct {
	plan.AbandonedRequest
	at time.Duration
}

const (
	// tellWithin is how long after the end of a request its balancer may take to tell of it: it looks ten times a
	// second whether a client is still there, and reports five times a second.
	tellWithin = time.Second
	// maxWaiting bounds the requests that wait for what the balancer tells of them.
	maxWaiting = 100_000
)

func newRecord(s *plan.Scenario, sched profile.Schedule, fleet *fleet, width time.Duration, traced bool, rows func(*reports.SampleRow)) *record {
	var phases []measure.Phase
	for _, ph := range s.Load.Phases {
		phases = append(phases, measure.Phase{End: ph.End, Discard: ph.Discard})
	}
	r := &record{
		s: s, fleet: fleet, rows: rows, recorder: measure.NewRecorder(phases, width), planned: make([]uint64, len(phases)), never: make([]uint64, len(phases)),
		groups: newDestinations(s), walk: sched.Walk(), traced: traced, waiting: map[uint64]*measure.Sample{}, early: map[uint64]told{},
		hits: map[string]int{}, hitBy: make([][]*faultRun, 1),
	}
	for _, g := range s.Gates {
		for i, ph := range s.Load.Phases {
			if g.Request != "" && ph.Name == g.Window {
				r.recorder.KeepPhaseRequest(i, g.Request)
			}
		}
	}
	var coming []time.Duration
	for i := range s.Faults {
		coming = append(coming, s.Faults[i].At)
	}
	r.health = newCondition(s.Objective, s.Length(), s.Client.Timeout, width, r.recorder, coming...)
	r.health.missed = r
	for _, a := range s.Abort {
		r.trailing = append(r.trailing, measure.NewTrailing(a.Over))
	}
	r.nextSeq, r.next, r.more = r.walk.Next()
	return r
}

// sample takes a sample in, from whatever goroutine it is delivered on.
func (r *record) sample(s *measure.Sample) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.missFaults(s)
	r.turnFailure(s)
	r.health.add(s)
	phase := r.recorder.PhaseAt(s.Due)
	if profile.IsClosed(s.Seq) { // no plan says how many a closed loop sends
		r.planned[phase]++
		r.recorder.Plan(s.Due, 1)
	} else {
		r.offered = max(r.offered, s.Seq+1)
	}
	r.recorder.Add(s)
	r.recent.Add(s)
	for _, t := range r.trailing {
		t.Add(s)
	}
	if s.Outcome == measure.Succeeded && len(r.faults) > 0 {
		r.serve(s)
	}
	if r.traced && s.Outcome == measure.Failed && !s.Told && s.Sent > 0 && r.await(s) {
		return
	}
	r.finish(s)
}

// serve counts a success by what tells for which fault a failure would be: see charge.
func (r *record) serve(s *measure.Sample) {
	if s.Target == "" && r.groups != nil {
		s.Group = r.groups.of(s.Seq)
	}
	if hit := r.hits[s.Target]; s.Fault != "" || hit > 0 || s.Group != "" {
		r.recorder.AddServed(s, hit)
	}
}

// hit notes that a fault was injected on a target, or, with on false, that it was not after all.
func (r *record) hit(f *faultRun, target string, on bool) {
	list := slices.DeleteFunc(slices.Clone(r.hitBy[r.hits[target]]), func(x *faultRun) bool { return x == f })
	if on {
		list = append(list, f)
	}
	n := slices.IndexFunc(r.hitBy, func(known []*faultRun) bool { return slices.Equal(known, list) })
	if n < 0 {
		n = len(r.hitBy)
		r.hitBy = append(r.hitBy, list)
	}
	r.hits[target] = n
}

// await lets a sample wait for what the balancer tells of it, unless that has come already or too many wait.
func (r *record) await(s *measure.Sample) bool {
	if x, ok := r.early[s.Seq]; ok && x.Retry == s.ClientAttempts-1 {
		delete(r.early, s.Seq)
		s.Target, s.Fault, s.Attempts = x.Target, x.Fault, x.Attempts
		return false
	}
	if len(r.waiting) >= maxWaiting {
		r.unknown++
		return false
	}
	kept := *s
	kept.Retried = slices.Clone(s.Retried)
	r.waiting[s.Seq] = &kept
	r.order = append(r.order, s.Seq)
	return true
}

// finish takes in what depends on the request's final attempt.
func (r *record) finish(s *measure.Sample) {
	for _, f := range r.faults {
		if s.Sent > 0 && s.Done > f.lasted && f.mayHaveShaped(s) {
			f.lasted = s.Done
		}
	}
	if s.Outcome == measure.Failed || s.Outcome == measure.Dropped {
		if s.Target == "" && r.groups != nil {
			s.Group = r.groups.of(s.Seq)
		}
		r.recorder.AddFailure(s)
		r.noteFailure(s)
		for _, f := range r.faults {
			if s.Due < *f.injected && s.Done >= *f.injected && f.caused(s) {
				f.carried.Add(s)
			}
		}
	}
	if r.rows != nil {
		ph := &r.s.Load.Phases[r.recorder.PhaseAt(s.Due)]
		r.rows(&reports.SampleRow{Sample: s, Phase: ph.Name, Discarded: ph.Discard})
	}
}

// tell takes in what the balancer knows of requests whose clients read no answer. A sample is known some time after it
// ended, so that the balancer may be first.
func (r *record) tell(at time.Duration, list []plan.AbandonedRequest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, x := range list {
		if s := r.waiting[x.Seq]; s != nil && x.Retry == s.ClientAttempts-1 {
			delete(r.waiting, x.Seq)
			s.Target, s.Fault, s.Attempts = x.Target, x.Fault, x.Attempts
			r.finish(s)
		} else if len(r.early) < maxWaiting {
			r.early[x.Seq] = told{x, at}
		}
	}
}

// expire lets no request wait that ended by then: nothing is known of its final attempt.
func (r *record) expire(ended time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for seq, x := range r.early {
		if x.at <= ended {
			delete(r.early, seq) // the client had its answer after all, or has tried again
		}
	}
	for len(r.order) > 0 {
		s := r.waiting[r.order[0]]
		if s != nil && s.Done > ended {
			return
		}
		if s != nil {
			delete(r.waiting, s.Seq)
			r.unknown++
			r.finish(s)
		}
		r.order = r.order[1:]
	}
}

// advance counts the requests of the schedule up to the last one that was offered: those that are due and late may
// never be.
func (r *record) advance() {
	for r.more && r.nextSeq < r.offered {
		r.step()
	}
}

// step counts the schedule's next request.
func (r *record) step() {
	r.planned[r.recorder.PhaseAt(r.next)]++
	r.recorder.Plan(r.next, 1)
	r.nextSeq, r.next, r.more = r.walk.Next()
}

// inject notes that a fault begins now, and returns its first instant, from which on a bin begins.
func (r *record) inject(f *faultRun, now time.Duration) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := r.cutBins(now)
	f.injected, f.carried, f.watch = &at, &measure.Tally{}, r.health.watch(f.At, at, f.endsWithin(r.s.Length()))
	r.faults = append(r.faults, f)
	for _, id := range f.targets {
		r.hit(f, id, true)
	}
	return at
}

// strike notes which targets a kill really hit: nothing is charged to it on the others.
func (r *record) strike(f *faultRun, targets []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range f.targets {
		r.hit(f, id, slices.Contains(targets, id))
	}
	f.targets = targets
}

// event takes in what happened to a target.
func (r *record) event(e *plan.Event) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fleet.event(e)
}

// join notes a target that was added: events know less of it.
func (r *record) join(t plan.Target) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fleet.member(t)
}

// revert notes that a fault ended at an instant.
func (r *record) revert(f *faultRun, at time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f.ended = &at
	f.watch.until = at
}

// cut makes a bin begin now.
func (r *record) cut(now time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cutBins(now)
}

func (r *record) cutBins(now time.Duration) time.Duration {
	at := r.recorder.Cut(now)
	r.health.cut(at)
	return at
}

// maxCounted bounds the requests that are counted one by one after a run was stopped early: a second's work.
const maxCounted = 20_000_000

// end counts what the schedule still has when the load has ended; for a load that was stopped at an instant these
// requests were never offered. exact is false when there were too many to count: then their expected number is taken.
func (r *record) end(stopped bool, at time.Duration, sched profile.Schedule) (exact bool) {
	r.expire(1 << 62)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.health.finish(at)
	defer r.recorder.Finish()
	r.advance()
	if !stopped {
		for r.more {
			r.step()
		}
	}
	if !r.more {
		return true
	}
	if sched.Profile.Total()-sched.Profile.Hits(r.next.Seconds()) > maxCounted {
		r.cancelExpected(sched.Profile, at)
		return false
	}
	for r.more {
		if r.next >= at { // otherwise it was due, but the generator was late
			r.never[r.recorder.PhaseAt(r.next)]++
		}
		r.recorder.AddCancelled(r.next, 1)
		r.step()
	}
	return true
}

// cancelExpected counts as cancelled what the profile is expected to have from the walk's place on, apart from each
// other what was due until the run was stopped and what would have been due later.
func (r *record) cancelExpected(p *profile.Profile, at time.Duration) {
	until := func(t time.Duration) uint64 { return uint64(p.Hits(t.Seconds()) + .5) }
	cancel := func(phase int, from, to time.Duration) (n uint64) {
		if to > from {
			n = until(to) - until(from)
			r.planned[phase] += n
			r.recorder.Plan(from, n)
			r.recorder.AddCancelled(from, n)
		}
		return n
	}
	played := slices.Clone(r.recorder.Bins())
	for i, ph := range r.s.Load.Phases {
		from := max(ph.Start, r.next)
		for _, b := range played { // a window that was played has what was due in it
			cancel(i, max(from, b.Start), min(ph.End, at, b.End))
		}
		r.never[i] += cancel(i, max(from, at), ph.End)
	}
	r.more = false
}
