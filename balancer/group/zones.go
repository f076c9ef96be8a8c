package group

import (
	"time"

	"github.com/seed-8025779b/shakedown/balancer/pick"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// Zones prefers the targets in the balancer's own zone, as long as there are enough of them.
type Zones struct {
	Own string
	// Overprovisioning is how much more than its share of the load a zone can carry: with 1.4, all of it until fewer
	// than 1/1.4 = 71 % of its targets are ready, and in proportion below that.
	Overprovisioning float64
}

// ZonesParams describes them as a scenario writes them. The factor is Envoy's.
func ZonesParams() []spec.Param {
	return []spec.Param{
		{Name: "own", Type: spec.Text, Required: true, Doc: "the zone whose targets are preferred: the balancer's own"},
		{Name: "overprovisioning", Type: spec.Number, Default: "1.4", Min: 1, Max: 100, Doc: "all requests stay in the zone until fewer than one over this of its targets are ready; below, the rest spills over"},
	}
}

// NewZones returns what the values describe.
func NewZones(v spec.Values) *Zones { return &Zones{v.Text("own"), v.Float("overprovisioning")} }

// near is the ready targets told apart by their zone.
type near struct {
	share     float64 // of the requests that stay
	own, rest half
}

// half is one part of the ready targets, with the indices that they have in the whole.
type half struct {
	set     pick.Set
	indices []int
}

// split tells the ready targets apart; nil when all are of one kind, so that there is nothing to prefer. members is how
// many targets the own zone has, ready or not.
func (z *Zones) split(all *pick.Set, members int, prepare func(*pick.Set)) *near {
	n := &near{}
	for i, m := range all.Members {
		h := &n.rest
		if m.Zone == z.Own {
			h = &n.own
		}
		h.set.Members = append(h.set.Members, m)
		h.indices = append(h.indices, i)
	}
	if len(n.own.indices) == 0 || len(n.rest.indices) == 0 {
		return nil
	}
	n.share = min(1, z.Overprovisioning*float64(len(n.own.indices))/float64(members))
	prepare(&n.own.set)
	prepare(&n.rest.set)
	return n
}

// pick chooses in the own zone or beyond it, by a draw; and in the other part when there is no target left.
func (n *near) pick(now time.Duration, r *pick.Request, g *Group, s pick.Strategy) int {
	first, second := &n.own, &n.rest
	if n.share < 1 && g.spill.Float(r.Seq, r.Attempt) >= n.share {
		first, second = second, first
	}
	for _, h := range []*half{first, second} {
		if i := s.Pick(now, r, &h.set); i >= 0 {
			return h.indices[i]
		}
	}
	return -1
}
