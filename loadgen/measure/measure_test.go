package measure

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"pgregory.net/rapid"
)

const ms = time.Millisecond

func sample(due, done time.Duration, o Outcome) *Sample {
	s := &Sample{Request: "get", Due: due, Offered: due + ms, Sent: due + 2*ms, Done: done, Outcome: o}
	if o == Failed {
		s.Class = Refused
	}
	return s
}

func TestSuccessesAndFailuresStayApart(t *testing.T) {
	var tl Tally
	tl.Add(sample(0, 100*ms, Succeeded))
	tl.Add(sample(0, 1*ms, Failed)) // a fast failure must not improve the median of the successes
	tl.Add(sample(0, 2000*ms, Dropped))
	tl.Add(sample(0, 5*ms, Cancelled))
	if tl.Sent() != 2 || tl.Finished() != 3 || tl.Cancelled != 1 {
		t.Fatalf("%+v", tl)
	}
	if got := tl.Response.Quantile(.5).Round(ms); got != 100*ms {
		t.Errorf("response p50 = %v", got)
	}
	if got := tl.Service.Quantile(.5).Round(ms); got != 98*ms {
		t.Errorf("service p50 = %v", got)
	}
	if tl.All().Count() != 3 || tl.All().Max().Round(10*ms) != 2000*ms {
		t.Errorf("all: %d, max %v", tl.All().Count(), tl.All().Max())
	}
	if tl.Errors[Refused] != 1 || tl.Errors[NoConnection] != 1 {
		t.Errorf("errors %v", tl.Errors)
	}
	if got := tl.ErrorRate(); got != 2./3 {
		t.Errorf("error rate %v", got)
	}
}

func TestHistogramsTravelExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h Hist
		for _, v := range rapid.SliceOfN(rapid.Int64Range(0, int64(2*time.Hour)), 0, 50).Draw(t, "values") {
			h.Record(time.Duration(v))
		}
		b, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		var got Hist
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatal(err)
		}
		if got.Count() != h.Count() {
			t.Fatalf("count %d, want %d", got.Count(), h.Count())
		}
		for _, q := range []float64{0, .5, .99, 1} {
			if got.Quantile(q) != h.Quantile(q) {
				t.Fatalf("quantile %v: %v, want %v", q, got.Quantile(q), h.Quantile(q))
			}
		}
	})
}

func TestBadHistogramIsAnError(t *testing.T) {
	for _, s := range []string{`"nonsense"`, `5`, `"HISTFAAAAA"`} {
		var h Hist
		if err := json.Unmarshal([]byte(s), &h); err == nil {
			t.Errorf("%s was accepted", s)
		}
	}
}

// Whatever the order of requests, cuts, marks and looks at the bins: the marginals hold the same requests, bins keep to
// phases, cuts and marks, and what is asked of the time from a cut on is what counting the requests one by one gives.
func TestMarginalsAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		scale := rapid.SampledFrom([]time.Duration{time.Second, time.Minute, time.Hour}).Draw(t, "scale")
		phases := []Phase{{End: 2 * scale, Discard: true}, {End: 7 * scale}, {End: 20 * scale}}
		r := NewRecorder(phases, 250*ms)
		var samples []Sample
		var cuts, marks []time.Duration
		now, keep, keptBins := time.Duration(0), noDetail, 0
		for range rapid.IntRange(1, 25).Draw(t, "n") {
			now += time.Duration(rapid.Int64Range(1, int64(scale)).Draw(t, "step"))
			if rapid.IntRange(0, 4).Draw(t, "what") == 0 {
				if got := r.Cut(now); got != now {
					t.Fatalf("cut at %v instead of %v", got, now)
				}
				cuts = append(cuts, now)
				if keep == noDetail && scale < time.Hour && rapid.Bool().Draw(t, "keep") {
					keep = now
					r.Keep(now)
				}
				continue
			}
			if bins := r.Bins(); keep < now && len(bins) > 0 && bins[len(bins)-1].Start > keep && rapid.IntRange(0, 3).Draw(t, "mark") == 0 {
				kept := bins[slices.IndexFunc(bins, func(b *Bin) bool { return b.Start >= keep }):]
				at := rapid.IntRange(0, len(kept)-1).Draw(t, "edge")
				for _, b := range kept {
					if b.End-b.Start > 250*ms {
						t.Fatalf("bin from %v to %v is kept", b.Start, b.End)
					}
				}
				keptBins += len(kept)
				marks = append(marks, kept[at].Start)
				r.Mark(kept[at].Start)
				if rapid.IntRange(0, 2).Draw(t, "unmark") == 0 {
					gone := rapid.IntRange(0, len(marks)-1).Draw(t, "gone")
					r.Unmark(marks[gone])
					marks = slices.Delete(marks, gone, gone+1)
				}
				if keep = kept[at].Start; rapid.Bool().Draw(t, "none") {
					keep = noDetail
					r.KeepNone()
				} else {
					r.Keep(keep)
				}
			}
			due := max(0, now-time.Duration(rapid.Int64Range(0, int64(2*scale)).Draw(t, "took")))
			due = min(due, 20*scale-1)
			x := *sample(due, now, Outcome(rapid.IntRange(0, 3).Draw(t, "outcome")))
			x.Stalled = time.Duration(rapid.Int64Range(0, int64(now-due)).Draw(t, "stalled"))
			x.BytesIn, x.Status = 7, 200
			samples = append(samples, x)
			r.Plan(due, 1)
			r.Add(&x)
			if rapid.Bool().Draw(t, "close") {
				r.Close(now)
			}
		}
		check := func(what string, got *Tally, of func(*Sample) bool, end func(time.Duration) bool) {
			want := &Tally{}
			for i := range samples {
				if s := &samples[i]; of(s) {
					want.Add(s)
					want.AddEnd(s, end)
				}
			}
			for _, x := range [][2]*Tally{{got, want}, {got.Lower(), want.Lower()}} {
				g, w := x[0], x[1]
				if g.Succeeded != w.Succeeded || g.Failed != w.Failed || g.Dropped != w.Dropped || g.Cancelled != w.Cancelled || g.Within != w.Within ||
					g.BytesIn != w.BytesIn || g.Errors[Refused] != w.Errors[Refused] || !slices.Equal(g.Statuses, w.Statuses) || g.Delayed() != w.Delayed() {
					t.Fatalf("%s: %+v, want %+v", what, g, w)
				}
				for _, q := range []float64{.1, .5, .99, 1} {
					if g.Response.Quantile(q) != w.Response.Quantile(q) || g.Bad.Quantile(q) != w.Bad.Quantile(q) {
						t.Fatalf("%s: quantile %v: %v and %v, want %v and %v", what, q, g.Response.Quantile(q), g.Bad.Quantile(q), w.Response.Quantile(q), w.Bad.Quantile(q))
					}
				}
			}
		}
		all := func(*Sample) bool { return true }
		whole, due, ended, planned := &Tally{}, &Tally{}, &Tally{}, uint64(0)
		for i := range phases {
			whole.Merge(r.Phase(i))
		}
		last, count := time.Duration(0), 0
		for _, b := range r.Bins() {
			if b.Start != last || b.End <= b.Start {
				t.Fatalf("bin from %v to %v after %v", b.Start, b.End, last)
			}
			last = b.End
			for _, edge := range slices.Concat([]time.Duration{phases[0].End, phases[1].End}, cuts, marks) {
				if b.Start < edge && edge < b.End {
					t.Fatalf("bin from %v to %v crosses %v", b.Start, b.End, edge)
				}
			}
			due.Merge(&b.Due)
			ended.Merge(&b.Ended)
			planned += b.Planned
			count++
		}
		if keep != noDetail {
			keptBins += int((last - keep) / (250 * ms))
		}
		if count > 2*maxBins+maxDetail+len(cuts)+len(marks)+keptBins+1 {
			t.Fatalf("%d bins", count)
		}
		never := func(time.Duration) bool { return false }
		due.setEnd(end{})
		whole.setEnd(end{})
		if ended.Succeeded != whole.Succeeded || ended.Failed != whole.Failed || planned != uint64(len(samples)) {
			t.Fatalf("%d and %d ended, %d and %d in phases; %d planned of %d", ended.Succeeded, ended.Failed, whole.Succeeded, whole.Failed, planned, len(samples))
		}
		check("all", whole, all, never)
		check("due", due, all, never)
		judged, _ := r.Judged()
		in := func(s *Sample) bool { return s.Due >= phases[0].End }
		inTime := func(done time.Duration) bool { return done >= phases[0].End && done < phases[2].End }
		check("judged", judged, in, inTime)
		check("request", r.Requests()["get"].orEmpty(), in, inTime)
		for _, from := range cuts[:min(len(cuts), 3)] {
			for _, to := range slices.Concat(cuts[max(len(cuts)-2, 0):], marks[max(len(marks)-2, 0):], []time.Duration{last}) {
				if to > from {
					check(fmt.Sprintf("between %v and %v", from, to), r.Between(from, to), func(s *Sample) bool { return s.Due >= from && s.Due < to }, func(done time.Duration) bool { return done < to })
				}
			}
		}
	})
}

func (t *Tally) orEmpty() *Tally {
	if t == nil {
		return &Tally{}
	}
	return t
}

// A long run keeps its bins few, and yet those after a cut fine.
func TestBinsStayFewAndFineAfterACut(t *testing.T) {
	r := NewRecorder([]Phase{{End: 24 * time.Hour}}, 250*ms)
	for at := time.Duration(0); at < 24*time.Hour; at += time.Second {
		if at == 10*time.Hour {
			r.Cut(at)
		}
		r.Add(sample(at, at+ms, Succeeded))
		r.AddFailure(sample(at, at+ms, Failed))
		r.AddServed(sample(at, at+ms, Succeeded), int(at/time.Hour)%2)
	}
	fine, n, served := 0, uint64(0), [2]uint64{}
	for _, b := range r.Bins() {
		if b.Start >= 10*time.Hour && b.End <= 10*time.Hour+time.Minute && b.End-b.Start == 250*ms {
			fine++
		}
		for _, f := range b.Failures {
			n += f.N
		}
		for _, s := range b.Served {
			served[s.Hit] += s.N
		}
	}
	if served != [2]uint64{12 * 3600, 12 * 3600} {
		t.Errorf("%d served", served)
	}
	if count := len(r.Bins()); count > 2*maxBins || fine != detailBins || n != 24*3600 {
		t.Errorf("%d bins, %d of them fine after the cut, %d failures", count, fine, n)
	}
}

// An edge that was marked twice is kept until it is unmarked twice.
func TestBinsMergeOverAnEdgeThatIsUnmarked(t *testing.T) {
	for unmarked, kept := range []bool{true, true, false} {
		r := NewRecorder([]Phase{{End: 24 * time.Hour}}, 250*ms)
		r.Add(sample(10*time.Second, 10*time.Second+ms, Succeeded))
		const edge = 5*time.Second + 250*ms
		r.Mark(edge)
		r.Mark(edge)
		for range unmarked {
			r.Unmark(edge)
		}
		r.Add(sample(12*time.Hour, 12*time.Hour+ms, Succeeded))
		if got := slices.ContainsFunc(r.Bins(), func(b *Bin) bool { return b.Start == edge }); got != kept {
			t.Errorf("unmarked %d times: an edge at %v is %v", unmarked, edge, got)
		}
	}
}

// A cut at an instant that samples have passed begins with the next bin, and what follows is as fine as after any other,
// although that bin is a wide one.
func TestACutThatWasPassed(t *testing.T) {
	r := NewRecorder([]Phase{{End: 24 * time.Hour}}, 250*ms)
	for at := time.Duration(0); at < 12*time.Hour; at += time.Second {
		r.Add(sample(at, at+ms, Succeeded))
	}
	bins := r.Bins()
	wide := bins[len(bins)-1]
	if wide.End-wide.Start < time.Minute {
		t.Fatalf("bins of %v: the run does not show what it is for", wide.End-wide.Start)
	}
	passed := wide.End + ms
	r.Add(sample(passed-5*ms, passed, Succeeded))
	if got := r.Cut(passed - 3*ms); got != wide.End {
		t.Errorf("cut at %v, the next bin begins at %v", got, wide.End)
	}
	r.Keep(wide.End)
	for at := passed; at < passed+2*time.Minute; at += time.Second {
		r.Add(sample(at, at+ms, Succeeded))
	}
	for _, b := range r.Bins() {
		if b.Start >= wide.End && b.End-b.Start > 250*ms {
			t.Errorf("bin from %v to %v", b.Start, b.End)
		}
	}
}

// A freeze of the generator is in the figures as measured, and not in Lower.
func TestLower(t *testing.T) {
	var tl Tally
	for i := range 100 {
		s := sample(0, 10*ms, Succeeded)
		switch {
		case i >= 98:
			s.Done, s.Outcome, s.Class, s.Stalled = 2*time.Second, Failed, Timeout, 1990*ms
		case i >= 90:
			s.Done, s.Stalled = 500*ms, 490*ms
		}
		tl.Add(s)
		tl.AddEnd(s, func(t time.Duration) bool { return t < 100*ms })
	}
	low := tl.Lower()
	if tl.Response.Quantile(.99).Round(ms) != 500*ms || low.Response.Max().Round(ms) != 10*ms {
		t.Errorf("p99 %v, at best max %v", tl.Response.Quantile(.99), low.Response.Max())
	}
	if tl.Failed != 2 || low.Failed != 0 || low.Succeeded != 100 || tl.Within != 90 || low.Within != 100 || tl.Delayed() != 10 {
		t.Errorf("%+v, at best %+v", tl, low)
	}
	var calm Tally
	calm.Add(sample(0, 10*ms, Succeeded))
	if calm.Lower() != &calm {
		t.Error("a tally without a delayed request has another lower side")
	}
}

// What is done before the span of a slot that counts already belongs to no slot, and takes nothing from it.
func TestTrailingLeavesOutWhatIsOlder(t *testing.T) {
	tr := NewTrailing(2 * time.Second)
	tr.Add(sample(0, 5*time.Second, Failed))
	tr.Add(sample(0, 2900*ms, Succeeded)) // more than the span before
	tr.Add(sample(0, 3*time.Second, Succeeded))
	tr.Add(sample(0, 4*time.Second, Succeeded))
	if got, _ := tr.ErrorRate(5 * time.Second); got != 50 {
		t.Errorf("error rate %v of a failure and a success within the span", got)
	}
}

func TestTrailing(t *testing.T) {
	tr := NewTrailing(2 * time.Second)
	want := map[int]float64{49: 0, 59: 50, 99: 100}
	for i := range 100 {
		o := Succeeded
		if i >= 50 { // failures from 5 s on
			o = Failed
		}
		at := time.Duration(i) * 100 * ms
		tr.Add(sample(0, at, o))
		if w, ok := want[i]; ok {
			if got, atBest := tr.ErrorRate(at); got < w-6 || got > w+6 || atBest != got {
				t.Errorf("at %v: %v, want %v", at, got, w)
			}
		}
	}
	if got, _ := tr.ErrorRate(20 * time.Second); got != 0 {
		t.Errorf("long after: %v", got)
	}
}

// What may have failed by the generator's own delay is no failure at best.
func TestTrailingKnowsBothSides(t *testing.T) {
	tr := NewTrailing(2 * time.Second)
	for i := range 10 {
		x := sample(0, time.Second, Failed)
		if i < 6 {
			x.Stalled = 900 * ms
		}
		tr.Add(x)
	}
	tr.Add(sample(0, time.Second, Succeeded))
	if got, atBest := tr.ErrorRate(time.Second); got != Percent(10, 11) || atBest != Percent(4, 11) {
		t.Errorf("%v, at best %v", got, atBest)
	}
}

// A request that the generator offered too late to be of use was not offered; one that was cancelled under way was.
func TestOffered(t *testing.T) {
	for name, tc := range map[string]struct {
		x    Sample
		want uint64
	}{
		"answered":                        {Sample{Offered: ms, Done: 20 * ms}, 1},
		"cancelled":                       {Sample{Offered: ms, Done: 20 * ms, Outcome: Cancelled}, 1},
		"found no connection":             {Sample{Offered: ms, Done: 900 * ms, Wait: 899 * ms, Outcome: Dropped}, 1},
		"dropped at once":                 {Sample{Offered: ms, Done: ms, Outcome: Dropped}, 1},
		"too late":                        {Sample{Offered: 3000 * ms, Done: 3000 * ms, Stalled: 3000 * ms, Outcome: Dropped}, 0},
		"late, and found no connection":   {Sample{Offered: 300 * ms, Done: 900 * ms, Stalled: 300 * ms, Outcome: Dropped}, 1},
		"late, and failed in no time":     {Sample{Offered: 3000 * ms, Done: 3000 * ms, Stalled: 3000 * ms, Outcome: Failed}, 1},
		"late, and the answer seen later": {Sample{Offered: 300 * ms, Done: 900 * ms, Stalled: 500 * ms}, 1},
	} {
		var one, sum Tally
		one.Add(&tc.x)
		sum.Merge(&one)
		if sum.Offered != tc.want {
			t.Errorf("%s: %d offered", name, sum.Offered)
		}
	}
}

// At best a failure that the generator may have turned is an answer whose status nobody knows, and how long it would have
// taken is not known of one that was never sent.
func TestLowerOfTurnedFailures(t *testing.T) {
	var one, tl Tally
	for i := range 100 {
		x := sample(0, 10*ms, Succeeded)
		x.Status = 200
		switch {
		case i >= 95:
			*x = Sample{Offered: 2900 * ms, Done: 2900 * ms, Stalled: 2900 * ms, Outcome: Dropped}
		case i >= 90:
			*x = Sample{Done: 400 * ms, Stalled: 380 * ms, Outcome: Failed, Class: Status5xx, Status: 503}
		}
		one.Add(x)
	}
	tl.Merge(&one)
	low := tl.Lower()
	if low.Succeeded != 100 || low.MayBeGood != 10 || !slices.Equal(low.Statuses, statuses{{200, 90}}) {
		t.Errorf("%d succeeded, %d of them of unknown status; %v", low.Succeeded, low.MayBeGood, low.Statuses)
	}
	if got := low.Response.Quantile(.01).Round(ms); got != 10*ms || low.Response.Count() != 95 {
		t.Errorf("the fastest of %d took %v", low.Response.Count(), got)
	}
}

// At worst a success that missed a fault has failed, and nobody knows with which status.
func TestWorst(t *testing.T) {
	var one, tl Tally
	for i := range 100 {
		x := sample(0, 10*ms, Succeeded)
		x.Status = 200
		if i >= 90 {
			x.Stalled, x.Missed = 5*ms, 1
		}
		one.Add(x)
		one.AddEnd(x, func(time.Duration) bool { return true })
	}
	tl.Merge(&one)
	var misses Misses
	misses.Add(200, 10)
	w := tl.Worst(&misses)
	if w.Succeeded != 90 || w.Failed != 10 || w.Within != 90 || w.MayBeBad != 10 || !slices.Equal(w.Statuses, statuses{{200, 90}}) || w.ErrorRate() != .1 {
		t.Errorf("%+v", w)
	}
	if tl.Failed != 0 || tl.Succeeded != 100 || w.Response.Count() != 100 {
		t.Errorf("as measured %+v", tl)
	}
	var calm Tally
	calm.Add(sample(0, 10*ms, Succeeded))
	if calm.Worst(&Misses{}) != &calm {
		t.Error("a tally of which nothing missed a fault has another side at worst")
	}
}

// What missed the same faults is counted together in each bin, and keeps its number and its bounds when bins merge.
func TestMissedOfBinsThatMerge(t *testing.T) {
	r := NewRecorder([]Phase{{End: 24 * time.Hour}}, 250*ms)
	const n = 2000
	for i := range n {
		due := time.Duration(i) * time.Second
		x := sample(due, due+100*ms, Succeeded)
		x.Offered, x.Sent = x.Due+80*ms, x.Due+80*ms
		x.Stalled, x.Missed, x.Status = 80*ms, 1+i%2, 200
		r.Add(x)
	}
	r.Finish()
	got := map[int]uint64{}
	for _, b := range r.Bins() {
		if len(b.Missed) > 2 {
			t.Fatalf("%d counts in the bin at %v", len(b.Missed), b.Start)
		}
		for _, m := range b.Missed {
			got[m.Faults] += m.N
			if m.First < b.Start || m.Last >= b.End || m.First > m.Last-80*ms || m.Status != 200 {
				t.Errorf("%+v in the bin from %v to %v", m, b.Start, b.End)
			}
		}
	}
	if got[1] != n/2 || got[2] != n/2 {
		t.Errorf("%v", got)
	}
}

// A log reads back as HdrHistogram's own reader reads it.
func TestLogReadsBack(t *testing.T) {
	var b bytes.Buffer
	l := NewLog(&b, time.UnixMilli(1764000000123))
	var one, none, two Hist
	one.Record(3 * time.Millisecond)
	two.Record(time.Millisecond)
	two.Record(time.Second)
	two.Pack()
	for i, h := range []*Hist{&one, &none, &two} {
		if err := l.Add(h, float64(i)*250, float64(i+1)*250); err != nil {
			t.Fatal(err)
		}
	}
	if l.Err() != nil {
		t.Fatal(l.Err())
	}
	r := hdrhistogram.NewHistogramLogReader(&b)
	for _, want := range []struct{ start, count, max int64 }{{0, 1, 3000}, {500, 2, 1000000}} {
		h, err := r.NextIntervalHistogram()
		if err != nil || h == nil {
			t.Fatal(h, err)
		}
		// The reader counts from the start time on, as the writer's line says.
		if h.TotalCount() != want.count || h.Max()/1000 != want.max/1000 || h.StartTimeMs()%1764000000123 != want.start || h.EndTimeMs()-h.StartTimeMs() != 250 {
			t.Errorf("%d values up to %d, from %d to %d", h.TotalCount(), h.Max(), h.StartTimeMs(), h.EndTimeMs())
		}
	}
	if h, err := r.NextIntervalHistogram(); h != nil || err != nil {
		t.Error(h, err)
	}
	if one.Count() != 1 {
		t.Error("writing a log changed the histogram")
	}
}

func TestAtMost(t *testing.T) {
	var h Hist
	for _, ms := range []int{1, 2, 2, 9} {
		h.Record(time.Duration(ms) * time.Millisecond)
	}
	got := h.AtMost([]time.Duration{500 * time.Microsecond, time.Millisecond, 5 * time.Millisecond, time.Second})
	if !slices.Equal(got, []uint64{0, 1, 3, 4}) {
		t.Error(got)
	}
}

// A histogram holds the same values whether they are kept one by one, packed or dense, and whichever way they came.
func TestHistogramsKeepFewValuesOneByOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var want Hist
		want.open() // dense from the start
		parts := make([]Hist, 3)
		for range rapid.IntRange(0, 4).Draw(t, "n") {
			i := rapid.IntRange(0, 2).Draw(t, "part")
			for range rapid.SampledFrom([]int{1, 5, maxFew - 1, maxFew, 3 * maxFew}).Draw(t, "values") {
				v := time.Duration(rapid.Int64Range(0, int64(2*time.Hour)).Draw(t, "value"))
				want.Record(v)
				parts[i].Record(v)
			}
			switch rapid.IntRange(0, 3).Draw(t, "then") {
			case 0:
				parts[i].Pack()
			case 1:
				parts[i] = parts[i].clone()
			case 2:
				parts[2].Merge(&parts[i/2])
				want.Merge(parts[i/2].Dense())
			}
		}
		var got Hist
		for i := range parts {
			got.Merge(&parts[i])
		}
		if got.Count() != want.Count() || got.Mean() != want.Mean() || got.Max() != want.Max() || got.Quantile(.5) != want.Quantile(.5) {
			t.Fatalf("%d values, mean %v, p50 %v, max %v, want %d, %v, %v, %v", got.Count(), got.Mean(), got.Quantile(.5), got.Max(), want.Count(), want.Mean(), want.Quantile(.5), want.Max())
		}
		a, errA := json.Marshal(got)
		b, errB := json.Marshal(want)
		if errA != nil || errB != nil || !bytes.Equal(a, b) {
			t.Fatalf("written as %s (%v), want %s (%v)", a, errA, b, errB)
		}
	})
}

// An example of a class of failure comes from a phase that is judged, as the count beside it does.
func TestExamplesAreOfJudgedPhases(t *testing.T) {
	r := NewRecorder([]Phase{{End: time.Second, Discard: true}, {End: 2 * time.Second}}, time.Second)
	failed := func(due time.Duration, class Class, detail string) {
		s := sample(due, 10*ms, Failed)
		s.Class, s.Detail = class, detail
		r.Add(s)
	}
	failed(0, Status5xx, "status 502")
	failed(0, Refused, "connection refused")
	failed(1500*ms, Status5xx, "status 503")
	failed(1600*ms, Status5xx, "status 504")
	if got := r.Examples(); len(got) != 1 || got[Status5xx] != "status 503" {
		t.Errorf("examples %v", got)
	}
}
