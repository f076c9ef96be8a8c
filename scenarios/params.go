package scenarios

import (
	"fmt"

	"github.com/seed-8025779b/shakedown/scenarios/plan"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// What stands here is read by the decoder and listed by the reference.

// objectivePercentiles are the response times that an objective may be about.
var objectivePercentiles = []struct {
	name string
	q    float64
}{{"p50", .5}, {"p90", .9}, {"p95", .95}, {"p99", .99}, {"p999", .999}}

func versionParam() spec.Param {
	return spec.Param{Name: "version", Type: spec.Count, Required: true, Doc: "the file's version, 1"}
}

// headParams are those of a scenario that is called by its file's name when it has none of its own.
func headParams(called string) []spec.Param {
	return []spec.Param{
		{Name: "name", Type: spec.Text, Default: called, Doc: "what reports call it, and the folder of its results"},
		{Name: "about", Type: spec.Text, Doc: "a line that says what it is for"},
	}
}

func seedParam(value, from string) spec.Param {
	return spec.Param{Name: "seed", Type: spec.Count, Default: value, From: from, Doc: "of every random draw"}
}

func maskParams() []spec.Param {
	return []spec.Param{{Name: "mask", Type: spec.List, Doc: "headers, and variables of env, whose values are shown nowhere"}}
}

func replicasParam() spec.Param {
	return spec.Param{Name: "replicas", Type: spec.Count, Default: "1", Min: 1, Max: 16, Doc: "balancers; more than one is not supported yet"}
}

func profileParam() spec.Param {
	p := spec.Param{Name: "profile", Type: spec.Text, Doc: "the balancer whose defaults are taken"}
	for _, x := range profiles() {
		p.Enum = append(p.Enum, x.name)
	}
	return p
}

func addressParam() spec.Param {
	return spec.Param{Name: "address", Type: spec.Text, Default: "127.0.0.1:0", Doc: "HOST:PORT to listen at; port 0 is any that is free"}
}

func objectivePercentile(name string) spec.Param {
	return spec.Param{Name: name, Type: spec.Duration, Above: true, Max: 3600, Doc: "response time that must not be exceeded; without an objective p99 is 1s"}
}

func objectiveParams() []spec.Param {
	return []spec.Param{
		{Name: "error_rate", Type: spec.Share, Default: "1%", Max: 1, Doc: "share of failed requests that must not be exceeded"},
		{Name: "window", Type: spec.Duration, Default: "2s", Min: .4, Max: 600, Doc: "the stretch of time over which it must hold"},
	}
}

func networkParams() []spec.Param {
	return []spec.Param{{Name: "rtt", Type: spec.Duration, Default: "0s", Max: 10, Doc: "round trip between client and balancer; simulated worlds only"}}
}

func validityParams() []spec.Param {
	return []spec.Param{
		{Name: "lag", Type: spec.Duration, Above: true, Max: 600, Doc: "delay of a request by the load generator itself that is tolerated (default 1ms, with the engine vegeta 3ms)"},
		{Name: "offered", Type: spec.Share, Default: "99%", Min: 0, Max: 1, Doc: "share of the schedule that must have been offered"},
	}
}

func abortParams() []spec.Param {
	return []spec.Param{
		{Name: "when", Type: spec.Text, Required: true, Doc: "such as error_rate > 60%"},
		{Name: "over", Type: spec.Duration, Default: "5s", Min: .5, Max: 600, Doc: "the stretch of time looked back on"},
	}
}

func loadParams() []spec.Param {
	return []spec.Param{{Name: "arrivals", Type: spec.Text, Default: "poisson", Enum: []string{"even", "poisson"}, Doc: "independent of each other, or at equal distances"}}
}

func phaseParams() []spec.Param {
	return []spec.Param{
		{Name: "name", Type: spec.Text, Required: true, Doc: "what gates and faults call it"},
		{Name: "for", Type: spec.Duration, Required: true, Above: true, Max: 7 * 86400, Doc: "how long it lasts"},
		{Name: "discard", Type: spec.Bool, Default: "false", Doc: "left out of totals and gates: a warm-up"},
	}
}

func orderParam() spec.Param {
	return spec.Param{Name: "order", Type: spec.Text, Default: "in_turn", Enum: []string{"in_turn", "random"}, Doc: "which row a request takes"}
}

func bodyFileParam() spec.Param {
	return spec.Param{Name: "file", Type: spec.File, Required: true, Doc: "the file that holds it"}
}

func usersParam() spec.Param {
	return spec.Param{Name: "users", Type: spec.Count, Min: 1, Max: 60000, Doc: "of a closed loop, in place of a rate: each sends its next request when the last was answered"}
}

func closedLoopParams() []spec.Param {
	return []spec.Param{{Name: "think_time", Type: spec.Duration, Default: "0s", Max: 3600, Doc: "between an answer and the user's next request"}}
}

// requestParams are those of a request that is called something when it has no name of its own.
func requestParams(called string) []spec.Param {
	return []spec.Param{
		{Name: "name", Type: spec.Text, Default: called, Doc: "what gates and the report call it"},
		{Name: "weight", Type: spec.Number, Default: "1", Above: true, Max: 1e6, Doc: "its share of the load, beside the others' weights"},
	}
}

func expectParams() []spec.Param {
	return []spec.Param{
		{Name: "status", Type: spec.Count, Min: 100, Max: 599, Doc: "the status it must have; without it, any below 400"},
		{Name: "body", Type: spec.Text, Doc: "a text that must stand in the body"},
	}
}

// targetsParams are those of a group's targets, by what runs them.
func targetsParams(run plan.Run) []spec.Param {
	count := spec.Param{Name: "count", Type: spec.Count, Default: "1", Min: 1, Max: 1000, Doc: "how many there are at the start"}
	var own []spec.Param
	switch run {
	case plan.Command:
		own = []spec.Param{
			count,
			{Name: "command", Type: spec.List, Required: true, Doc: "program and arguments; {port} is the port to listen on"},
			{Name: "dir", Type: spec.Text, Doc: "the folder that it runs in; the scenario's own without it"},
		}
	case plan.Addresses:
		own = []spec.Param{{Name: "addresses", Type: spec.List, Required: true, Doc: "HOST:PORT of each target"}}
	default:
		own = []spec.Param{count, {Name: "run", Type: spec.Text, Default: "builtin", Enum: []string{"builtin"}, Doc: "builtin: the sample backend"}}
	}
	return append(own,
		spec.Param{Name: "zones", Type: spec.List, Doc: "zones, given to the targets in turn"},
		spec.Param{Name: "weights", Type: spec.List, Doc: "weights, given to the targets in turn; whole numbers"},
		spec.Param{Name: "start_timeout", Type: spec.Duration, Default: "30s", Min: .1, Max: 3600, Doc: "how long the targets may take to become healthy at the start"},
	)
}

func serviceParams() []spec.Param {
	return []spec.Param{
		{Name: "concurrency", Type: spec.Count, Default: defaultSlots, Min: 1, Max: 100000, Doc: "requests served at once"},
		{Name: "queue", Type: spec.Count, Default: defaultQueue, Min: 0, Max: 1e6, Words: []spec.Word{{Name: "unlimited", Value: -1}}, Doc: "requests that may wait; beyond it, 503"},
	}
}

func scalingParams() []spec.Param {
	return []spec.Param{
		{Name: "group", Type: spec.Text, Required: true, Doc: "the group that is scaled"},
		{Name: "min", Type: spec.Count, Default: "1", Min: 1, Max: 1000, Doc: "the fewest targets"},
		{Name: "max", Type: spec.Count, Required: true, Min: 1, Max: 1000, Doc: "the most targets"},
		{Name: "cooldown", Type: spec.Duration, Default: "300s", Max: 86400, Doc: "after a change, no other for so long"},
	}
}

func faultParams() []spec.Param {
	return []spec.Param{{Name: "id", Type: spec.Text, Required: true, Doc: "what gates and the report call it"}}
}

// wireFaultParams are those of a fault on connections.
func wireFaultParams() []spec.Param {
	return []spec.Param{
		{Name: "for", Type: spec.Duration, Above: true, Max: 7 * 86400, Doc: "how long; until the run ends without it"},
		{Name: "where", Type: spec.Text, Default: "wire", Enum: []string{"wire", "target"}, Doc: "on the balancer's connection to the target; target is not supported yet"},
	}
}

// groupTimeParams are how long a group's targets take to come and to go.
func groupTimeParams() []spec.Param {
	return []spec.Param{
		{Name: "drain", Type: spec.Duration, Default: "30s", Max: 3600, Doc: "how long a target that is taken out may finish what it runs"},
		{Name: "slow_start", Type: spec.Duration, Default: "0s", Max: 900, Doc: "how long a target that joins or comes back takes to its full share"},
	}
}

// groupWireParams are how a group's targets are spoken to.
func groupWireParams() []spec.Param {
	return []spec.Param{
		{Name: "http2", Type: spec.Bool, Default: "false", Doc: "HTTP/2 is spoken with the targets, as gRPC needs it; without tls by prior knowledge"},
		{Name: "proxy_protocol", Type: spec.Text, Default: "off", Enum: []string{"off", "v1", "v2"}, Doc: "each connection to a target begins with a PROXY header that tells the client"},
		{Name: "host", Type: spec.Text, Default: "keep", Doc: "the Host that targets get: keep, the client's; target, their own address; or another"},
	}
}

// targetTLSParams are those of TLS to targets.
func targetTLSParams() []spec.Param {
	return []spec.Param{
		{Name: "ca", Type: spec.Text, Doc: "file of the authorities that targets' certificates come from; the system's without it"},
		{Name: "server_name", Type: spec.Text, Doc: "the name that is asked for and verified; a target's host without it"},
		{Name: "insecure", Type: spec.Bool, Default: "false", Doc: "certificates are not verified"},
		{Name: "cert", Type: spec.Text, Doc: "file of a certificate that is shown to targets"},
		{Name: "key", Type: spec.Text, Doc: "file of its key"},
	}
}

// listenerOptionParams are those of a listener that stand in no block.
func listenerOptionParams() []spec.Param {
	return []spec.Param{
		{Name: "http2", Type: spec.Bool, Default: "true", Doc: "HTTP/2 is spoken too: over TLS as agreed, without by prior knowledge"},
		{Name: "proxy_protocol", Type: spec.Bool, Default: "false", Doc: "each connection begins with a PROXY header, version 1 or 2, that tells the client"},
		{Name: "strict", Type: spec.Bool, Default: "false", Doc: "URLs with \"<>\\^`{|} or bytes beyond ASCII, which RFC 3986 leaves out, are refused"},
		{Name: "normalize_path", Type: spec.Bool, Default: "true", Doc: "targets get a path in the form that rules see, without dot segments, repeated slashes and needless escapes; false: as it came"},
		{Name: "escaped_slashes", Type: spec.Text, Default: "keep", Enum: []string{"keep", "refuse"}, Doc: "what becomes of a path with %2F or %5C: it stays escaped and counts as no slash, or is refused"},
	}
}

// certificateParams are those of one of a listener's certificates.
func certificateParams() []spec.Param {
	return []spec.Param{
		{Name: "cert", Type: spec.Text, Required: true, Doc: "file of the certificate and its chain"},
		{Name: "key", Type: spec.Text, Required: true, Doc: "file of its key"},
	}
}

// listenerTLSParams are those of a listener's TLS beside its certificates.
func listenerTLSParams() []spec.Param {
	return []spec.Param{
		{Name: "client_ca", Type: spec.Text, Doc: "file of authorities: clients must show a certificate of theirs"},
		{Name: "min", Type: spec.Text, Default: "1.2", Enum: []string{"1.2", "1.3"}, Doc: "the lowest version of TLS"},
		{Name: "auto", Type: spec.Text, Doc: "a folder for a local authority, which makes certificates as they are asked for"},
	}
}

// ruleParams are those of a rule beside its lists of conditions and its action.
func ruleParams() []spec.Param {
	return []spec.Param{
		{Name: "priority", Type: spec.Count, Default: fmt.Sprint(lastPriority), Min: 1, Max: lastPriority, Doc: "the lowest is asked first; equals in the file's order"},
		{Name: "path", Type: spec.Text, Doc: "a pattern with * and ?, such as /api/*, for paths in normal form; every path without it"},
		{Name: "host", Type: spec.Text, Doc: "a pattern such as *.example.org"},
	}
}

// redirectParams are those of a rule's redirect.
func redirectParams() []spec.Param {
	return []spec.Param{
		{Name: "to", Type: spec.Text, Required: true, Doc: "where to; {protocol}, {host}, {port}, {path} and {query} stand for the request's own"},
		{Name: "status", Type: spec.Count, Default: "302", Min: 301, Max: 308, Doc: "301, 302, 303, 307 or 308"},
	}
}

// respondParams are those of an answer that a rule gives.
func respondParams() []spec.Param {
	return []spec.Param{
		{Name: "status", Type: spec.Count, Default: "200", Min: 200, Max: 599, Doc: "of the answer"},
		{Name: "body", Type: spec.Text, Doc: "its text"},
	}
}

// rewriteParams are those of a rule's change of the path.
func rewriteParams() []spec.Param {
	return []spec.Param{
		{Name: "prefix", Type: spec.Text, Required: true, Doc: "the beginning of the path that is replaced, by whole segments: /api is none of /apiary"},
		{Name: "to", Type: spec.Text, Default: "/", Doc: "by what"},
	}
}
