package draw

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestDrawsDependOnIdentityAlone(t *testing.T) {
	a, b := Seed(7).Stream("service"), Seed(7).Stream("service")
	for seq := uint64(0); seq < 100; seq++ {
		if a.Uint64(seq, 0) != b.Uint64(seq, 0) {
			t.Fatalf("draw %d differs between equal streams", seq)
		}
		if a.Uint64(seq, 0) == a.Uint64(seq, 1) {
			t.Fatalf("attempts of %d share a draw", seq)
		}
	}
	if Seed(7).Stream("service").Uint64(1, 0) == Seed(8).Stream("service").Uint64(1, 0) {
		t.Fatal("the seed does nothing")
	}
	if Seed(7).Stream("service").Uint64(1, 0) == Seed(7).Stream("fault").Uint64(1, 0) {
		t.Fatal("the stream's name does nothing")
	}
}

func TestFloatIsUniform(t *testing.T) {
	const n = 100_000
	s := Seed(1).Stream("uniform")
	var sum, sq float64
	for i := range n {
		u := s.Float(uint64(i), 0)
		sum += u
		sq += u * u
	}
	mean, variance := sum/n, sq/n-(sum/n)*(sum/n)
	// Five standard errors of the mean of a uniform variable; the draw is fixed, so this never flickers.
	if math.Abs(mean-.5) > 5*math.Sqrt(1./12/n) || math.Abs(variance-1./12) > .002 {
		t.Fatalf("mean %.5f, variance %.5f", mean, variance)
	}
}

func TestRanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Seed(rapid.Uint64().Draw(t, "seed")).Stream(rapid.String().Draw(t, "stream"))
		seq, attempt, n := rapid.Uint64().Draw(t, "seq"), rapid.IntRange(0, 5).Draw(t, "attempt"), rapid.IntRange(1, 1000).Draw(t, "n")
		if u := s.Float(seq, attempt); u < 0 || u >= 1 {
			t.Fatalf("Float = %v", u)
		}
		if i := s.Intn(n, seq, attempt); i < 0 || i >= n {
			t.Fatalf("Intn(%d) = %d", n, i)
		}
		if e := s.Exp(seq, attempt); e < 0 || math.IsInf(e, 0) || math.IsNaN(e) {
			t.Fatalf("Exp = %v", e)
		}
	})
}

func TestNormalQuantile(t *testing.T) {
	for p, want := range map[float64]float64{.5: 0, .99: 2.326348, .975: 1.959964} {
		if got := NormalQuantile(p); math.Abs(got-want) > 1e-6 {
			t.Errorf("NormalQuantile(%v) = %v, want %v", p, got, want)
		}
	}
}
