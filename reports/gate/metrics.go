package gate

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// Facts is what gates are judged on.
type Facts struct {
	// Window returns a phase, a fault's window or, for "", all judged phases; false when it never came.
	Window func(name string) (Window, bool)
	// Fault returns the measures of a fault.
	Fault func(id string) (Fault, bool)
	// Imbalance is the largest target's share over the mean share, less 1; false without targets.
	Imbalance func() (float64, bool)
	// ScaleOut is the slowest scale-out of a group from breach to service; false when none finished.
	ScaleOut func(group string) (time.Duration, bool)
}

// Window is a stretch of a run.
type Window struct {
	*measure.Tally
	Seconds float64
}

// Fault is a fault's measures; nil ones never happened.
type Fault struct {
	Detect, Eject, Recover, Residual *time.Duration
	Lost                             float64
}

var (
	errEmpty = errors.New("the window holds no request")
	errNever = errors.New("it never happened")
)

// metric is one line of the table.
type metric struct {
	spec.Entry
	Unit
	of       string // "fault" or "group" when it needs an id
	windowed bool
	value    func(f *Facts, g Gate) (float64, error)
}

// metrics is the table of metrics; percentiles come beside it, see find.
func metrics() []metric {
	return []metric{
		latencyMetric("mean", "mean response time", (*measure.Hist).Mean),
		latencyMetric("max", "largest response time", (*measure.Hist).Max),
		requestMetric("error_rate", "(failed + dropped) / (planned − cancelled)", Percent, func(w Window) float64 { return 100 * w.ErrorRate() }),
		requestMetric("dropped", "requests that found no free connection in time", Count, func(w Window) float64 { return float64(w.Dropped) }),
		requestMetric("failed", "requests that failed after they were sent", Count, func(w Window) float64 { return float64(w.Failed) }),
		requestMetric("rate", "succeeded requests a second", PerSecond, func(w Window) float64 { return float64(w.Succeeded) / w.Seconds }),
		{Entry: spec.Entry{Name: "imbalance", Doc: "largest target's share over the mean share, less 1"}, value: func(f *Facts, _ Gate) (float64, error) {
			v, ok := f.Imbalance()
			if !ok {
				return 0, errNever
			}
			return v, nil
		}},
		faultMetric("detect", "from injection to the first failed probe or error that the balancer saw", func(f Fault) *time.Duration { return f.Detect }),
		faultMetric("eject", "from injection to the last request routed to the victim before it was taken out", func(f Fault) *time.Duration { return f.Eject }),
		faultMetric("recover", "from injection until the objective held again", func(f Fault) *time.Duration { return f.Recover }),
		faultMetric("residual", "from the fault's end until the objective held again", func(f Fault) *time.Duration { return f.Residual }),
		{Entry: spec.Entry{Name: "lost", Doc: "failed requests from injection to recovery, less those that would have failed anyway"}, of: "fault", value: func(f *Facts, g Gate) (float64, error) {
			ft, ok := f.Fault(g.ID)
			if !ok {
				return 0, errNever
			}
			return ft.Lost, nil
		}},
		{Entry: spec.Entry{Name: "scale_out", Doc: "slowest scale-out of a group, from breach to service"}, Unit: Milliseconds, of: "group", value: func(f *Facts, g Gate) (float64, error) {
			d, ok := f.ScaleOut(g.ID)
			if !ok {
				return 0, errNever
			}
			return ms(d), nil
		}},
	}
}

// later lists metrics of the language whose engine is not there yet.
var later = map[string]bool{"cost": true, "shortage": true}

func find(name string) (*metric, error) {
	if later[name] {
		return nil, fmt.Errorf("metric %s is not supported yet", name)
	}
	base, _ := strings.CutSuffix(name, "_all")
	if q, ok := quantile(base); ok {
		m := latencyMetric(name, "percentile", func(h *measure.Hist) time.Duration { return h.Quantile(q) })
		return &m, nil
	}
	known := []string{"p50", "p90", "p95", "p99", "p999"}
	for _, m := range metrics() {
		if m.Name == name || (m.Name == base && (base == "mean" || base == "max")) {
			m.Name = name
			return &m, nil
		}
		known = append(known, m.Name)
	}
	return nil, fmt.Errorf("unknown metric %q%s", name, spec.Suggest(name, known))
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// latencyMetric judges succeeded requests, or all of them when the gate's metric ends in _all.
func latencyMetric(name, doc string, of func(*measure.Hist) time.Duration) metric {
	return metric{Entry: spec.Entry{Name: name, Doc: doc}, Unit: Milliseconds, windowed: true, value: func(f *Facts, g Gate) (float64, error) {
		w, ok := f.Window(g.Window)
		if !ok || w.Finished() == 0 {
			return 0, errEmpty
		}
		h := &w.Response
		if strings.HasSuffix(g.Metric, "_all") {
			h = w.All()
		}
		if h.Count() == 0 {
			return 0, errNever // every request failed: there is no success to judge, and the gate has failed
		}
		return ms(of(h)), nil
	}}
}

func requestMetric(name, doc string, unit Unit, of func(Window) float64) metric {
	return metric{Entry: spec.Entry{Name: name, Doc: doc}, Unit: unit, windowed: true, value: func(f *Facts, g Gate) (float64, error) {
		w, ok := f.Window(g.Window)
		if !ok || w.Finished() == 0 {
			return 0, errEmpty
		}
		return of(w), nil
	}}
}

func faultMetric(name, doc string, of func(Fault) *time.Duration) metric {
	return metric{Entry: spec.Entry{Name: name, Doc: doc}, Unit: Milliseconds, of: "fault", value: func(f *Facts, g Gate) (float64, error) {
		ft, ok := f.Fault(g.ID)
		if !ok || of(ft) == nil {
			return 0, errNever
		}
		return ms(*of(ft)), nil
	}}
}
