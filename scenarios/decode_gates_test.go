package scenarios

import (
	"strings"
	"testing"
)

func TestGatesThatCanNeverBeJudged(t *testing.T) {
	const scenario = `version: 1
topology: {groups: {web: {targets: {count: 2}}}}
load:
  requests: [{get: /, name: passes}]
  phases:
    - {name: main, rate: 100/s, for: 4s}
    - {name: gap, rate: pause, for: 2s}
    - {name: rare, rate: 1/h, for: 2s}
    - {name: users, users: 3, for: 2s}
    - {name: end, rate: pause, for: 2s}
faults:
  - {id: stays, at: 1s, kind: latency, delay: 1ms, target: {group: web, all: true}}
  - {id: stays-down, at: 2s, kind: kill, target: {group: web, count: 1}}
  - {id: passes, at: 1s, for: 1s, kind: latency, delay: 1ms, target: {group: web, all: true}}
  - {id: comes-back, at: 1s, kind: kill, restart_after: 1s, target: {group: web, count: 1}}
  - {id: to-the-end, at: main, for: 12s, kind: latency, delay: 1ms, target: {group: web, all: true}}
  - {id: ends-late, at: end, for: 500ms, kind: latency, delay: 1ms, target: {group: web, all: true}}
  - {id: ends-in-time, at: users+1s, for: 900ms, kind: latency, delay: 1ms, target: {group: web, all: true}}
  - {id: comes-back-late, at: users+1s, kind: kill, restart_after: 1s, target: {group: web, count: 1}}
  - {id: late, at: end+1s, kind: latency, delay: 1ms, target: {group: web, all: true}}
gates: ["GATE"]
`
	for expr, message := range map[string]string{
		"residual(stays) < 1s":      "give the fault a length with for",
		"residual(stays-down) < 1s": "give the fault restart_after",
		"residual(passes) < 1s":     "",
		"residual(comes-back) < 1s": "",
		"recover(stays) < 1s":       "",
		"recover(late) < 1s":        "fault late begins 1s before the load ends, and whether the objective holds is known after its window of 2s",
		"residual(to-the-end) < 1s": "fault to-the-end ends 0s before the load ends, and",
		"recover(to-the-end) < 1s":  "",

		"recover(ends-late) < 10s":        "fault ends-late ends 1.5s before the load ends, and whether the objective holds is known after its window of 2s, which begins up to 100ms after the planned end",
		"recover(ends-in-time) < 10s":     "",
		"residual(ends-in-time) < 10s":    "",
		"recover(comes-back-late) < 10s":  "fault comes-back-late ends 2s before the load ends, and",
		"residual(comes-back-late) < 10s": "fault comes-back-late ends 2s before the load ends, and",
		"p99[main] < 1s":                  "",
		"p99[late] > 1s":                  "no request is due",
		"p99[passes] < 1s":                "[passes] is ambiguous",
		"p99[gap] < 1s":                   "no request is due from 4s to 6s",
		"error_rate[end] < 1%":            "no request is due from 10s to 12s",
		"p99[late] < 1s":                  "no request is due from 11s to 12s",
		"p99[rare] < 1s":                  "",
		"p99[users] < 1s":                 "",
		"p99[stays] < 1s":                 "",
		"p99 < 1s":                        "",
	} {
		_, err := Decode(Source{Name: "x.yaml", Text: []byte(strings.Replace(scenario, "GATE", expr, 1))})
		if (err == nil) != (message == "") || (err != nil && !strings.Contains(err.Error(), message)) {
			t.Errorf("%s: %v; want %q", expr, err, message)
		}
	}
}
