package scenarios

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/seed-8025779b/shakedown/loadgen/client"
	"github.com/seed-8025779b/shakedown/reports/gate"
	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/mask"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// Decoded is a scenario that was read and checked.
type Decoded struct {
	*plan.Scenario
	Resolved *Resolved
}

// Decode reads and checks a scenario file, with overrides put in place first. The error is a *Problems
// with every mistake, or says what is wrong with an override. Nothing is started; only files that the
// scenario names are read.
func Decode(src Source, overrides ...Override) (*Decoded, error) {
	root, problem := src.parse()
	if problem != nil {
		return nil, &Problems{Source: src, List: []Problem{*problem}}
	}
	d := &decoder{dir: src.Dir, origins: map[*yaml.Node]string{}}
	for _, o := range overrides {
		if root.Kind != yaml.MappingNode {
			break // the decoder says so
		}
		meaning := sync.OnceValue(func() *Resolved {
			out := &Resolved{}
			(&decoder{dir: src.Dir, origins: d.origins}).scenario(root, src, &plan.Scenario{}, out)
			return out
		})
		if err := o.apply(root, d.origins, meaning); err != nil {
			return nil, err
		}
	}
	s, out := &plan.Scenario{}, &Resolved{}
	d.scenario(root, src, s, out)
	if err := d.err(src); err != nil {
		return nil, err
	}
	var raw bytes.Buffer
	e := json.NewEncoder(&raw)
	e.SetEscapeHTML(false) // gates hold < and >, and are read by people
	if err := e.Encode(out); err != nil {
		return nil, fmt.Errorf("%s: %w", src.Name, err)
	}
	s.Resolved = bytes.TrimSpace(raw.Bytes())
	return &Decoded{s, out}, nil
}

var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// name checks a name that ends up in paths, ids and gates. It reports whether there is one that can be used.
func (d *decoder) name(n *yaml.Node, what string) bool {
	if n != nil && !namePattern.MatchString(n.Value) {
		d.fail(n, "%s %q: letters, digits, dots, dashes and underscores only", what, n.Value)
		return false
	}
	return n != nil
}

func (d *decoder) scenario(root *yaml.Node, src Source, s *plan.Scenario, out *Resolved) {
	b := d.block(root, "the scenario", out)
	if b.bad {
		return
	}
	if v, ok := b.param(versionParam()); ok && v != 1 {
		d.fail(b.value("version"), "version %v is not known: this shakedown reads version 1", v)
	}
	base := strings.TrimSuffix(filepath.Base(src.Name), filepath.Ext(src.Name))
	if i := strings.LastIndexByte(base, ':'); i >= 0 {
		base = base[i+1:]
	}
	head := b.values(append(headParams(base), seedParam("1", "")))
	s.Mask = d.masked(b)
	d.name(b.value("name"), "name")
	s.Name, s.About, s.Seed = head.Text("name"), head.Text("about"), draw.Seed(head.Int("seed"))
	b.refuse("dependencies", "sessions", "deploys", "alerts", "regions")

	d.objective(b.value("objective"), s, out.sub("objective"))
	d.system(b, s, out)
	d.profile = nil // it is the balancer's, not its clients'
	network := d.block(b.value("network"), "network", out.sub("network"))
	s.RTT = network.values(networkParams()).Duration("rtt")
	network.close()
	d.client(b.value("client"), s, out.sub("client"))
	d.clientFiles(b.value("client"), s)
	d.load(b, s, out.sub("load"))
	d.authorize(s)
	d.scaling(b.list("scaling"), s, out)
	d.faults(b.list("faults"), s, out)
	d.abort(b.list("abort"), s, out)
	d.gates(b.list("gates"), s, out)
	d.validity(b.value("validity"), s, out.sub("validity"))
	b.close()
}

// defaultP99 is the objective of a scenario that has none of its own.
const defaultP99 = time.Second

func (d *decoder) objective(n *yaml.Node, s *plan.Scenario, out *Resolved) {
	b := d.block(n, "objective", out)
	for _, q := range objectivePercentiles {
		if n == nil && q.name == "p99" { // an objective that is there may be about errors alone
			out.imply("p99", defaultP99.String(), "default")
			s.Objective.Quantiles = append(s.Objective.Quantiles, plan.Quantile{Q: q.q, Limit: defaultP99})
			continue
		}
		if v, ok := b.param(objectivePercentile(q.name)); ok {
			s.Objective.Quantiles = append(s.Objective.Quantiles, plan.Quantile{Q: q.q, Limit: v.(time.Duration)})
		}
	}
	v := b.values(objectiveParams())
	s.Objective.ErrorRate, s.Objective.Window = v.Float("error_rate"), v.Duration("window")
	b.close()
}

// system reads what is put under load: a topology of our own, or a target of the user's.
func (d *decoder) system(b *block, s *plan.Scenario, out *Resolved) {
	targetKey, target := b.key("target")
	topologyKey, topology := b.key("topology")
	switch {
	case targetKey != nil && topologyKey != nil:
		d.fail(targetKey, "target and topology exclude each other: a system of your own, or one that shakedown starts")
	case target == nil && topology == nil:
		d.failOf([]string{b.subject("topology"), b.subject("target")}, b.n, "the scenario needs a topology to start, or a target: https://… of your own")
		d.cannotRead(groupNames)
	case target != nil:
		v, err := d.scalar(target, spec.Param{Type: spec.Text})
		if err == nil {
			err = CheckURL(v.(string))
		}
		if err != nil {
			d.fail(target, "target: %v", err)
			return
		}
		s.Target = d.withoutUser(v.(string))
		out.leaf("target", mask.URLs(v.(string)), d.origin(target))
	default:
		d.topology(topology, s, out.sub("topology"))
	}
}

// clientFiles reads the certificates that the client names, so that a wrong file is a mistake of the scenario.
func (d *decoder) clientFiles(n *yaml.Node, s *plan.Scenario) {
	c := &s.Client.Connect
	if (c.Cert == "") != (c.Key == "") {
		return // it was said that both are needed
	}
	if _, err := client.TLS(c); err != nil {
		d.fail(n, "client: %v", err)
	}
}

func (d *decoder) abort(list []*yaml.Node, s *plan.Scenario, out *Resolved) {
	if len(list) == 0 {
		return
	}
	all := out.sub("abort")
	all.List = true
	for i, n := range list {
		b := d.block(n, "abort rule", all.sub(fmt.Sprint(i+1)))
		v := b.values(abortParams())
		b.close()
		if !v.Has("when") {
			continue
		}
		g, err := gate.Parse(v.Text("when"))
		switch {
		case err != nil:
			d.fail(b.value("when"), "%v", err)
		case g.Metric != "error_rate" || g.Window != "":
			d.fail(b.value("when"), "an abort rule on %s is not supported yet: only error_rate is", g.Metric)
		case g.Op != ">" && g.Op != ">=":
			d.fail(b.value("when"), "an abort rule fires when the error rate is too high: write error_rate > %v%%", g.Limit)
		default:
			s.Abort = append(s.Abort, plan.Abort{When: g.Expr, Percent: g.Limit, OrEqual: g.Op == ">=", Over: v.Duration("over")})
		}
	}
}

func (d *decoder) validity(n *yaml.Node, s *plan.Scenario, out *Resolved) {
	b := d.block(n, "validity", out)
	v := b.values(validityParams())
	s.Validity = plan.Validity{Lag: v.Duration("lag"), Offered: v.Float("offered")}
	b.close()
}
