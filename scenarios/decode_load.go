package scenarios

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/seed-8025779b/shakedown/balancer/autoscale"
	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/loadgen/profile"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

func (d *decoder) load(b *block, s *plan.Scenario, out *Resolved) {
	lb := d.block(b.require("load"), "load", out)
	v := lb.values(loadParams())
	s.Load.Arrivals = profile.Arrivals(v.Text("arrivals"))
	d.set(lb, s, out)
	list := lb.list("phases")
	if len(list) == 0 && lb.n != nil {
		lb.lacks("phases", "load needs phases, such as [{name: sustained, rate: 100/s, for: 30s}]")
	}
	if len(list) == 0 {
		d.cannotRead(phaseNames)
		d.cannotRead(lengths)
	}
	all := out.sub("phases")
	all.List = true
	at := time.Duration(0)
	names := map[string]bool{}
	for _, n := range list {
		p := d.phase(n, s, at, names, all)
		at = p.End
		s.Load.Phases = append(s.Load.Phases, p)
	}
	if len(d.problems) == 0 && len(s.Load.Phases) > 0 {
		if sched, err := s.Schedule(); err == nil && sched.Profile.Total() > maxRequests {
			d.fail(lb.value("phases"), "the load asks for %.3g requests: the most is %.0g in one run", sched.Profile.Total(), maxRequests)
		}
	}
	d.checkJudged(lb.value("phases"), s)
	lb.close()
}

// checkJudged refuses a load that sends requests in discarded phases only. What is wrong with a phase was told before.
func (d *decoder) checkJudged(n *yaml.Node, s *plan.Scenario) {
	if len(d.problems) > 0 || len(s.Load.Phases) == 0 {
		return
	}
	if !slices.ContainsFunc(s.Load.Phases, func(p plan.Phase) bool { return !p.Discard }) {
		d.fail(n, "every phase is discarded: nothing would be judged")
		return
	}
	sends := func(p plan.Phase) bool {
		rate, err := profile.Kinds().New(p.Rate)
		return p.Users > 0 || (err == nil && rate.Hits(rate.Length()) > 0)
	}
	discarded := slices.ContainsFunc(s.Load.Phases, func(p plan.Phase) bool { return p.Discard && sends(p) })
	judged := slices.ContainsFunc(s.Load.Phases, func(p plan.Phase) bool { return !p.Discard && sends(p) })
	if discarded && !judged {
		d.fail(n, "every phase that sends requests is discarded: nothing would be judged")
	}
}

// maxRequests bounds a run: its schedule is walked beforehand, at some 40 ns a request.
const maxRequests = 1e9

func (d *decoder) phase(n *yaml.Node, s *plan.Scenario, start time.Duration, names map[string]bool, all *Resolved) plan.Phase {
	item := all.sub("")
	b := d.block(n, "phase", item)
	v := b.values(phaseParams())
	p := plan.Phase{Name: v.Text("name"), Start: start, End: start + v.Duration("for"), Discard: v.Bool("discard")}
	item.Key = p.Name
	if !d.name(b.value("name"), "phase") {
		d.cannotRead(phaseNames)
	}
	if !v.Has("for") {
		d.cannotRead(lengths)
	}
	if names[p.Name] && p.Name != "" {
		d.fail(b.value("name"), "two phases are called %q", p.Name)
	}
	names[p.Name] = true
	rate := d.users(b, s, &p, item)
	if p.Users > 0 {
		b.close()
		return p
	}
	if rate != nil {
		var good bool
		p.Rate, good = d.choice(rate, "rate", profile.Kinds().Table(), nil, spec.Values{"for": v.Duration("for")}, item.sub("rate"))
		if good && v.Has("for") {
			if _, err := profile.Kinds().New(p.Rate); err != nil {
				d.fail(rate, "rate: %v", err)
			}
		}
	}
	b.close()
	return p
}

// users reads a closed-loop phase: `users: N`, or `rate: max`, which is as many users as the client has
// connections. For any other phase it returns the node of its rate.
func (d *decoder) users(b *block, s *plan.Scenario, p *plan.Phase, item *Resolved) *yaml.Node {
	key, _ := b.key("users")
	rate := b.value("rate")
	max := rate != nil && rate.Kind == yaml.ScalarNode && rate.Value == "max"
	switch {
	case key != nil && rate != nil:
		d.fail(key, "users and rate exclude each other: a closed loop has no rate of its own")
	case key == nil && rate == nil:
		b.require("rate")
	case key == nil && !max:
		return rate
	case max:
		p.Users = s.Client.Connections
		item.leaf("rate", "max", d.origin(rate))
	default:
		v, _ := b.param(usersParam())
		p.Users, _ = v.(int)
		if p.Users > s.Client.Connections {
			d.fail(b.value("users"), "%d users need as many connections: client.connections is %d", p.Users, s.Client.Connections)
		}
	}
	p.Think = b.values(closedLoopParams()).Duration("think_time")
	return nil
}

func (d *decoder) scaling(list []*yaml.Node, s *plan.Scenario, out *Resolved) {
	if len(list) == 0 {
		return
	}
	all := out.sub("scaling")
	all.List = true
	seen := map[string]bool{}
	for _, n := range list {
		item := all.sub("")
		b := d.block(n, "scaling", item)
		b.refuse("warm_pool", "scheduled", "grace", "prices")
		v := b.values(scalingParams())
		x := plan.Scaling{Group: v.Text("group"), Policy: autoscale.Config{Min: v.Int("min"), Max: v.Int("max"), Cooldown: v.Duration("cooldown")}}
		item.Key = x.Group
		if x.Group == "" {
			d.cannotRead(scaled)
		}
		good := v.Has("min") && v.Has("max")
		if good && x.Policy.Min > x.Policy.Max {
			good = false
			d.fail(b.value("min"), "min %d is more than max %d", x.Policy.Min, x.Policy.Max)
		}
		d.scaledGroup(b, s, &x, seen, good)
		datapoints := 0
		if t := b.value("timing"); t == nil {
			table := autoscale.Timings().Table()
			c := byDefault(table, table.Default("custom"), item.sub("timing"), nil)
			x.Timing, _ = autoscale.Timings().New(c) // custom has no combination that it refuses
		} else if c, ok := d.choice(t, "timing", autoscale.Timings().Table(), laterTimings, nil, item.sub("timing")); ok {
			x.Timing, _ = autoscale.Timings().New(c)
			datapoints = c.Values.Int("datapoints")
		}
		policies := item.sub("policies")
		policies.List = true
		for i, pn := range b.list("policies") {
			if c, ok := d.choice(pn, "policy", autoscale.Kinds().Table(), laterPolicies, nil, policies.sub(fmt.Sprint(i+1))); ok {
				if datapoints > 0 {
					c.Values["datapoints"] = datapoints
				}
				x.Policy.Policies = append(x.Policy.Policies, c)
			}
		}
		if b.n != nil && len(b.list("policies")) == 0 {
			b.lacks("policies", "scaling needs policies, such as [{kind: target_tracking, target: 60%%}]")
		}
		b.close()
		s.Scaling = append(s.Scaling, x)
	}
}

// scaledGroup checks the group that is scaled; limited says that its limits could be read.
func (d *decoder) scaledGroup(b *block, s *plan.Scenario, x *plan.Scaling, seen map[string]bool, limited bool) {
	n := b.value("group")
	if n == nil {
		return
	}
	if seen[x.Group] {
		d.fail(n, "group %q is scaled twice", x.Group)
	}
	seen[x.Group] = true
	g := s.Group(x.Group)
	switch {
	case s.Topology == nil:
		d.failOf([]string{groupNames}, n, "scaling needs a topology: shakedown can't launch servers of a system of your own")
	case g == nil:
		d.unknownGroup(n, x.Group, namesOfGroups(s))
	case g.Targets.Run != plan.Builtin:
		d.fail(n, "group %q can't be scaled by cpu: only builtin targets tell how busy their slots are", x.Group)
	case limited && (g.Targets.Count < x.Policy.Min || g.Targets.Count > x.Policy.Max):
		d.failOf([]string{targetsOf(g.Name)}, n, "group %q begins with %d targets, which is not within %d to %d", x.Group, g.Targets.Count, x.Policy.Min, x.Policy.Max)
	}
}

func namesOfGroups(s *plan.Scenario) (names []string) {
	if s.Topology != nil {
		for _, g := range s.Topology.Groups {
			names = append(names, g.Name)
		}
	}
	return names
}

func (d *decoder) faults(list []*yaml.Node, s *plan.Scenario, out *Resolved) {
	if len(list) == 0 {
		return
	}
	all := out.sub("faults")
	all.List = true
	seen := map[string]bool{}
	for _, n := range list {
		if f, ok := d.fault(n, s, all.sub(""), seen); ok {
			s.Faults = append(s.Faults, f)
		}
	}
}

// fault reads one fault. Its kind's parameters stand beside its own keys, so that the kind is found first.
func (d *decoder) fault(n *yaml.Node, s *plan.Scenario, item *Resolved, seen map[string]bool) (chaos.Fault, bool) {
	before := len(d.problems)
	b := d.block(n, "fault", item)
	var f chaos.Fault
	kindNode := b.require("kind")
	var entry spec.Entry
	known := false
	if kindNode != nil {
		if entry, known = chaos.Kinds().Table().Find(kindNode.Value); !known {
			d.unknownKind(kindNode, kindNode.Value, "fault", chaos.Kinds().Table(), laterFaults)
		}
	}
	v := b.values(faultParams())
	f.ID, item.Key = v.Text("id"), v.Text("id")
	d.ids = append(d.ids, f.ID)
	if !d.name(b.value("id"), "id") {
		d.cannotRead(faultIDs)
	}
	if seen[f.ID] && f.ID != "" {
		d.fail(b.value("id"), "two faults have the id %q", f.ID)
	}
	seen[f.ID] = true
	for _, p := range s.Load.Phases {
		if p.Name == f.ID && f.ID != "" {
			d.fail(b.value("id"), "%q is the name of a phase too: a gate's window could mean either", f.ID)
		}
	}
	if !known {
		return f, false
	}
	item.leaf("kind", entry.Name, d.origin(kindNode))
	beforeValues := len(d.problems)
	f.Choice = spec.Choice{Kind: entry.Name, Values: b.values(entry.Params)}
	var kind chaos.Kind
	if len(d.problems) == beforeValues {
		var err error
		if kind, err = chaos.Kinds().New(f.Choice); err != nil {
			d.fail(n, "fault %s: %v", f.ID, err)
		}
	}
	f.At = d.instant(b, s, item)
	if kind.Process == nil {
		w := b.values(wireFaultParams())
		f.For = w.Duration("for")
		if w.Text("where") == "target" {
			d.fail(b.value("where"), "where: target is not supported yet")
		}
	} else if key, _ := b.key("for"); key != nil {
		d.fail(key, "%s has no length: use restart_after", entry.Name)
	}
	if end, ok := f.End(); ok && len(s.Load.Phases) > 0 && end > s.Length() && f.At < s.Length() {
		d.failOf([]string{lengths}, n, "fault %s ends at %v, after the run, which ends at %v", f.ID, end, s.Length())
	}
	d.selector(b, s, &f, kind, item)
	b.close()
	return f, len(d.problems) == before
}

// instant reads `at`: a duration since the load began, or a phase's name with a duration behind it.
func (d *decoder) instant(b *block, s *plan.Scenario, item *Resolved) time.Duration {
	n := b.require("at")
	if n == nil {
		return 0
	}
	name, plus, _ := strings.Cut(n.Value, "+")
	start, offset := time.Duration(0), time.Duration(0)
	var phases []string
	found := false
	for _, p := range s.Load.Phases {
		phases = append(phases, p.Name)
		if p.Name == name {
			start, found = p.Start, true
		}
	}
	var err error
	if !found {
		offset, err = time.ParseDuration(n.Value)
	} else if plus != "" {
		offset, err = time.ParseDuration(plus)
	}
	at := start + offset
	switch {
	case n.Kind != yaml.ScalarNode || (err != nil && !found):
		d.failOf([]string{phaseNames}, n, "at: %s is neither a time nor a phase with a time, such as 12s or sustained+1s%s", kindOf(n), spec.Suggest(name, phases))
		return 0
	case err != nil:
		d.fail(n, "at: %q is not a duration", plus)
		return 0
	case offset < 0:
		d.fail(n, "at: %s is before the start", n.Value)
	case len(s.Load.Phases) > 0 && at >= s.Length():
		d.failOf([]string{lengths}, n, "at: %v is outside the run, which ends at %v", at, s.Length())
	}
	item.leaf("at", n.Value, d.origin(n))
	return at
}

func (d *decoder) selector(b *block, s *plan.Scenario, f *chaos.Fault, kind chaos.Kind, item *Resolved) {
	n := b.require("target")
	if n == nil {
		return
	}
	before := len(d.problems)
	sb := d.block(n, "target", item.sub("target"))
	sb.refuse("balancer", "dependency")
	if len(d.problems) > before {
		return
	}
	v := sb.values(chaos.SelectorParams())
	sb.close()
	var set []string
	for _, name := range []string{"count", "percent", "id", "zone", "all"} {
		if v.Has(name) {
			set = append(set, name)
		}
	}
	if len(set) != 1 {
		if len(d.problems) == before {
			d.fail(n, "target needs exactly one of count, percent, id, zone and all, not %d", len(set))
		}
		return
	}
	f.Select = chaos.NewSelector(v)
	if !v.Has("group") {
		return
	}
	gn := sb.value("group")
	g := s.Group(f.Select.Group)
	switch {
	case s.Topology == nil:
		d.failOf([]string{groupNames}, gn, "faults on targets need a topology: shakedown does not reach into a system of your own")
		return
	case g == nil:
		d.unknownGroup(gn, f.Select.Group, namesOfGroups(s))
		return
	case kind.Process != nil && g.Targets.Run == plan.Addresses:
		d.fail(gn, "%s needs a process that shakedown started: group %q has addresses", f.Kind, g.Name)
		return
	}
	most := g.Targets.Count
	for _, x := range s.Scaling {
		if x.Group == g.Name {
			most = max(most, x.Policy.Max)
		}
	}
	var candidates []chaos.Candidate
	var ids []string
	for i := range most {
		if g.Targets.Run == plan.Addresses && i >= len(g.Targets.Addresses) {
			break
		}
		t := g.Target(i)
		candidates = append(candidates, chaos.Candidate{ID: t.ID, Zone: t.Zone})
		ids = append(ids, t.ID)
	}
	switch {
	case f.Select.Count > most:
		d.failOf([]string{targetsOf(g.Name), scaled}, sb.value("count"), "count %d is more than group %q ever has: %d", f.Select.Count, g.Name, most)
	case v.Has("all") && !f.Select.All:
		d.fail(sb.value("all"), "all: false selects nothing")
	case len(f.Select.Choose(s.Seed, f.ID, candidates)) == 0 && f.Select.ID != "":
		d.failOf([]string{targetsOf(g.Name), scaled}, sb.value("id"), "group %q never has a target %q%s", g.Name, f.Select.ID, spec.Suggest(f.Select.ID, ids))
	case len(f.Select.Choose(s.Seed, f.ID, candidates)) == 0:
		d.failOf([]string{targetsOf(g.Name), scaled}, n, "it can match no target of group %q", g.Name)
	}
}
