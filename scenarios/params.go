package scenarios

import (
	"github.com/seed-8025779b/shakedown/scenarios/plan"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// What stands here is read by the decoder and listed by the reference.

// objectivePercentiles are the response times that an objective may be about.
var objectivePercentiles = []struct {
	name string
	q    float64
}{{"p50", .5}, {"p90", .9}, {"p95", .95}, {"p99", .99}, {"p999", .999}}

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
		{Name: "where", Type: spec.Text, Default: "wire", Enum: []string{"wire", "target"}, Doc: "on the balancer's connection to the target"},
	}
}
