package pick

import (
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/seed-8025779b/shakedown/scenarios/draw"
)

func set(n int) *Set {
	s := &Set{}
	for i := range n {
		s.Members = append(s.Members, Member{ID: fmt.Sprint("t", i), Load: &Load{}})
	}
	return s
}

func build(t testing.TB, kind string) Strategy {
	b, err := Kinds().New(Kinds().Table().Default(kind))
	if err != nil {
		t.Fatal(err)
	}
	return b(draw.Seed(42).Stream("pick"))
}

func TestEveryStrategyPicksAmongTheReadyAndUntried(t *testing.T) {
	for _, kind := range Kinds().Table().Names() {
		t.Run(kind, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				s := build(t, kind)
				members := set(rapid.IntRange(0, 8).Draw(rt, "n"))
				for i := range members.Members {
					members.Members[i].Load.InFlight.Store(rapid.Int64Range(0, 5).Draw(rt, "load"))
				}
				r := &Request{Seq: rapid.Uint64().Draw(rt, "seq"), Attempt: rapid.IntRange(0, 3).Draw(rt, "attempt")}
				untried := 0
				for _, m := range members.Members {
					if rapid.Bool().Draw(rt, "tried") {
						r.Tried = append(r.Tried, m.ID)
					} else {
						untried++
					}
				}
				i := s.Pick(0, r, members)
				if untried == 0 {
					if i != -1 {
						rt.Fatalf("picked %d of none", i)
					}
				} else if i < 0 || i >= len(members.Members) || r.tried(&members.Members[i]) {
					rt.Fatalf("picked %d of %d, tried %v", i, len(members.Members), r.Tried)
				}
			})
		})
	}
}

func shares(s Strategy, members *Set, n int) []float64 {
	out := make([]float64, len(members.Members))
	for seq := range n {
		out[s.Pick(0, &Request{Seq: uint64(seq)}, members)] += 1 / float64(n)
	}
	return out
}

func TestIdleTargetsShareEvenly(t *testing.T) {
	for _, kind := range Kinds().Table().Names() {
		for i, share := range shares(build(t, kind), set(4), 40_000) {
			if math.Abs(share-.25) > .02 {
				t.Errorf("%s: target %d has %.3f", kind, i, share)
			}
		}
	}
}

func TestRoundRobinSequence(t *testing.T) {
	s, members := build(t, "round_robin"), set(3)
	for k := range 9 {
		if i := s.Pick(0, &Request{Seq: uint64(k)}, members); i != k%3 {
			t.Fatalf("pick %d is %d", k, i)
		}
	}
}

func TestLeastRequestsTakesTheLeastLoaded(t *testing.T) {
	s, members := build(t, "least_requests"), set(3)
	members.Members[0].Load.InFlight.Store(2)
	members.Members[2].Load.InFlight.Store(1)
	for range 5 {
		if i := s.Pick(0, &Request{}, members); i != 1 {
			t.Fatalf("picked %d", i)
		}
	}
}

// With d draws with replacement among n equally idle targets but one busy, the busy one is chosen only
// when every draw hits it: (1/n)^d.
func TestP2CAvoidsTheBusyOne(t *testing.T) {
	members := set(4)
	members.Members[3].Load.InFlight.Store(10)
	if got := shares(build(t, "p2c"), members, 100_000)[3]; math.Abs(got-1./16) > .004 {
		t.Fatalf("busy target has %.4f, want %.4f", got, 1./16)
	}
}

func TestPicksDoNotAllocate(t *testing.T) {
	for _, kind := range Kinds().Table().Names() {
		s, members, r := build(t, kind), set(50), &Request{Seq: 3, Tried: []string{"t7"}}
		if n := testing.AllocsPerRun(100, func() { s.Pick(0, r, members) }); n != 0 {
			t.Errorf("%s allocates %v times a pick", kind, n)
		}
	}
}
