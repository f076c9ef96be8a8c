package gate

import "github.com/seed-8025779b/shakedown/scenarios/spec"

// Metric describes one metric of the language, for references.
type Metric struct {
	spec.Entry
	Unit     Unit
	Of       string // what it needs the id of: "fault", "group" or "status"; empty when it takes none
	Windowed bool   // it takes a window
}

// Metrics lists the metrics in the table's order. The first stands for every percentile.
func Metrics() []Metric {
	const anyPercentile = "p50"
	percentile, err := find(anyPercentile)
	if err != nil {
		panic("gate: " + err.Error()) // the language has percentiles
	}
	list := []Metric{{percentile.Entry, percentile.Unit, percentile.of, percentile.windowed}}
	list[0].Name = "pN"
	for _, m := range metrics() {
		list = append(list, Metric{m.Entry, m.Unit, m.of, m.windowed})
	}
	return list
}
