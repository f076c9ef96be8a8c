package profile

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// vegeta's own table for a pacer that starts at 100/s and grows by 10/s each second.
func TestRampAgainstVegetasTable(t *testing.T) {
	r := Ramp{From: 100, To: 100 + 10*128, Seconds: 128}
	for at, want := range map[float64]float64{.5: 51.25, 1: 105, 2: 220, 4: 480, 8: 1120, 16: 2880, 32: 8320, 64: 26880, 128: 94720} {
		if got := r.Hits(at); math.Abs(got-want) > 1e-9 {
			t.Errorf("Hits(%v) = %v, want %v", at, got, want)
		}
	}
}

func segment() *rapid.Generator[Segment] {
	return rapid.Custom(func(t *rapid.T) Segment {
		length := rapid.Float64Range(.1, 100).Draw(t, "length")
		rate := rapid.Float64Range(.5, 5000).Draw(t, "rate")
		switch rapid.IntRange(0, 5).Draw(t, "kind") {
		case 0:
			return Hold{rate, length}
		case 1:
			return Steps{rapid.Float64Range(0, 5000).Draw(t, "from"), rate, rapid.IntRange(2, 50).Draw(t, "count"), length}
		case 2:
			return Sine{rate, rate * rapid.SampledFrom([]float64{0, .5, 1}).Draw(t, "swing"), rapid.Float64Range(.1, 200).Draw(t, "period"), length}
		case 3:
			return chain{New(Pause{length / 3}, Hold{rate, length / 3}, Pause{length / 3})}
		case 4:
			rates, err := newRates([]row{{length / 4, rate, true}, {length / 2, 0, true}, {length * .6, rate / 2, true}, {length * 2, 1, true}}, length)
			if err != nil {
				t.Fatal(err)
			}
			return rates
		}
		r := Ramp{rapid.Float64Range(0, 5000).Draw(t, "from"), rapid.Float64Range(0, 5000).Draw(t, "to"), length}
		if r.From+r.To < 1 {
			r.To++
		}
		return r
	})
}

func TestTimeInvertsHits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := segment().Draw(t, "segment")
		h := s.Hits(s.Length()) * rapid.Float64Range(0, 1).Draw(t, "share")
		if got := s.Hits(s.Time(h)); math.Abs(got-h) > 1e-6*(1+h) {
			t.Fatalf("Hits(Time(%v)) = %v for %+v", h, got, s)
		}
	})
}

func TestEvenArrivalsStayWithinHalfARequestOfTheProfile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := New(rapid.SliceOfN(segment(), 1, 4).Draw(t, "segments")...)
		w := Schedule{Profile: p, Arrivals: Even}.Walk()
		last, n := time.Duration(-1), 0
		for ; n < 5000; n++ {
			seq, due, ok := w.Next()
			if !ok {
				break
			}
			if seq != uint64(n) || due < last {
				t.Fatalf("request %d: sequence %d, due %v after %v", n, seq, due, last)
			}
			// The due time is rounded to a nanosecond, which moves Hits by the rate times 1e-9.
			if h := p.Hits(due.Seconds()); math.Abs(h-(float64(n)+.5)) > 1e-4*(1+h) {
				t.Fatalf("request %d is due where Hits = %v", n, h)
			}
			last = due
		}
		if n < 5000 && math.Abs(float64(n)-p.Total()) > .5+1e-6 {
			t.Fatalf("%d arrivals, expected %v", n, p.Total())
		}
	})
}

// What Left tells at the start, and after each arrival, is what the walk then has.
func TestLeftIsWhatComes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var segments []Segment
		for range rapid.IntRange(1, 5).Draw(t, "segments") {
			length := float64(rapid.IntRange(1, 40).Draw(t, "quarters")) / 4
			switch rate := float64(rapid.IntRange(1, 30).Draw(t, "rate")); rapid.IntRange(0, 5).Draw(t, "kind") {
			case 0:
				segments = append(segments, segment().Draw(t, "other"))
			case 1:
				segments = append(segments, Pause{length})
			case 2:
				var rows []row
				for range rapid.IntRange(1, 6).Draw(t, "instants") {
					rows = append(rows, row{at: length * float64(rapid.IntRange(0, 7).Draw(t, "eighth")) / 8})
				}
				slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(a.at, b.at) })
				x, err := newInstants(rows, length)
				if err != nil {
					t.Fatal(err)
				}
				segments = append(segments, x)
			default:
				segments = append(segments, Hold{rate, length})
			}
		}
		const most = 20_000
		p := New(segments...)
		if p.Total() > most {
			t.Skip("too many to count each time")
		}
		w := Schedule{Profile: p, Arrivals: Even}.Walk()
		left := []float64{w.Left()}
		for _, _, ok := w.Next(); ok; _, _, ok = w.Next() {
			left = append(left, w.Left())
		}
		for i, got := range left {
			if want := float64(len(left) - 1 - i); got != want {
				t.Fatalf("%v left after %d arrivals of %d in %+v", got, i, len(left)-1, segments)
			}
		}
	})
}

// The expected number of Poisson arrivals is what the profile has, and that of recorded instants is exact.
func TestLeftOfPoissonArrivals(t *testing.T) {
	x, err := newInstants([]row{{at: 1}, {at: 1}, {at: 2}}, 3)
	if err != nil {
		t.Fatal(err)
	}
	w := Schedule{Profile: New(Hold{10, 5}, x, Hold{4, 10}), Arrivals: Poisson, Seed: 7}.Walk()
	if got := w.Left(); got != 50+3+40 {
		t.Errorf("%v at the start", got)
	}
	for range 2 {
		_, due, _ := w.Next()
		if got, want := w.Left(), 10*(5-due.Seconds())+3+40; math.Abs(got-want) > 1e-6 {
			t.Errorf("%v left at %v, want %v", got, due, want)
		}
	}
}

// Kolmogorov–Smirnov on 100,000 inter-arrival times against the exponential distribution.
func TestPoissonArrivals(t *testing.T) {
	const rate, n = 1000, 100_000
	gaps := func() []float64 {
		w := Schedule{Profile: New(Hold{rate, 2 * n / rate}), Arrivals: Poisson, Seed: 42}.Walk()
		var out []float64
		last := 0.
		for range n {
			_, due, _ := w.Next()
			out = append(out, due.Seconds()-last)
			last = due.Seconds()
		}
		return out
	}
	g := gaps()
	again := gaps()
	var sum, sq float64
	for i, x := range g {
		if x != again[i] {
			t.Fatalf("arrival %d differs between two walks", i)
		}
		sum += x
		sq += x * x
	}
	mean, variance := sum/n, sq/n-(sum/n)*(sum/n)
	if math.Abs(mean*rate-1) > .02 || math.Abs(variance*rate*rate-1) > .04 {
		t.Errorf("mean %v (want %v), variance %v (want %v)", mean, 1./rate, variance, 1./rate/rate)
	}
	if d := ks(g, rate); d > 1.63/math.Sqrt(n) { // the 1 % point; the draw is fixed, so this never flickers
		t.Errorf("KS distance %v", d)
	}
}

func ks(x []float64, rate float64) float64 {
	sorted := append([]float64(nil), x...)
	slices.Sort(sorted)
	var d float64
	for i, v := range sorted {
		f := 1 - math.Exp(-rate*v)
		d = max(d, math.Abs(f-float64(i)/float64(len(x))), math.Abs(f-float64(i+1)/float64(len(x))))
	}
	return d
}

// The shapes' arrivals by time against their closed forms, within one request.
func TestShapesAgainstTheirClosedForms(t *testing.T) {
	for name, tc := range map[string]struct {
		s    Segment
		hits map[float64]float64
	}{
		"ramp from 0":   {Ramp{0, 100, 10}, map[float64]float64{1: 5, 5: 125, 10: 500}},
		"ramp to 0":     {Ramp{100, 0, 10}, map[float64]float64{1: 95, 5: 375, 10: 500}},
		"steps":         {Steps{100, 300, 3, 9}, map[float64]float64{3: 300, 4.5: 600, 6: 900, 9: 1800}},
		"sine at zero":  {Sine{50, 50, 4, 8}, map[float64]float64{2: 100 + 200/math.Pi, 4: 200, 8: 400}},
		"a pause first": {chain{New(Pause{2}, Hold{10, 2})}, map[float64]float64{1: 0, 2: 0, 3: 10, 4: 20}},
	} {
		w := Schedule{Profile: New(tc.s), Arrivals: Even}.Walk()
		var due []float64
		for _, at, ok := w.Next(); ok; _, at, ok = w.Next() {
			due = append(due, at.Seconds())
		}
		for at, want := range tc.hits {
			n, _ := slices.BinarySearch(due, at)
			if math.Abs(float64(n)-want) > 1 {
				t.Errorf("%s: %d arrivals by %v s, want %.2f", name, n, at, want)
			}
		}
	}
}

func recorded(t *testing.T, text string, seconds float64) (Segment, error) {
	t.Helper()
	return replay.New(spec.Values{"file": spec.Content{Name: "r.csv", Text: text}, "speed": 1., "scale": 1., "for": time.Duration(seconds * 1e9)})
}

func dues(s Schedule) (out []time.Duration) {
	w := s.Walk()
	for _, at, ok := w.Next(); ok; _, at, ok = w.Next() {
		out = append(out, at)
	}
	return out
}

// Recorded instants are kept to the nanosecond, among other segments and whatever the arrivals of those.
func TestRecordedInstantsAreExact(t *testing.T) {
	x, err := recorded(t, "time\n1764000000.5\n1764000000.5\n1764000001.25\n1764000004\n", 5)
	if err != nil {
		t.Fatal(err)
	}
	want := []time.Duration{0, 0, 750 * time.Millisecond, 3500 * time.Millisecond}
	for _, arrivals := range []Arrivals{Even, Poisson} {
		if got := dues(Schedule{Profile: New(x), Arrivals: arrivals, Seed: 1}); !slices.Equal(got, want) {
			t.Errorf("%s: %v", arrivals, got)
		}
		got := dues(Schedule{Profile: New(Hold{10.3, 1}, x, Hold{20, 1}), Arrivals: arrivals, Seed: 1})
		if !slices.IsSorted(got) {
			t.Errorf("%s: not in order: %v", arrivals, got)
		}
		i := slices.Index(got, time.Second)
		if i < 0 || !slices.Equal(got[i:i+4], []time.Duration{1e9, 1e9, 1e9 + want[2], 1e9 + want[3]}) {
			t.Errorf("%s: %v", arrivals, got)
		}
		if arrivals == Even && (i != 10 || len(got) != 10+4+20 || got[14] != 6*time.Second+25*time.Millisecond) {
			t.Errorf("%d before, %d in all, then at %v", i, len(got), got[14])
		}
	}
}

func TestInstantsInvert(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var rows []row
		at := 0.
		for range rapid.IntRange(1, 20).Draw(t, "n") {
			at += rapid.Float64Range(.001, 1).Draw(t, "gap")
			rows = append(rows, row{at: at})
		}
		x, err := newInstants(rows, at+rapid.Float64Range(.001, 1).Draw(t, "rest"))
		if err != nil {
			t.Fatal(err)
		}
		h := float64(len(rows)) * rapid.Float64Range(0, 1).Draw(t, "share")
		if got := x.Hits(x.Time(h)); math.Abs(got-h) > 1e-6 {
			t.Fatalf("Hits(Time(%v)) = %v", h, got)
		}
		for k := range rows {
			if x.Time(float64(k)+.5) != rows[k].at {
				t.Fatalf("arrival %d at %v, recorded at %v", k, x.Time(float64(k)+.5), rows[k].at)
			}
		}
	})
}

func TestRecordedRates(t *testing.T) {
	s, err := recorded(t, "# from the monitoring\nseconds, rate\n0, 10\n2, 30/s\n3, 0\n4, 5\n", 6)
	if err != nil {
		t.Fatal(err)
	}
	for at, want := range map[float64]float64{1: 10, 2: 20, 2.5: 35, 3: 50, 3.5: 50, 4: 50, 6: 60} {
		if got := s.Hits(at); math.Abs(got-want) > 1e-9 {
			t.Errorf("Hits(%v) = %v, want %v", at, got, want)
		}
	}
	if n := len(dues(Schedule{Profile: New(s)})); n != 60 {
		t.Errorf("%d arrivals", n)
	}
	fast, err := replay.New(spec.Values{"file": spec.Content{Text: "0,10\n4,20"}, "speed": 2., "scale": 3., "for": 4 * time.Second})
	if err != nil || fast.Hits(2) != 120 || fast.Hits(4) != 360 {
		t.Errorf("%v, %v", fast, err)
	}
}

func TestBadRecordings(t *testing.T) {
	for text, want := range map[string]string{
		"":                 "holds no time",
		"time,rate\n":      "holds no time",
		"1,2,3":            "line 1: 3 columns",
		"0,5\nx,6":         `line 2: "x" is not a time`,
		"0,5\n1,-3":        `line 2: "-3" is not a rate`,
		"0,5\n1,1e99":      `line 2: "1e99" is not a rate`,
		"0,5\n2,5\n1,5":    "line 3: 1 is before",
		"0,5\n1":           "line 2",
		"0,0\n1,0":         "rate is zero",
		"90":               "rate is zero", // after the end
		"-1":               "is before",
		"2026-11-21T10:00": `line 1: "2026-11-21T10:00" is not a time`,
	} {
		if _, err := recorded(t, text, 10); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := replay.New(spec.Values{"file": spec.Content{Text: "1\n2"}, "speed": 1., "scale": 2., "for": 4 * time.Second}); err == nil {
		t.Error("scale on instants was accepted")
	}
}
