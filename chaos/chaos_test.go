package chaos

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

func wire(t testing.TB, kind string, v spec.Values) Wire {
	e, ok := Kinds().Table().Find(kind)
	if !ok {
		t.Fatal(kind)
	}
	all := spec.Defaults(e.Params)
	for k, x := range v {
		all[k] = x
	}
	k, err := Kinds().New(spec.Choice{Kind: kind, Values: all})
	if err != nil {
		t.Fatal(err)
	}
	return k.Wire
}

func candidates(n int) (c []Candidate) {
	for i := range n {
		c = append(c, Candidate{fmt.Sprint("web-", i+1), string(rune('a' + i%2))})
	}
	return c
}

func TestSelectors(t *testing.T) {
	for _, tc := range []struct {
		s    Selector
		n    int
		want int
	}{
		{Selector{Count: 1}, 3, 1}, {Selector{Count: 5}, 3, 3}, {Selector{Percent: .34}, 3, 2}, {Selector{Percent: .01}, 3, 1},
		{Selector{Percent: 1. / 3}, 3, 1}, {Selector{All: true}, 3, 3}, {Selector{ID: "web-2"}, 3, 1}, {Selector{ID: "web-9"}, 3, 0}, {Selector{Zone: "a"}, 3, 2},
	} {
		if got := tc.s.Choose(1, "f", candidates(tc.n)); len(got) != tc.want {
			t.Errorf("%+v of %d: %v", tc.s, tc.n, got)
		}
	}
}

func TestChoiceIgnoresOrderAndOtherFaults(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := candidates(rapid.IntRange(1, 20).Draw(t, "n"))
		shuffled := rapid.Permutation(c).Draw(t, "order")
		s := Selector{Count: rapid.IntRange(1, 5).Draw(t, "count")}
		if a, b := s.Choose(3, "kill-one", c), s.Choose(3, "kill-one", shuffled); !slices.Equal(a, b) {
			t.Fatalf("%v, then %v", a, b)
		}
	})
	seen := map[string]bool{}
	for seed := range draw.Seed(50) {
		seen[Selector{Count: 1}.Choose(seed, "f", candidates(3))[0]] = true
	}
	if len(seen) != 3 {
		t.Fatalf("fifty seeds chose only %v", seen)
	}
}

func TestLatencyStaysInItsBand(t *testing.T) {
	w := wire(t, "latency", spec.Values{"delay": 100 * time.Millisecond, "jitter": 50 * time.Millisecond})
	a := (*Active)(nil).With(1, "slow", w, []string{"web-1"})
	low, high := time.Hour, time.Duration(0)
	for seq := range uint64(10_000) {
		d := a.Touch(&Exchange{Target: "web-1", Seq: seq}).Delay
		low, high = min(low, d), max(high, d)
	}
	if low < 50*time.Millisecond || low > 51*time.Millisecond || high > 150*time.Millisecond || high < 149*time.Millisecond {
		t.Fatalf("%v to %v", low, high)
	}
	if a.Hits("slow") != 10_000 {
		t.Fatalf("%d hits", a.Hits("slow"))
	}
	if e := a.Touch(&Exchange{Target: "web-2"}); e != (Effect{}) {
		t.Fatal("it touched another target")
	}
}

func TestShareAndProbes(t *testing.T) {
	w := wire(t, "error", spec.Values{"share": .25, "probes": false, "status": 503})
	a := (*Active)(nil).With(1, "f", w, []string{"t"})
	n := 0
	for seq := range uint64(40_000) {
		if a.Touch(&Exchange{Target: "t", Seq: seq}).Status == 503 {
			n++
		}
		if a.Touch(&Exchange{Target: "t", Seq: seq, Probe: true}).Status != 0 {
			t.Fatal("a probe was touched")
		}
	}
	if got := float64(n) / 40_000; math.Abs(got-.25) > .01 {
		t.Fatalf("share %v", got)
	}
}

// A neighbour's coming and going must not re-roll a fault's draws.
func TestFaultsDoNotDisturbEachOther(t *testing.T) {
	slow := wire(t, "latency", spec.Values{"delay": 100 * time.Millisecond, "jitter": 50 * time.Millisecond, "share": .5})
	alone := (*Active)(nil).With(1, "slow", slow, []string{"t"})
	both := alone.With(1, "bad", wire(t, "error", spec.Values{"share": .5}), []string{"t"})
	after := both.Without("bad")
	for seq := range uint64(1000) {
		x := &Exchange{Target: "t", Seq: seq}
		if d := alone.Touch(x).Delay; both.Touch(x).Delay != d || after.Touch(x).Delay != d {
			t.Fatalf("request %d was re-rolled", seq)
		}
	}
}

// Which of several faults shaped an exchange does not depend on the order of their injection, but among equals.
func TestFaultThatShapedAnExchange(t *testing.T) {
	latency := func(delay time.Duration) Wire { return wire(t, "latency", spec.Values{"delay": delay}) }
	failing := wire(t, "error", nil)
	untouching := wire(t, "error", spec.Values{"share": 1e-9})
	type fault struct {
		id string
		w  Wire
	}
	for _, tc := range []struct {
		faults []fault
		want   string
	}{
		{nil, ""},
		{[]fault{{"slow", latency(time.Second)}}, "slow"},
		{[]fault{{"slow", latency(time.Second)}, {"slower", latency(2 * time.Second)}}, "slower"},
		{[]fault{{"slower", latency(2 * time.Second)}, {"slow", latency(time.Second)}}, "slower"},
		{[]fault{{"one", latency(time.Second)}, {"two", latency(time.Second)}}, "one"},
		{[]fault{{"slow", latency(time.Second)}, {"bad", failing}}, "bad"},
		{[]fault{{"bad", failing}, {"slow", latency(time.Second)}}, "bad"},
		{[]fault{{"bad", failing}, {"worse", failing}}, "bad"},
		{[]fault{{"untouched", untouching}, {"slow", latency(time.Second)}}, "slow"},
	} {
		var a *Active
		for _, f := range tc.faults {
			a = a.With(1, f.id, f.w, []string{"t"})
		}
		if got := a.Touch(&Exchange{Target: "t", Seq: 1}).Fault; got != tc.want {
			t.Errorf("%v: shaped by %q, want %q", tc.faults, got, tc.want)
		}
	}
}

func TestImpossibleJitter(t *testing.T) {
	if _, err := Kinds().New(spec.Choice{Kind: "latency", Values: spec.Values{"delay": time.Second, "jitter": time.Minute}}); err == nil {
		t.Fatal("accepted")
	}
}

// Only a fault that does nothing but delay says by how much at the most.
func TestDelays(t *testing.T) {
	for kind, tc := range map[string]struct {
		values spec.Values
		want   time.Duration
	}{
		"latency": {spec.Values{"delay": 100 * time.Millisecond, "jitter": 50 * time.Millisecond, "share": 1., "probes": true}, 150 * time.Millisecond},
		"error":   {spec.Values{"status": 503, "share": 1., "probes": true}, 0},
		"kill":    {spec.Values{}, 0},
	} {
		k, err := Kinds().New(spec.Choice{Kind: kind, Values: tc.values})
		if err != nil {
			t.Fatal(err)
		}
		if k.Delays != tc.want {
			t.Errorf("%s: %v, want %v", kind, k.Delays, tc.want)
		}
	}
}
