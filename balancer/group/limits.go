package group

import (
	"time"

	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// Limits bound what is sent to a group's targets at once, and what may wait meanwhile.
type Limits struct {
	Requests int           // in flight at one target, each on a connection of its own in HTTP/1.1; 0: no limit
	Queue    int           // requests that may wait for a target with room; -1: no limit
	Wait     time.Duration // how long one may wait
	First    bool          // requests to a group that has no target yet wait for its first one: see Group.Waits
}

// LimitsParams describes them as a scenario writes them. The limit is of the kind of HAProxy's maxconn of a server, the
// queue that of its timeout queue; Envoy's circuit breakers allow 1024 of either.
func LimitsParams() []spec.Param {
	return []spec.Param{
		{Name: "requests", Type: spec.Count, Default: "1024", Min: 1, Max: 1e6, Words: []spec.Word{{Name: "unlimited", Value: 0}}, Doc: "in flight at one target at once"},
		{Name: "queue", Type: spec.Count, Default: "1024", Max: 1e6, Words: []spec.Word{{Name: "unlimited", Value: -1}}, Doc: "requests that may wait for a target with room; beyond it, 503"},
		{Name: "wait", Type: spec.Duration, Default: "5s", Min: .001, Max: 600, Doc: "how long a request may wait; then 503"},
		{Name: "wait_for_target", Type: spec.Bool, Default: "false", Doc: "whether requests wait in the queue for the first target of a group that has none; else 503 at once"},
	}
}

// NewLimits returns what the values describe.
func NewLimits(v spec.Values) *Limits {
	return &Limits{v.Int("requests"), v.Int("queue"), v.Duration("wait"), v.Bool("wait_for_target")}
}

// limit is how many requests a target may have in flight; 0 for no limit.
func (g *Group) limit() int64 {
	if g.Config().Limits == nil {
		return 0
	}
	return int64(g.Config().Limits.Requests)
}
