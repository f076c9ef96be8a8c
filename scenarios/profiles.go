package scenarios

import (
	"slices"

	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// behaviour is what another balancer does where the file says nothing: defaults of blocks, and whether blocks that may be
// left out are there.
type behaviour struct {
	name     string
	doc      string
	strategy string
	there    []string          // outliers, retry, fail_open, limits
	without  []string          // health
	values   map[string]string // "block.parameter" to its default
}

// profiles are the balancers that ours can behave like, by their documentation of 2026.
func profiles() []behaviour {
	return []behaviour{
		{
			name: "alb", doc: "AWS' application load balancer", strategy: "round_robin", there: []string{"fail_open"},
			values: map[string]string{
				"health.path": "/", "health.interval": "30s", "health.timeout": "5s", "health.healthy": "5", "health.unhealthy": "2",
				"fail_open.healthy": "1", "fail_open.share": "0%", "group.drain": "300s",
				"target timeouts.connect": "10s", "target timeouts.response": "60s", "timeouts.idle": "60s", "timeouts.header": "60s", "timeouts.body": "60s", "timeouts.write": "60s",
				"limits.line": "16384", "limits.head": "65536", "errors.head_too_large": "400", "listener.normalize_path": "false",
			},
		},
		{
			name: "haproxy", doc: "HAProxy with its defaults", strategy: "weighted_round_robin", there: []string{"retry"},
			values: map[string]string{
				"health.path": "/", "health.interval": "2s", "health.timeout": "2s", "health.healthy": "2", "health.unhealthy": "3", "health.matcher": "200-399",
				"retry.attempts": "3", "retry.on": "connect", "retry.budget": "100%", "retry.floor": "1000000/s", "limits.line": "16384", "limits.head": "16384",
				"errors.connect": "503", "errors.connect_timeout": "503", "errors.broken": "502", "errors.head_too_large": "400", "errors.line_too_long": "400", "errors.coding": "422",
				"listener.normalize_path": "false",
			},
		},
		{
			name: "envoy", doc: "Envoy with least requests, its circuit breakers and outlier detection", strategy: "p2c", there: []string{"fail_open", "outliers", "limits"},
			values: map[string]string{
				"fail_open.healthy": "0", "fail_open.share": "50%", "outliers.consecutive": "5", "outliers.eject_for": "30s", "outliers.max_eject_for": "300s",
				"outliers.max_ejected": "10%", "outliers.success_rate": "1.9", "outliers.interval": "10s", "outliers.requests": "100", "outliers.hosts": "5",
				"group limits.requests": "1024", "group limits.queue": "1024", "retry.budget": "20%", "retry.floor": "3/s",
				"target timeouts.connect": "5s", "target timeouts.exchange": "15s", "timeouts.idle": "1h", "timeouts.header": "unlimited", "limits.head": "61440", "limits.line": "61440",
				"errors.connect": "503", "errors.connect_timeout": "503", "errors.broken": "503", "errors.line_too_long": "431", "listener.normalize_path": "false",
			},
		},
		{
			name: "nginx", doc: "nginx: no active checks, a target is out after one failure, retries on errors", strategy: "weighted_round_robin",
			there: []string{"outliers", "retry"}, without: []string{"health"},
			values: map[string]string{
				"outliers.consecutive": "1", "outliers.on": "error", "outliers.eject_for": "10s", "outliers.max_eject_for": "10s", "outliers.max_ejected": "100%",
				"retry.attempts": "10", "retry.on": "error", "retry.budget": "100%", "retry.floor": "1000000/s",
				"target timeouts.connect": "60s", "target timeouts.response": "60s", "timeouts.idle": "75s", "timeouts.header": "60s", "timeouts.body": "60s", "timeouts.write": "60s",
				"limits.line": "8192", "limits.head": "32768", "limits.headers": "10000", "limits.body": "1048576",
				"headers.underscores": "remove", "listener.normalize_path": "false",
				"errors.connect": "502", "errors.no_target": "502", "errors.head_too_large": "400", "errors.gone": "499",
			},
		},
	}
}

// origin is what explain says of a default of the profile's.
func (p *behaviour) origin() string { return "profile " + p.name }

// defaults are parameters with the profile's defaults for a block.
func (d *decoder) defaults(block string, params []spec.Param) []spec.Param {
	if d.profile == nil {
		return params
	}
	out := slices.Clone(params)
	for i := range out {
		if v, ok := d.profile.values[block+"."+out[i].Name]; ok {
			out[i].Default, out[i].From = v, d.profile.origin()
		}
	}
	return out
}
