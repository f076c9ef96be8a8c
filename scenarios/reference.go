package scenarios

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/seed-8025779b/shakedown/balancer"
	"github.com/seed-8025779b/shakedown/balancer/autoscale"
	"github.com/seed-8025779b/shakedown/balancer/backend/model"
	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/health"
	"github.com/seed-8025779b/shakedown/balancer/pick"
	"github.com/seed-8025779b/shakedown/balancer/ratelimit"
	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/loadgen/profile"
	"github.com/seed-8025779b/shakedown/reports/gate"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// Section is one table of the reference: kinds, or blocks of parameters, and where in a scenario they stand.
type Section struct {
	Name, Where string
	Entries     spec.Table
}

// Reference lists every kind and block with its parameters, from the tables that the decoder reads by.
func Reference() []Section {
	block := func(name, doc string, params []spec.Param) spec.Entry {
		return spec.Entry{Name: name, Doc: doc, Params: params}
	}
	return []Section{
		{"strategies", "topology.groups.NAME.strategy", pick.Kinds().Table()},
		{"service times", "topology.groups.NAME.service.time", model.Times().Table()},
		{"health checks", "topology.groups.NAME.health", healthTable()},
		{"blocks of a group", "topology.groups.NAME", spec.Table{
			block("outliers", "takes out targets whose requests fail", health.OutlierParams()),
			block("retry", "sends a request to another target", group.RetryParams()),
			block("fail_open", "sends requests to unhealthy targets when too few are healthy", group.FailOpenParams()),
			block("limits", "requests in flight at a target, and the queue before them", group.LimitsParams()),
			block("zones", "prefers targets of the balancer's own zone", group.ZonesParams()),
			block("sticky", "keeps a client at its target by a cookie", group.StickyParams()),
			block("timeouts", "of exchanges with targets", balancer.TargetTimeoutParams()),
		}},
		{"targets", "topology.groups.NAME.targets", spec.Table{
			block("builtin targets", "sample backends, whose capacity is service", targetsParams(plan.Builtin)),
			block("command targets", "processes of your own; env: holds their environment", targetsParams(plan.Command)),
			block("address targets", "what runs already", targetsParams(plan.Addresses)),
			block("service", "the capacity of a sample backend: time, and", serviceParams()),
		}},
		{"blocks of a listener", "topology.listeners.N", spec.Table{
			block("timeouts", "of clients' connections", balancer.FrontTimeoutParams()),
			block("limits", "of clients' connections and requests", balancer.ListenerLimitParams()),
			block("headers", "that are added and removed", balancer.HeaderParams()),
			block("errors", "the status of each kind of failure", balancer.ErrorParams()),
			block("limit", "of a rule: requests a second by key", ratelimit.Params()),
		}},
		{"profiles", "topology.balancer.profile", profileTable()},
		{"rate shapes", "load.phases.NAME.rate", profile.Kinds().Table()},
		{"faults", "faults.ID", chaos.Kinds().Table()},
		{"selectors", "faults.ID.target", spec.Table{block("target", "which targets a fault hits", chaos.SelectorParams())}},
		{"scaling policies", "scaling.GROUP.policies.N", autoscale.Kinds().Table()},
		{"timings", "scaling.GROUP.timing", autoscale.Timings().Table()},
		{"client", "client", spec.Table{block("client", "how requests are made", slices.Concat(clientBasics(), clientParams(defaultTimeout, "")))}},
		{"gate metrics", "gates.N", metricTable()},
		{"blocks of a scenario", "top of the file", spec.Table{
			block("objective", "the scenario's own definition of healthy, which recovery refers to: any of p50, p90, p95, p99, p999, and",
				slices.Concat([]spec.Param{objectivePercentile("p99")}, objectiveParams())),
			block("validity", "when a run can't be trusted", validityParams()),
			block("network", "between client and balancer", networkParams()),
			block("abort", "a list of rules that end a run early", abortParams()),
		}},
		{"blocks of the load", "load", spec.Table{
			block("arrivals", "of requests", loadParams()),
			block("phases", "the stretches of the load, each with a rate, or with users", slices.Concat(phaseParams(), []spec.Param{usersParam()}, closedLoopParams())),
			block("requests", "what is sent: a method with its path, such as get: /, headers, body, expect, and", requestParams("METHOD PATH")),
			block("expect", "what an answer must be: headers, and", expectParams()),
		}},
		{"every fault", "faults.ID", spec.Table{block("fault", "at (an instant, such as spike+1s), kind, the kind's parameters, target, and", slices.Concat(faultParams(), wireFaultParams()))}},
		{"every scaling", "scaling.GROUP", spec.Table{block("scaling", "policies, timing, and", scalingParams())}},
	}
}

func healthTable() (t spec.Table) {
	for _, kind := range []health.Kind{health.HTTP, health.TCP, health.GRPC} {
		t = append(t, spec.Entry{Name: string(kind), Doc: "checks targets by " + string(kind), Params: health.Params(kind)})
	}
	return t
}

func profileTable() (t spec.Table) {
	for _, p := range profiles() {
		t = append(t, spec.Entry{Name: p.name, Doc: p.doc})
	}
	return t
}

// metricTable tells of each metric how it is written.
func metricTable() (t spec.Table) {
	limits := map[gate.Unit]string{gate.Milliseconds: "250ms", gate.Percent: "1%", gate.Count: "10", gate.PerSecond: "100/s"}
	for _, m := range gate.Metrics() {
		e := m.Entry
		form := e.Name
		if m.Of != "" {
			form += "(" + strings.ToUpper(m.Of) + ")"
		}
		if m.Windowed {
			form += "[WINDOW]"
		}
		e.Doc += ": " + form + " < " + limits[m.Unit]
		t = append(t, e)
	}
	return t
}

// FindReference returns what the reference has of a name: a kind or block in each section that has one of the name, or
// a whole section. The error suggests the nearest name.
func FindReference(name string) ([]Section, error) {
	var found []Section
	for _, s := range Reference() {
		if s.Name == name {
			return []Section{s}, nil
		}
		for _, e := range s.Entries {
			if e.Name == name {
				found = append(found, Section{s.Name, s.Where, spec.Table{e}})
			}
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("no kind is called %q%s: `shakedown scenario kinds` lists them", name, spec.Suggest(name, ReferenceNames()))
	}
	return found, nil
}

// ReferenceNames lists the names that FindReference knows.
func ReferenceNames() (names []string) {
	for _, s := range Reference() {
		names = append(names, s.Name)
		for _, e := range s.Entries {
			if !has(names, e.Name) {
				names = append(names, e.Name)
			}
		}
	}
	return names
}

// WriteReference prints sections: of each parameter its type and range, its default, and what it does.
func WriteReference(w io.Writer, sections []Section) error {
	for i, s := range sections {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s (%s)\n", s.Name, s.Where)
		for _, e := range s.Entries {
			fmt.Fprintf(w, "  %s: %s\n", e.Name, e.Doc)
			if e.Plain != "" {
				fmt.Fprintf(w, "      a bare value stands for %s\n", e.Plain)
			}
			columns := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
			for _, p := range e.Params {
				fmt.Fprintf(columns, "      %s\t%s\t%s\t%s\n", p.Name, typeAndRange(p), defaultOf(p), p.Doc)
			}
			if err := columns.Flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

func typeAndRange(p spec.Param) string {
	text := p.Type.String()
	if len(p.Enum) > 0 {
		text = "one of"
	}
	if r := p.Range(); r != "" {
		text += ": " + r
	}
	return text
}

func defaultOf(p spec.Param) string {
	switch {
	case p.Required:
		return "required"
	case p.Default != "":
		return "default " + p.Default
	}
	return "optional"
}
