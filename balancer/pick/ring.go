package pick

import (
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// pointsParam is how finely a ring is divided.
func pointsParam() spec.Param {
	return spec.Param{Name: "points", Type: spec.Count, Default: "160", Min: 1, Max: 10000, Doc: "on the ring, for a target of weight 1; the shares' relative spread is about 1/√points"}
}

var ringHash = spec.Kind[Builder]{
	Entry: spec.Entry{
		Name: "ring_hash", Doc: "the target that the request's key falls on, on a ring; a target more or less moves only its own share",
		Params: []spec.Param{keyParam(), pointsParam()},
	},
	New: func(v spec.Values) (Builder, error) {
		k, err := ParseKey(v.Text("key"))
		if err != nil {
			return nil, err
		}
		return func(draw.Stream) Strategy { return &ring{keyed{k}, v.Int("points")} }, nil
	},
}

type ring struct {
	keyed
	points int
}

// point is a place on the ring.
type point struct {
	hash   uint64
	member int32
}

// Prepare implements Preparer.
func (g *ring) Prepare(s *Set) any {
	var points []point
	for i := range s.Members {
		m := &s.Members[i]
		id := append([]byte(m.ID), '#')
		for k := range g.points * m.weight() {
			points = append(points, point{Hash(strconv.AppendInt(id, int64(k), 10)), int32(i)})
		}
	}
	slices.SortFunc(points, func(a, b point) int {
		switch {
		case a.hash < b.hash:
			return -1
		case a.hash > b.hash:
			return 1
		}
		return int(a.member) - int(b.member)
	})
	return points
}

// at is the first point from a hash on, around the end.
func at(points []point, hash uint64) int {
	low, high := 0, len(points)
	for low < high {
		if mid := (low + high) / 2; points[mid].hash < hash {
			low = mid + 1
		} else {
			high = mid
		}
	}
	if low == len(points) {
		return 0
	}
	return low
}

func (g *ring) Pick(_ time.Duration, r *Request, s *Set) int {
	points, _ := s.Prepared.([]point)
	start := at(points, r.Key)
	for k := range points {
		i := start + k
		if i >= len(points) {
			i -= len(points)
		}
		if m := points[i].member; !r.Left(&s.Members[m]) {
			return int(m)
		}
	}
	return -1
}

var boundedHash = spec.Kind[Builder]{
	Entry: spec.Entry{
		Name: "bounded_hash", Doc: "as ring_hash, but no target gets more than its share times a factor: the next on the ring does (consistent hashing with bounded loads)",
		Params: []spec.Param{keyParam(), pointsParam(), {Name: "factor", Type: spec.Number, Default: "1.25", Min: 1, Max: 100, Above: true, Doc: "of the average of requests in flight"}},
	},
	New: func(v spec.Values) (Builder, error) {
		k, err := ParseKey(v.Text("key"))
		if err != nil {
			return nil, err
		}
		return func(draw.Stream) Strategy { return &bounded{ring{keyed{k}, v.Int("points")}, v.Float("factor")} }, nil
	},
}

type bounded struct {
	ring
	factor float64
}

// Pick walks the ring to the first target below its bound, ⌈factor × (all in flight + 1) × its share of the
// weights⌉ (Mirrokni, Thorup, Zadimoghaddam: "Consistent Hashing with Bounded Loads", 2016).
func (b *bounded) Pick(now time.Duration, r *Request, s *Set) int {
	points, _ := s.Prepared.([]point)
	total, weights := int64(1), 0
	for i := range s.Members {
		total += s.Members[i].Load.InFlight.Load()
		weights += s.Members[i].weight()
	}
	start := at(points, r.Key)
	for k := range points {
		i := start + k
		if i >= len(points) {
			i -= len(points)
		}
		m := &s.Members[points[i].member]
		bound := math.Ceil(b.factor * float64(total) * float64(m.weight()) / float64(weights))
		if !r.Left(m) && float64(m.Load.InFlight.Load()+1) <= bound {
			return int(points[i].member)
		}
	}
	return b.ring.Pick(now, r, s) // all below it were tried
}
