package mix

import (
	"math"
	"testing"
)

func TestSharesFollowWeights(t *testing.T) {
	m, err := New(42, []Request{{Name: "a", Weight: 8}, {Name: "b", Weight: 2}})
	if err != nil {
		t.Fatal(err)
	}
	const n = 100_000
	a := 0
	for seq := range uint64(n) {
		if m.At(seq).Name == "a" {
			a++
		}
	}
	if got := float64(a) / n; math.Abs(got-.8) > .01 { // eight standard errors
		t.Fatalf("share of a = %v", got)
	}
}

func TestRefusesBadWeights(t *testing.T) {
	for _, rs := range [][]Request{nil, {{Name: "a"}}, {{Name: "a", Weight: -1}}, {{Name: "a", Weight: math.NaN()}}} {
		if _, err := New(1, rs); err == nil {
			t.Errorf("%v was accepted", rs)
		}
	}
}
