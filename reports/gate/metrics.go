package gate

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// Facts is what gates are judged on.
type Facts struct {
	// Window returns a phase, a fault's window, the requests of a name or, for "", all judged phases; false when
	// it never came. What belongs to a window is exact: see each kind's own definition. Of a phase, request is the name of the requests
	// that are asked about; empty for all of them.
	Window func(name, request string) (Window, bool)
	// Fault returns the measures of a fault.
	Fault func(id string) (Fault, bool)
	// Imbalance is the most loaded target's requests over those that it should have had by its weight while it took
	// traffic, less 1. Targets that should have had fewer than 20 requests do not count; false when none counts.
	Imbalance func() (float64, bool)
	// ScaleOut is the slowest scale-out of a group from breach to service; false when there was none, or one that never
	// came into service.
	ScaleOut func(group string) (time.Duration, bool)
}

// Window is a stretch of a run, or a part of its requests.
type Window struct {
	*measure.Tally
	Seconds float64 // its length
}

// Fault is a fault's measures; nil ones did not happen.
type Fault struct {
	Detect, Eject, Recover, Residual *time.Duration
	Lost                             float64
	Broken                           bool // the objective broke at all
	Before                           bool // and was not met already over the window that ends at the injection
	Empty                            bool // its window holds no request: nothing can be said

	// Without Recover or Residual: it took so long at least, as far as the load tells.
	RecoverOver, ResidualOver time.Duration
}

var (
	errEmpty = nothing("no request in its window")
	errNever = errors.New("it did not happen")

	errUnended = nothing("the load ended before it could be known")
	errNotSent = nothing("no request in its window was sent")
	errNoneOwn = nothing("no request in its window succeeded, and how long one would have taken is not known")

	errNoSuccess = failing("no request succeeded")
	errNoAnswer  = failing("no request was answered")
)

// nothing is why there is nothing that a gate could judge.
type nothing string

func (n nothing) Error() string { return string(n) }

// failing is why a gate has failed that has requests, but no figure.
type failing string

func (f failing) Error() string { return string(f) }

// metric is one line of the table.
type metric struct {
	spec.Entry
	Unit
	of       string // "fault", "group" or "status" when it needs an id
	windowed bool
	share    bool // of requests: at most 100 %
	value    func(f *Facts, g Gate) (float64, error)
	note     func(f *Facts, g Gate) string

	// Of a percentile: the requests it takes, 0 for the maximum, and where they are.
	needed uint64
	hist   func(Window) *measure.Hist
}

// imbalanceRule says what imbalance is, for messages and references.
const imbalanceRule = "the most loaded target's requests over those that it should have had by its weight while it took traffic, less 1; targets that should have had fewer than 20 do not count"

// metrics is the table of metrics; percentiles come beside it, see find.
func metrics() []metric {
	return []metric{
		latencyMetric("mean", "mean response time", (*measure.Hist).Mean),
		latencyMetric("max", "largest response time", (*measure.Hist).Max),
		requestMetric("error_rate", "(failed + dropped) / (planned − cancelled)", Percent, func(w Window) float64 { return measure.Percent(w.Failed+w.Dropped, w.Finished()) }),
		requestMetric("dropped", "requests that found no free connection in time", Count, func(w Window) float64 { return float64(w.Dropped + w.MayBeBad) }),
		requestMetric("failed", "requests that failed, refused connections included; those never sent for want of a free connection are dropped", Count, func(w Window) float64 { return float64(w.Failed) }),
		requestMetric("resent", "requests that the load generator sent again on a new connection, because the server closed the one that they were just sent on; of those sent", Percent, func(w Window) float64 { return measure.Percent(w.Reconnects, w.Sent()) }),
		requestMetric("amplification", "attempts of the client for each request that was sent; 1 without retries", Count, func(w Window) float64 { return w.Amplification() }),
		rateMetric(),
		statusMetric(),
		{Entry: spec.Entry{Name: "imbalance", Doc: imbalanceRule}, value: func(f *Facts, _ Gate) (float64, error) {
			v, ok := f.Imbalance()
			if !ok {
				return 0, nothing("no target should have had 20 requests")
			}
			return v, nil
		}},
		faultMetric("detect", "from injection to the first failed probe or error that the balancer saw", func(f Fault) *time.Duration { return f.Detect }),
		faultMetric("eject", "from injection until the last of its targets was taken out of service", func(f Fault) *time.Duration { return f.Eject }),
		recoverMetric(),
		residualMetric(),
		{Entry: spec.Entry{Name: "lost", Doc: "failed requests charged to the fault, less those that would have failed anyway"}, of: "fault", value: func(f *Facts, g Gate) (float64, error) {
			ft, err := f.faultOf(g)
			return ft.Lost, err
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
	if q, ok := Quantile(name); ok {
		m := latencyMetric(name, "percentile of the response time: "+percentileRule, func(h *measure.Hist) time.Duration { return h.Quantile(q) })
		m.needed = Needed(q)
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
	return nil, fmt.Errorf("unknown metric %q%s\n  there are %s, and percentiles: %s", name, spec.Suggest(name, known), strings.Join(known[5:], ", "), percentileRule)
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// latencyMetric judges succeeded requests, or all of them when the gate's metric ends in _all.
func latencyMetric(name, doc string, of func(*measure.Hist) time.Duration) metric {
	hist := func(w Window) *measure.Hist {
		if strings.HasSuffix(name, "_all") {
			return w.All()
		}
		return &w.Response
	}
	return metric{Entry: spec.Entry{Name: name, Doc: doc}, Unit: Milliseconds, windowed: true, hist: hist, value: func(f *Facts, g Gate) (float64, error) {
		w, ok := f.Window(g.Window, g.Request)
		if !ok || w.Finished() == 0 {
			return 0, errEmpty
		}
		h, all := &w.Response, strings.HasSuffix(g.Metric, "_all") // the table's own entry has the name without it
		if all {
			h = w.All()
		}
		switch {
		case h.Count() > 0 && !all && w.Succeeded == w.MayBeGood: // how long failures took tells nothing of it
			return 0, errNoneOwn
		case h.Count() > 0:
			return ms(of(h)), nil
		case w.MayBeGood > 0: // what became of the others is not known
			return 0, errNotSent
		}
		return 0, errNoSuccess
	}}
}

func requestMetric(name, doc string, unit Unit, of func(Window) float64) metric {
	return metric{Entry: spec.Entry{Name: name, Doc: doc}, Unit: unit, windowed: true, share: unit == Percent, value: func(f *Facts, g Gate) (float64, error) {
		w, ok := f.Window(g.Window, g.Request)
		if !ok || w.Finished() == 0 {
			return 0, errEmpty
		}
		return of(w), nil
	}}
}

// rateMetric judges throughput. A window without a length has none.
func rateMetric() metric {
	m := requestMetric("rate", "throughput: successes of the window's own requests that ended within it, a second", PerSecond, func(w Window) float64 { return float64(w.Within) / w.Seconds })
	value := m.value
	m.value = func(f *Facts, g Gate) (float64, error) {
		if w, ok := f.Window(g.Window, g.Request); ok && w.Seconds <= 0 {
			return 0, errEmpty
		}
		return value(f, g)
	}
	return m
}

var statusPattern = regexp.MustCompile(`^[1-5]([0-9]{2}|xx)$`)

// statusMetric is the share of answers that have a status, or one of a class. Where the status of an answer is not known it
// may be each one below 400 of what may have succeeded, and each other one of what may have failed.
func statusMetric() metric {
	return metric{Entry: spec.Entry{Name: "status", Doc: "share of answers with that HTTP status, or class such as 5xx"}, Unit: Percent, of: "status", windowed: true, share: true, value: func(f *Facts, g Gate) (float64, error) {
		w, ok := f.Window(g.Window, g.Request)
		if !ok || w.Finished() == 0 {
			return 0, errEmpty
		}
		n, all := w.MayBeBad, w.MayBeBad+w.MayBeGood
		if g.ID[0] < '4' {
			n = w.MayBeGood
		}
		for _, x := range w.Statuses {
			all += x.N
			if class := strconv.Itoa(measure.StatusClass(x.Status)) + "xx"; class == g.ID || strconv.Itoa(x.Status) == g.ID {
				n += x.N
			}
		}
		if all == 0 {
			return 0, errNoAnswer
		}
		return measure.Percent(n, all), nil
	}}
}

// faultOf returns the measures of the gate's fault, of which something can be said.
func (f *Facts) faultOf(g Gate) (Fault, error) {
	ft, ok := f.Fault(g.ID)
	if !ok {
		return ft, errNever
	}
	if ft.Empty {
		return ft, errEmpty
	}
	return ft, nil
}

func faultMetric(name, doc string, of func(Fault) *time.Duration) metric {
	return metric{Entry: spec.Entry{Name: name, Doc: doc}, Unit: Milliseconds, of: "fault", value: func(f *Facts, g Gate) (float64, error) {
		ft, err := f.faultOf(g)
		if err != nil {
			return 0, err
		}
		if of(ft) == nil {
			return 0, errNever
		}
		return ms(*of(ft)), nil
	}}
}

// recoveryMetric is a metric on when the objective held again. Where it did not the gate has failed only when its limit had passed
// before the load ended.
func recoveryMetric(name, doc string, of func(Fault) (*time.Duration, time.Duration)) metric {
	m := faultMetric(name, doc, func(f Fault) *time.Duration { d, _ := of(f); return d })
	value := m.value
	m.value = func(f *Facts, g Gate) (float64, error) {
		if ft, err := f.faultOf(g); err == nil {
			if d, over := of(ft); d == nil && (g.Op[0] == '>' || compare(ms(over), g.Op, g.Limit)) {
				return 0, errUnended
			}
		}
		return value(f, g)
	}
	return m
}

// recoverMetric passes with 0 when the objective never broke, and says so.
func recoverMetric() metric {
	m := recoveryMetric("recover", "from injection until the objective held again, for good if the fault ends; 0 when it never broke", func(f Fault) (*time.Duration, time.Duration) { return f.Recover, f.RecoverOver })
	m.note = func(f *Facts, g Gate) string {
		if ft, err := f.faultOf(g); err == nil && !ft.Broken && ft.Recover != nil {
			return "the objective did not break"
		}
		return noteBefore(f, g)
	}
	return m
}

func residualMetric() metric {
	m := recoveryMetric("residual", "from the fault's end until the objective held again for good", func(f Fault) (*time.Duration, time.Duration) { return f.Residual, f.ResidualOver })
	m.note = noteBefore
	return m
}

// BrokenBefore says that a fault may not be to blame for its recovery.
const BrokenBefore = "the objective was not met already before its injection"

func noteBefore(f *Facts, g Gate) string {
	if ft, err := f.faultOf(g); err == nil && ft.Before {
		return BrokenBefore
	}
	return ""
}
