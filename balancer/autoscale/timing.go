package autoscale

import (
	"time"

	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// Timing is how long the stages of scaling take.
type Timing struct {
	MetricPeriod time.Duration // between datapoints
	Launch       time.Duration // from the decision to the start of the process
	Boot         time.Duration // from its start until it can serve
}

// Timings is the table of timing profiles.
func Timings() spec.Kinds[Timing] { return spec.Kinds[Timing]{custom} }

var custom = spec.Kind[Timing]{
	Entry: spec.Entry{
		Name: "custom", Doc: "stages as given; the defaults are those of a small Linux instance on EC2, with basic metrics each minute",
		Params: []spec.Param{
			{Name: "metric_period", Type: spec.Duration, Default: "60s", Min: .1, Max: 300, Doc: "between datapoints of the metric"},
			{Name: "datapoints", Type: spec.Count, Min: 1, Max: 60, Doc: "overrides the policies' datapoints before scaling out"},
			{Name: "launch", Type: spec.Duration, Default: "22.6s", Max: 3600, Doc: "from the decision to a running server (request and pending time)"},
			{Name: "boot", Type: spec.Duration, Default: "3.2s", Max: 3600, Doc: "from a running server until it can serve"},
		},
	},
	New: func(v spec.Values) (Timing, error) {
		return Timing{v.Duration("metric_period"), v.Duration("launch"), v.Duration("boot")}, nil
	},
}
