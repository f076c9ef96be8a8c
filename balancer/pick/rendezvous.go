package pick

import (
	"errors"
	"math"
	"time"

	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

var errNotPrime = errors.New("the table's size must be a prime, such as 65537")

func prime(n int) bool {
	for d := 2; d*d <= n; d++ {
		if n%d == 0 {
			return false
		}
	}
	return n > 1
}

var rendezvous = spec.Kind[Builder]{
	Entry: spec.Entry{
		Name: "rendezvous", Doc: "the target with the highest score for the request's key; a target more or less moves only its own share",
		Params: []spec.Param{keyParam()},
	},
	New: func(v spec.Values) (Builder, error) {
		k, err := ParseKey(v.Text("key"))
		if err != nil {
			return nil, err
		}
		return func(draw.Stream) Strategy { return scores{keyed{k}} }, nil
	},
}

type scores struct{ keyed }

// Prepare implements Preparer: the members' hashes.
func (scores) Prepare(s *Set) any {
	hashes := make([]uint64, len(s.Members))
	for i := range s.Members {
		hashes[i] = Hash(s.Members[i].ID)
	}
	return hashes
}

// Pick scores −weight / ln u, with u drawn by key and member (Schindelhauer, Schomaker: "Weighted Distributed Hash
// Tables", 2005).
func (scores) Pick(_ time.Duration, r *Request, s *Set) int {
	hashes, _ := s.Prepared.([]uint64)
	best, bestScore := -1, 0.
	for i := range hashes {
		m := &s.Members[i]
		if r.Left(m) {
			continue
		}
		u := (float64(draw.Mix(hashes[i]^r.Key)>>11) + .5) / (1 << 53)
		if score := -float64(m.weight()) / math.Log(u); best < 0 || score > bestScore {
			best, bestScore = i, score
		}
	}
	return best
}

var ipHash = spec.Kind[Builder]{
	Entry: spec.Entry{Name: "ip_hash", Doc: "the client's address modulo the number of targets: simple, and a change moves nearly every client"},
	New: func(spec.Values) (Builder, error) {
		return func(draw.Stream) Strategy { return modulo{keyed{Key{From: Address}}} }, nil
	},
}

type modulo struct{ keyed }

func (modulo) Pick(_ time.Duration, r *Request, s *Set) int {
	if len(s.Members) == 0 {
		return -1
	}
	return s.from(int(r.Key%uint64(len(s.Members))), r)
}
