// Package gate is the language of gates, and their judge.
//
//	gate = metric [ "(" id ")" ] [ "[" window "]" ] ( "<" | "<=" | ">" | ">=" ) limit
//
// such as `p99[spike] < 800ms`, `error_rate < 1%` or `recover(kill-one) < 6s`. A window is a phase's name, a
// fault's id (from its injection to recovery), a request's name, or a phase's and a request's: `p99[spike, GET /]`. Without one, all
// phases that are not discarded are judged.
package gate

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/seed-8025779b/shakedown/scenarios/plan"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// Gate is one condition on a result. Check tells its Request from its Window.
type Gate plan.Gate

// Unit is what a metric is measured in.
type Unit string

// The units of metrics.
const (
	Milliseconds Unit = "ms"
	Percent      Unit = "%"
	Count        Unit = ""
	PerSecond    Unit = "/s"
)

var pattern = regexp.MustCompile(`^\s*([a-z_0-9.]+)\s*(?:\(\s*([^()\[\]]+?)\s*\))?\s*(?:\[\s*([^()\[\]]+?)\s*\])?\s*(<=|>=|<|>)\s*(\S+)\s*$`)

// Parse reads a gate. It knows the metrics, but not which phases, faults and groups there are: see Check.
func Parse(expr string) (Gate, error) {
	m := pattern.FindStringSubmatch(expr)
	if m == nil {
		return Gate{}, fmt.Errorf("%q is not a gate: expected METRIC[(ID)][[WINDOW]] < LIMIT, such as p99[spike] < 800ms", expr)
	}
	g := Gate{Expr: strings.TrimSpace(expr), Metric: m[1], ID: m[2], Window: m[3], Op: m[4]}
	metric, err := find(g.Metric)
	if err != nil {
		return Gate{}, err
	}
	switch {
	case metric.of == "status" && !statusPattern.MatchString(g.ID):
		return Gate{}, fmt.Errorf("%s needs a status from 100 to 599 or a class of them: %s(503) or %s(5xx)", g.Metric, g.Metric, g.Metric)
	case metric.of != "" && g.ID == "":
		return Gate{}, fmt.Errorf("%s needs the id of a %s: %s(ID)", g.Metric, metric.of, g.Metric)
	case metric.of == "" && g.ID != "":
		return Gate{}, fmt.Errorf("%s takes no id: write [%s] for a window", g.Metric, g.ID)
	case !metric.windowed && g.Window != "":
		return Gate{}, fmt.Errorf("%s takes no window", g.Metric)
	}
	g.Limit, err = metric.limit(m[5])
	if err != nil {
		return Gate{}, fmt.Errorf("limit of %s: %w", g.Metric, err)
	}
	return g, g.checkLimit(metric)
}

// checkLimit refuses a limit that decides by itself: no metric is below 0, and a share of requests is at most 100 %.
func (g Gate) checkLimit(m *metric) error {
	always := ""
	switch {
	case g.Op == "<" && g.Limit <= 0, g.Op == "<=" && g.Limit < 0, m.share && g.Op == ">" && g.Limit >= 100, m.share && g.Op == ">=" && g.Limit > 100:
		always = "fail"
	case g.Op == ">=" && g.Limit <= 0, g.Op == ">" && g.Limit < 0, m.share && g.Op == "<=" && g.Limit >= 100, m.share && g.Op == "<" && g.Limit > 100:
		always = "pass"
	default:
		return nil
	}
	within := "is never below 0"
	if m.share {
		within = "lies between 0 % and 100 %"
	}
	return fmt.Errorf("%s would always %s: %s %s", g.Expr, always, g.Metric, within)
}

func (m *metric) limit(text string) (float64, error) {
	p := spec.Param{Type: map[Unit]spec.Type{Milliseconds: spec.Duration, Percent: spec.Share, PerSecond: spec.Rate, Count: spec.Number}[m.Unit]}
	v, err := p.Parse(text)
	if err != nil {
		return 0, err
	}
	switch v := v.(type) {
	case time.Duration:
		return float64(v) / float64(time.Millisecond), nil
	case float64:
		if m.Unit == Percent {
			return spec.Percent(v), nil
		}
		return v, nil
	}
	return 0, errors.New("not a number")
}

// Names is what a scenario has that a gate may refer to.
type Names struct{ Phases, Faults, Groups, Requests []string }

// Check returns the gate with its windows told apart. The error is of a reference to something that the scenario does not have.
func (g Gate) Check(n Names) (Gate, error) {
	if phase, request, ok := n.both(g.Window); ok {
		g.Window, g.Request = phase, request
	}
	return g, g.check(n)
}

// both tells a phase and a request apart that are written as one window, in either order.
func (n Names) both(window string) (phase, request string, ok bool) {
	if slices.Contains(slices.Concat(n.Phases, n.Faults, n.Requests), window) {
		return "", "", false
	}
	for i, c := range window {
		if c != ',' {
			continue
		}
		a, b := strings.TrimSpace(window[:i]), strings.TrimSpace(window[i+1:])
		switch {
		case slices.Contains(n.Phases, a) && slices.Contains(n.Requests, b):
			return a, b, true
		case slices.Contains(n.Phases, b) && slices.Contains(n.Requests, a):
			return b, a, true
		}
	}
	return "", "", false
}

func (g Gate) check(n Names) error {
	metric, err := find(g.Metric)
	if err != nil {
		return err
	}
	windows := slices.Concat(n.Phases, n.Faults, n.Requests)
	same := 0
	for _, w := range windows {
		if w == g.Window {
			same++
		}
	}
	switch {
	case same > 1:
		return fmt.Errorf("[%s] is ambiguous: a phase, a fault or a request is called so, and another of them too", g.Window)
	case strings.Contains(g.Window, ",") && !slices.Contains(windows, g.Window):
		return fmt.Errorf("no phase, fault or request is called %q, and it is not a phase and a request of this scenario, such as [%s]", g.Window, n.example())
	case g.Window != "" && !slices.Contains(windows, g.Window):
		return fmt.Errorf("no phase, fault or request is called %q%s", g.Window, spec.Suggest(g.Window, windows))
	case metric.of == "fault" && !slices.Contains(n.Faults, g.ID):
		return fmt.Errorf("no fault has the id %q%s", g.ID, spec.Suggest(g.ID, n.Faults))
	case metric.of == "group" && !slices.Contains(n.Groups, g.ID):
		return fmt.Errorf("no group %q is scaled%s", g.ID, spec.Suggest(g.ID, n.Groups))
	}
	return nil
}

// example is a window of two.
func (n Names) example() string {
	phase, request := "spike", "GET /"
	if len(n.Phases) > 0 {
		phase = n.Phases[0]
	}
	if len(n.Requests) > 0 {
		request = n.Requests[0]
	}
	return phase + ", " + request
}

// About reports whether the gate asks about the fault of that id, or about its window.
func (g Gate) About(fault string) bool {
	metric, err := find(g.Metric)
	return g.Window == fault || (err == nil && metric.of == "fault" && g.ID == fault)
}

// Judgement is what became of a gate.
type Judgement struct {
	Gate
	Unit     Unit
	Observed float64
	Happened bool // false: the event never happened, or no request has such a figure, and the gate has failed
	Empty    bool // there is nothing to judge, for the reason in Note: the run can't be trusted
	Passed   bool
	Note     string // what the number alone does not tell; may be empty
	Few      uint64 // requests that a percentile was taken from, when they are too few for it
	Needed   uint64 // how many it takes
}

// Judge decides a gate on the facts of a run. A gate whose event never happened has failed.
//
// Where what is observed is a share its figure is 100·k/n, rounded once, and the limit is the number nearest to what is
// written: with 7 of 1,000 failed `error_rate <= 0.7%` passes and `error_rate < 0.7%` does not.
func (g Gate) Judge(f *Facts) Judgement {
	metric, err := find(g.Metric)
	if err != nil {
		panic("gate: judged without being parsed: " + err.Error())
	}
	j := Judgement{Gate: g, Unit: metric.Unit}
	j.Observed, err = metric.value(f, g)
	j.Happened = err == nil
	switch err := err.(type) {
	case nothing:
		j.Empty, j.Note = true, err.Error()
	case failing:
		j.Note = err.Error()
	}
	if j.Happened {
		j.Passed = compare(j.Observed, g.Op, g.Limit)
	}
	if metric.note != nil && !j.Empty {
		j.Note = metric.note(f, g)
	}
	if needed := metric.needed; needed > 0 && j.Happened {
		if w, ok := f.Window(g.Window, g.Request); ok && metric.hist(w).Count() < int64(needed) {
			j.Few, j.Needed = uint64(metric.hist(w).Count()), needed
		}
	}
	return j
}

func compare(a float64, op string, b float64) bool {
	switch op {
	case "<":
		return a < b
	case "<=":
		return a <= b
	case ">":
		return a > b
	}
	return a >= b
}
