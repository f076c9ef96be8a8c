package measure

import (
	"bytes"
	"encoding/json"
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

func TestMarginalsAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := NewRecorder([]time.Duration{5 * time.Second, 2000 * time.Second}, 250*ms)
		n := rapid.IntRange(1, 40).Draw(t, "n")
		for range n {
			due := time.Duration(rapid.Int64Range(0, int64(1999*time.Second)).Draw(t, "due"))
			r.Add(sample(due, due+time.Second, Outcome(rapid.IntRange(0, 3).Draw(t, "outcome"))))
			if rapid.Bool().Draw(t, "close") {
				r.Close(due)
			}
		}
		var phases, windows Tally
		phases.Merge(r.Phase(0))
		phases.Merge(r.Phase(1))
		last := time.Duration(-1)
		ws := r.Windows()
		for _, w := range ws {
			if w.Start <= last || w.End-w.Start != r.Width() {
				t.Fatalf("window %v to %v after %v", w.Start, w.End, last)
			}
			last = w.Start
			windows.Merge(w.Tally)
		}
		if len(ws) > maxWindows {
			t.Fatalf("%d windows", len(ws))
		}
		if a, b := phases.Finished()+phases.Cancelled, windows.Finished()+windows.Cancelled; a != uint64(n) || b != uint64(n) {
			t.Fatalf("phases hold %d, windows %d, added %d", a, b, n)
		}
		if phases.All().Quantile(.99) != windows.All().Quantile(.99) {
			t.Fatal("marginals disagree on p99")
		}
	})
}

func TestTrailing(t *testing.T) {
	tr := NewTrailing(2 * time.Second)
	want := map[int]float64{49: 0, 59: .5, 99: 1}
	for i := range 100 {
		o := Succeeded
		if i >= 50 { // failures from 5 s on
			o = Failed
		}
		at := time.Duration(i) * 100 * ms
		tr.Add(sample(0, at, o))
		if w, ok := want[i]; ok {
			if got := tr.ErrorRate(at); got < w-.06 || got > w+.06 {
				t.Errorf("at %v: %v, want %v", at, got, w)
			}
		}
	}
	if got := tr.ErrorRate(20 * time.Second); got != 0 {
		t.Errorf("long after: %v", got)
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

func TestBelow(t *testing.T) {
	var h Hist
	for _, ms := range []int{1, 2, 2, 9} {
		h.Record(time.Duration(ms) * time.Millisecond)
	}
	got := h.Below([]time.Duration{500 * time.Microsecond, time.Millisecond, 5 * time.Millisecond, time.Second})
	if !slices.Equal(got, []uint64{0, 1, 3, 4}) {
		t.Error(got)
	}
}
