package scenarios

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/seed-8025779b/shakedown/balancer/autoscale"
	"github.com/seed-8025779b/shakedown/balancer/backend/model"
	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/health"
	"github.com/seed-8025779b/shakedown/balancer/pick"
	"github.com/seed-8025779b/shakedown/balancer/ratelimit"
	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/loadgen/attempt"
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
	return slices.Concat(scenarioReference(), topologyReference(), loadReference(), faultReference(), scalingReference(),
		[]Section{{"gate metrics", "gates.N", metricTable()}})
}

func entry(name, doc string, params ...[]spec.Param) spec.Entry {
	return spec.Entry{Name: name, Doc: doc, Params: slices.Concat(params...)}
}

// read is a key that the decoder reads by a function of its own, and what may stand there.
func read(name string, t spec.Type, doc string) spec.Param {
	return spec.Param{Name: name, Type: t, Doc: doc}
}

// needed is read for a key that must be there.
func needed(name string, t spec.Type, doc string) spec.Param {
	p := read(name, t, doc)
	p.Required = true
	return p
}

func scenarioReference() []Section {
	var objective []spec.Param
	for _, q := range objectivePercentiles {
		objective = append(objective, objectivePercentile(q.name))
	}
	return []Section{
		{"the scenario", "top of the file", spec.Table{
			entry("scenario", "the whole file", []spec.Param{versionParam()}, headParams("the file's name"), []spec.Param{seedParam("1", "")}, maskParams(), []spec.Param{
				read("objective", spec.Block, "when the system counts as healthy"),
				read("target", spec.Text, "URL of a system of your own; or topology"),
				read("topology", spec.Block, "what shakedown starts itself: a balancer and its targets; or target"),
				read("network", spec.Block, "between client and balancer"),
				read("client", spec.Block, "how requests are made"),
				needed("load", spec.Block, "what is sent, and when"),
				read("scaling", spec.Blocks, "how groups are scaled"),
				read("faults", spec.Blocks, "what goes wrong"),
				read("abort", spec.Blocks, "rules that end a run early"),
				read("gates", spec.List, "conditions on the result, such as p99 < 250ms"),
				read("validity", spec.Block, "when a run can't be trusted"),
			}),
		}},
		{"blocks of a scenario", "top of the file", spec.Table{
			entry("objective", "the scenario's own definition of healthy, which recovery refers to", objective, objectiveParams()),
			entry("validity", "when a run can't be trusted", validityParams()),
			entry("network", "between client and balancer", networkParams()),
			entry("abort", "a list of rules that end a run early", abortParams()),
		}},
		{"client", "client", spec.Table{
			entry("client", "how requests are made", clientBasics(), clientParams(defaultTimeout, ""), []spec.Param{read("retry", spec.Block, "a request that failed is tried again; off by default")}),
			entry("retry", "tries a request again, by the client", attempt.RetryParams()),
		}},
	}
}

func topologyReference() []Section {
	return []Section{
		{"topology", "topology", spec.Table{
			entry("topology", "a balancer in front of groups of targets", []spec.Param{
				read("balancer", spec.Block, "settings of the balancer as a whole"),
				read("listeners", spec.Blocks, "addresses and rules; with a single group one listener that forwards to it is the default"),
				needed("groups", spec.Block, "the target groups by name"),
			}),
			entry("balancer", "settings of the balancer as a whole", []spec.Param{replicasParam(), profileParam()}),
		}},
		{"profiles", "topology.balancer.profile", profileTable()},
		{"a group", "topology.groups.NAME", spec.Table{entry("group", "targets, and how requests are spread over them", groupKeys(), groupTimeParams(), groupWireParams())}},
		{"blocks of a group", "topology.groups.NAME", spec.Table{
			entry("outliers", "takes out targets whose requests fail", health.OutlierParams()),
			entry("retry", "sends a request to another target", group.RetryParams()),
			entry("fail_open", "sends requests to unhealthy targets when too few are healthy", group.FailOpenParams()),
			entry("limits", "requests in flight at a target, and the queue before them", group.LimitsParams()),
			entry("zones", "prefers targets of the balancer's own zone", group.ZonesParams()),
			entry("sticky", "keeps a client at its target by a cookie", group.StickyParams()),
			entry("timeouts", "of exchanges with targets", config.TargetTimeoutParams()),
			entry("tls", "to targets", targetTLSParams()),
		}},
		{"strategies", "topology.groups.NAME.strategy", pick.Kinds().Table()},
		{"health checks", "topology.groups.NAME.health", healthTable()},
		{"targets", "topology.groups.NAME.targets", spec.Table{
			entry("builtin targets", "sample backends, whose capacity is service", targetsParams(plan.Builtin)),
			entry("command targets", "processes of your own", targetsParams(plan.Command), []spec.Param{read("env", spec.Block, "variables besides those of shakedown itself; {port} as in command")}),
			entry("address targets", "what runs already", targetsParams(plan.Addresses)),
			entry("service", "the capacity of a sample backend", []spec.Param{read("time", spec.Either, "a kind of service time; 20ms without it")}, serviceParams()),
		}},
		{"service times", "topology.groups.NAME.service.time", model.Times().Table()},
		{"a listener", "topology.listeners.N", spec.Table{entry("listener", "an address, and what becomes of the requests that come to it", []spec.Param{addressParam()}, listenerKeys(), listenerOptionParams())}},
		{"blocks of a listener", "topology.listeners.N", spec.Table{
			entry("timeouts", "of clients' connections", config.FrontTimeoutParams()),
			entry("limits", "of clients' connections and requests", config.ListenerLimitParams()),
			entry("headers", "that are added and removed", config.HeaderParams()),
			entry("errors", "the status of each kind of failure", config.ErrorParams()),
			entry("tls", "with clients: certificates, or auto", []spec.Param{read("certificates", spec.Blocks, "by name; the first is for every other one")}, listenerTLSParams()),
			entry("certificates", "a list of certificates", certificateParams()),
		}},
		{"rules", "topology.listeners.N.rules.N", spec.Table{
			entry("rule", "conditions, which must all hold, and what is then done: one of forward, redirect and respond", ruleParams(), ruleKeys()),
			entry("limit", "of a rule: requests a second by key", ratelimit.Params()),
			entry("redirect", "answers with another address", redirectParams()),
			entry("respond", "answers with a text", respondParams()),
			entry("rewrite", "replaces the beginning of the path before the request is forwarded", rewriteParams()),
		}},
	}
}

// isListOfScenario reports whether a key at the top of the file holds a list.
func isListOfScenario(key string) bool {
	p, ok := scenarioReference()[0].Entries[0].Param(key)
	return ok && (p.Type == spec.Blocks || p.Type == spec.List)
}

func groupKeys() []spec.Param {
	return []spec.Param{
		read("strategy", spec.Either, "a kind of strategy; round_robin without it"),
		read("health", spec.Block, "checks of the targets; http without it, or off"),
		read("outliers", spec.Block, "off without it, as each of the next five"),
		read("retry", spec.Block, "further attempts"),
		read("fail_open", spec.Block, "what is done when too few are healthy"),
		read("limits", spec.Block, "requests in flight, and a queue"),
		read("zones", spec.Block, "targets near by are preferred"),
		read("sticky", spec.Block, "a client keeps its target"),
		read("timeouts", spec.Block, "of exchanges with targets"),
		read("tls", spec.Block, "TLS is spoken with the targets; off without it"),
		needed("targets", spec.Block, "which targets there are, and what runs them"),
		read("service", spec.Block, "the capacity of sample backends"),
	}
}

func listenerKeys() []spec.Param {
	return []spec.Param{
		read("timeouts", spec.Block, "of clients' connections"),
		read("limits", spec.Block, "of clients' connections and requests"),
		read("headers", spec.Block, "that are added and removed"),
		read("errors", spec.Block, "the status of each kind of failure"),
		read("tls", spec.Either, "off (the default), auto for certificates of a local authority, or a block"),
		needed("rules", spec.Blocks, "what becomes of a request"),
	}
}

func ruleKeys() []spec.Param {
	return []spec.Param{
		read("method", spec.Either, "a method, or a list of which any will do"),
		read("source", spec.Either, "a client address or CIDR block, or a list of which any will do"),
		read("header", spec.Block, "patterns by name: a header of each must match"),
		read("query", spec.Block, "patterns by name: a parameter of each must match"),
		read("forward", spec.Either, "a group, or a block of groups with their weights from 0 to 999"),
		read("redirect", spec.Block, "another address is the answer"),
		read("respond", spec.Block, "a text is the answer"),
		read("limit", spec.Block, "requests a second; off without it"),
		read("rewrite", spec.Block, "of the path, before the request is forwarded"),
		read("set", spec.Block, "headers by name that the target gets"),
		read("remove", spec.Either, "a header that the target does not get, or a list of them"),
	}
}

func loadReference() []Section {
	return []Section{
		{"the load", "load", spec.Table{entry("load", "what is sent, and when", loadParams(), []spec.Param{
			read("requests", spec.Blocks, "what is sent, by weight; get: / without it"),
			read("targets", spec.File, "requests in one of vegeta's formats, sent in turn, in place of requests"),
			read("data", spec.Block, "tables by name that templates take values from"),
			needed("phases", spec.Blocks, "the stretches of the load, one after the other"),
		})}},
		{"blocks of the load", "load", spec.Table{
			entry("phases", "the stretches of the load, each with a rate, or with users", phaseParams(), []spec.Param{
				read("rate", spec.Either, "a rate shape; or max, which is as many users as there are connections"), usersParam()}, closedLoopParams()),
			entry("requests", "what is sent: one of the methods with its path, and", methodKeys(), requestParams("METHOD PATH"), []spec.Param{
				read("headers", spec.Block, "values by name, each text or a list"),
				read("body", spec.Either, "text, or a block that names a file"),
				read("expect", spec.Block, "what an answer must be"),
			}),
			entry("body", "of a request, in a file", []spec.Param{bodyFileParam()}),
			entry("expect", "what an answer must be", expectParams(), []spec.Param{read("headers", spec.Block, "values by name that it must have")}),
			entry("data", "of each name: a CSV file, or a block", []spec.Param{needed("file", spec.File, "the CSV file, whose first line names the columns"), orderParam()}),
		}},
		{"rate shapes", "load.phases.NAME.rate", profile.Kinds().Table()},
	}
}

func methodKeys() (keys []spec.Param) {
	for _, m := range Methods() {
		keys = append(keys, read(m, spec.Text, "path and query, where {{…}} is filled in"))
	}
	return keys
}

func faultReference() []Section {
	return []Section{
		{"faults", "faults.ID", chaos.Kinds().Table()},
		{"every fault", "faults.ID", spec.Table{entry("fault", "what every fault has beside its kind's parameters", faultParams(), []spec.Param{
			needed("kind", spec.Text, "a kind of fault"),
			needed("at", spec.Text, "when it begins: a time such as 12s, or a phase with a time, such as spike+1s"),
			needed("target", spec.Block, "which targets it hits"),
		}, wireFaultParams())}},
		{"selectors", "faults.ID.target", spec.Table{entry("target", "which targets a fault hits", chaos.SelectorParams())}},
	}
}

func scalingReference() []Section {
	return []Section{
		{"scaling policies", "scaling.GROUP.policies.N", autoscale.Kinds().Table()},
		{"timings", "scaling.GROUP.timing", autoscale.Timings().Table()},
		{"every scaling", "scaling.GROUP", spec.Table{entry("scaling", "of one group", scalingParams(), []spec.Param{
			needed("policies", spec.Blocks, "of kinds of scaling policies"),
			read("timing", spec.Either, "a kind of timing; custom without it"),
		})}},
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

// FindReference returns what the reference has of a name: a whole section, else each kind or block of the name, else each
// that has a parameter of the name, with that parameter alone. The error suggests the nearest name.
func FindReference(name string) ([]Section, error) {
	for _, s := range Reference() {
		if s.Name == name {
			return []Section{s}, nil
		}
	}
	wanted := name
	if _, ok := gate.Quantile(name); ok {
		wanted = percentiles
	}
	found := pickReference(func(e spec.Entry) (spec.Entry, bool) { return e, e.Name == wanted })
	if len(found) == 0 || wanted == percentiles { // an objective has percentiles too, as a parameter
		found = append(found, pickReference(func(e spec.Entry) (spec.Entry, bool) {
			p, ok := e.Param(name)
			e.Params = []spec.Param{p}
			return e, ok
		})...)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("no kind is called %q%s: `shakedown scenario kinds` lists them", name, spec.Suggest(name, ReferenceNames()))
	}
	return found, nil
}

// percentiles is the entry of all percentiles among the metrics.
const percentiles = "pN"

// pickReference returns the sections with those entries that choose takes, as it changes them.
func pickReference(choose func(spec.Entry) (spec.Entry, bool)) (found []Section) {
	for _, s := range Reference() {
		var entries spec.Table
		for _, e := range s.Entries {
			if e, ok := choose(e); ok {
				entries = append(entries, e)
			}
		}
		if len(entries) > 0 {
			found = append(found, Section{s.Name, s.Where, entries})
		}
	}
	return found
}

// ReferenceNames lists the names that FindReference knows.
func ReferenceNames() (names []string) {
	for _, s := range Reference() {
		names = append(names, s.Name)
		for _, e := range s.Entries {
			for _, name := range append([]string{e.Name}, paramNames(e)...) {
				if !has(names, name) {
					names = append(names, name)
				}
			}
		}
	}
	return names
}

func paramNames(e spec.Entry) (names []string) {
	for _, p := range e.Params {
		names = append(names, p.Name)
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
