package pick

import (
	"time"

	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

var maglev = spec.Kind[Builder]{
	Entry: spec.Entry{
		Name: "maglev", Doc: "the target that the request's key falls on, in a table that is even to 1 %; a change moves little more than its share",
		Params: []spec.Param{keyParam(), {Name: "table", Type: spec.Count, Default: "65537", Min: 3, Max: 5_000_011, Doc: "its size, a prime of more than 100 times the targets"}},
	},
	New: func(v spec.Values) (Builder, error) {
		k, err := ParseKey(v.Text("key"))
		if err != nil {
			return nil, err
		}
		size := v.Int("table")
		if !prime(size) {
			return nil, errNotPrime
		}
		return func(draw.Stream) Strategy { return &lookup{keyed{k}, size} }, nil
	},
}

type lookup struct {
	keyed
	size int
}

// Prepare implements Preparer: Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", 2016,
// section 3.4. Members take turns to claim the next free slot of their own permutation; one of less weight sits
// some turns out.
func (l *lookup) Prepare(s *Set) any {
	n := len(s.Members)
	if n == 0 {
		return nil
	}
	m := uint64(l.size)
	table, next, step := make([]int32, l.size), make([]uint64, n), make([]uint64, n)
	for i := range table {
		table[i] = -1
	}
	heaviest := 1
	for i := range s.Members {
		next[i] = Hash(s.Members[i].ID) % m
		step[i] = draw.Mix(Hash(s.Members[i].ID))%(m-1) + 1
		heaviest = max(heaviest, s.Members[i].weight())
	}
	for turn, filled := 1, 0; ; turn++ {
		for i := range n {
			w := s.Members[i].weight()
			if turn*w/heaviest == (turn-1)*w/heaviest {
				continue
			}
			for table[next[i]] >= 0 {
				next[i] = (next[i] + step[i]) % m
			}
			table[next[i]] = int32(i)
			if filled++; filled == l.size {
				return table
			}
		}
	}
}

func (l *lookup) Pick(_ time.Duration, r *Request, s *Set) int {
	table, _ := s.Prepared.([]int32)
	if len(table) == 0 {
		return -1
	}
	i := int(table[r.Key%uint64(len(table))])
	if !r.Left(&s.Members[i]) {
		return i
	}
	// Another attempt falls on another slot, so that a target's keys spread over all others.
	for k := range uint64(len(s.Members)) {
		if i := int(table[draw.Mix(r.Key+k)%uint64(len(table))]); !r.Left(&s.Members[i]) {
			return i
		}
	}
	return s.from(i, r)
}
