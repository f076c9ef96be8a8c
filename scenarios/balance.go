package scenarios

import (
	"fmt"
	"strconv"

	"go.yaml.in/yaml/v4"

	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// DecodeBalancer reads the configuration of a balancer that runs alone: a file with version and topology, which may
// be a scenario. All targets must have addresses; those are their ids too. drawn is the seed of a file that says none.
// resolved is every value and where it came from.
func DecodeBalancer(src Source, drawn draw.Seed) (c config.Config, resolved *Resolved, err error) {
	none, resolved := config.Config{}, &Resolved{}
	root, problem := src.parse()
	if problem != nil {
		return none, nil, &Problems{Source: src, List: []Problem{*problem}}
	}
	d := &decoder{dir: src.Dir, alone: true, origins: map[*yaml.Node]string{}}
	s := &plan.Scenario{}
	b := d.block(root, "the configuration", resolved)
	if v, ok := b.param(versionParam()); ok && v != 1 {
		d.fail(b.value("version"), "version %v is not known: this shakedown reads version 1", v)
	}
	seed := b.values([]spec.Param{seedParam(strconv.FormatUint(uint64(drawn), 10), "drawn at the start")}).Int("seed")
	d.masked(b)
	for _, other := range []string{"name", "about", "objective", "network", "client", "load", "scaling", "faults", "abort", "gates", "validity"} {
		b.key(other) // a scenario's: not the balancer's business
	}
	if n := b.require("topology"); n != nil {
		d.topology(n, s, resolved.sub("topology"))
		for i := range s.Topology.Groups {
			if g := &s.Topology.Groups[i]; g.Targets.Run != plan.Addresses && len(d.problems) == 0 {
				d.fail(n, "group %s: a balancer alone starts no targets: give it addresses", g.Name)
			}
		}
	}
	b.close()
	if err := d.err(src); err != nil {
		return none, nil, fmt.Errorf("the configuration has mistakes; nothing was changed\n%w", err)
	}
	return s.Topology.Balancer(draw.Seed(seed), true), resolved, nil
}
