package scenarios

import (
	"slices"

	"github.com/seed-8025779b/shakedown/loadgen/mix"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
)

// destinations tells which group a request is for. A request that found no target is charged to a fault on that group
// rather than on another one.
type destinations struct {
	mix    *mix.Mix
	groups []string // by place in the mix; empty where requests of one kind go to several groups, or to none
}

// newDestinations returns nil where faults hit one group at the most: then nothing depends on it.
func newDestinations(s *plan.Scenario) *destinations {
	var hit []string
	for i := range s.Faults {
		if g := s.Faults[i].Select.Group; !slices.Contains(hit, g) {
			hit = append(hit, g)
		}
	}
	if s.Topology == nil || len(hit) < 2 {
		return nil
	}
	rules, err := s.Topology.Listeners[0].Rules.Compile(s.Seed)
	if err != nil {
		return nil // the decoder has told it
	}
	m, err := mix.New(s.Seed, s.Load.Set)
	if err != nil {
		return nil // the same
	}
	d := &destinations{mix: m, groups: make([]string, len(m.Requests()))}
	for i := range d.groups {
		var seen []string
		for seq := range uint64(samplesOfRequest) {
			if rule := rules.Match(sampleRequest(s, m, i, seq)); rule == nil {
				seen = append(seen, "", "-") // not all go anywhere
			} else {
				seen = append(seen, rule.Groups()...)
			}
		}
		slices.Sort(seen)
		if seen = slices.Compact(seen); len(seen) == 1 {
			d.groups[i] = seen[0]
		}
	}
	return d
}

// of is the group that a request is for; empty where that is not known.
func (d *destinations) of(seq uint64) string { return d.groups[d.mix.Index(seq)] }
