package chaos

import (
	"math"
	"sort"

	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// Selector says which targets a fault hits. Exactly one of Count, Percent, ID, Zone and All is set.
type Selector struct {
	Group   string
	Count   int
	Percent float64 // a share in (0, 1]
	ID      string
	Zone    string
	All     bool
}

// SelectorParams describes a selector as a scenario writes it.
func SelectorParams() []spec.Param {
	return []spec.Param{
		{Name: "group", Type: spec.Text, Required: true, Doc: "the target group"},
		{Name: "count", Type: spec.Count, Min: 1, Max: 10000, Doc: "so many targets, drawn by the seed"},
		{Name: "percent", Type: spec.Share, Above: true, Max: 1, Doc: "this share of the targets, rounded up, drawn by the seed"},
		{Name: "id", Type: spec.Text, Doc: "the target of that id, such as web-1"},
		{Name: "zone", Type: spec.Text, Doc: "every target of that zone"},
		{Name: "all", Type: spec.Bool, Doc: "every target of the group"},
	}
}

// NewSelector returns the selector that the values describe.
func NewSelector(v spec.Values) Selector {
	return Selector{v.Text("group"), v.Int("count"), v.Float("percent"), v.Text("id"), v.Text("zone"), v.Bool("all")}
}

// Candidate is a target that a selector may choose.
type Candidate struct{ ID, Zone string }

// Choose returns the ids of the targets hit, sorted by id. The choice among equals is a draw by fault and
// target, so that neither other faults nor the candidates' order change it.
func (s Selector) Choose(seed draw.Seed, fault string, candidates []Candidate) []string {
	var ids []string
	for _, c := range candidates {
		if (s.ID == "" || s.ID == c.ID) && (s.Zone == "" || s.Zone == c.Zone) {
			ids = append(ids, c.ID)
		}
	}
	n := len(ids)
	switch {
	case s.Count > 0:
		n = min(s.Count, n)
	case s.Percent > 0:
		// The small term keeps 3 × 1/3 from becoming 2 by rounding of the share.
		n = min(int(math.Ceil(float64(n)*s.Percent-1e-9)), n)
	}
	stream := seed.Stream("select:" + fault)
	sort.Slice(ids, func(i, j int) bool {
		return stream.Uint64(draw.Name(ids[i]), 0) < stream.Uint64(draw.Name(ids[j]), 0)
	})
	ids = ids[:n]
	sort.Strings(ids)
	return ids
}
