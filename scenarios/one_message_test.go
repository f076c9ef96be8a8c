package scenarios

import (
	"errors"
	"strings"
	"testing"
)

// Each of these is one mistake in a scenario whose other parts refer to what is wrong. It must be told once, and nothing
// that only follows from it.
func TestOneMistakeOneMessage(t *testing.T) {
	base := source(t, "launch-day.yaml")
	base.Text = append(base.Text, "  - p99[GET /] < 1s\n  - p99[POST /api/orders] < 1s\n"...)
	for _, tc := range []struct{ old, new, message string }{
		// The load: instants of faults, windows of gates and the length of the run depend on it.
		{"rate: 1000/s", "rate: fast", "unknown rate"},
		{"rate: 1000/s", "rate: 0/s", "must be more than 0/s"},
		{"rate: 1000/s, for: 8s", "rate: 1000/s", `phase needs "for"`},
		{"rate: 1000/s, for: 8s", "rate: 1000/s, for: 8", "is not a duration"},
		{"rate: 1000/s, for: 8s", "rate: 1000/s, for: 0s", "must be more than 0s"},
		{"rate: 1000/s, for: 8s", "rate: 1000/s, fr: 8s", `phase has no key "fr"`},
		{"{kind: ramp, from: 100/s, to: 500/s}", "{kind: ramp, from: 100/s}", `needs "to"`},
		{"{kind: ramp, from: 100/s, to: 500/s}", "{kind: rmp, from: 100/s, to: 500/s}", "unknown rate"},
		{"{kind: ramp, from: 100/s, to: 500/s}", "{knd: ramp, from: 100/s, to: 500/s}", `rate needs "kind"`},
		{"name: spike,", "nmae: spike,", `phase has no key "nmae"`},
		{"name: spike,", "", `phase needs "name"`},
		{"name: spike,", "name: a b,", "letters, digits"},
		{"name: spike,     rate: 1000/s", "name: spike,     users: 5000", "need as many connections"},
		{"  phases:", "  phasse:", `load has no key "phasse"`},
		{"\nload:", "\nlaod:", `the scenario has no key "laod"`},
		{"  requests:\n", "  reqests:\n", `load has no key "reqests"`},
		{"  arrivals: poisson", "  arrivals: posson", "is not one of"},
		{"connections: 512", "connections: x", "is not a whole number"},

		// The topology: rules, faults and scaling depend on it.
		{"\ntopology:", "\ntoplogy:", `the scenario has no key "toplogy"`},
		{"  groups:\n", "  grops:\n", `topology has no key "grops"`},
		{"    web:\n", "    wbe:\n", `no group is called "web"`},
		{"        - {forward: web}\n", "", `no rule reaches group "web"`},
		{"forward: api}", "forward: apy}", `did you mean "api"`},
		{"forward: api}", "froward: api}", `rule has no key "froward"`},
		{"  listeners:", "  listners:", `topology has no key "listners"`},
		{"      rules:", "      rulse:", `listener has no key "rulse"`},
		{"targets: {count: 3,", "targets: {count: three,", "is not a whole number"},
		{"targets: {count: 3,", "targts: {count: 3,", `group web has no key "targts"`},
		{"strategy: least_requests", "strategy: least", "unknown strategy"},
		{"{kind: p2c, choices: 2}", "{kind: p2c, choices: none}", "is not a whole number"},
		{"command: [", "comand: [", `has no key "comand"`},

		// Scaling and faults: gates depend on them.
		{"kind: kill,", "kind: kil,", `did you mean "kill"`},
		{"kind: kill,", "", `fault needs "kind"`},
		{"kind: kill,", "kid: kill,", `fault needs "kind"`},
		{"id: kill-one,", "", `fault needs "id"`},
		{"id: kill-one,", "ide: kill-one,", `fault has no key "ide"`},
		{"at: sustained+1s,", "at: sustaned+1s,", `did you mean "sustained"`},
		{"at: sustained+1s,", "", `fault needs "at"`},
		{"restart_after: 4s", "restart_after: 4", "is not a duration"},
		{"restart_after: 4s", "restart_after: 100s", "after the run"},
		{"target: {group: web, count: 1}, restart_after", "target: {group: wbe, count: 1}, restart_after", `did you mean "web"`},
		{"target: {group: web, count: 1}, restart_after", "target: {goup: web, count: 1}, restart_after", `target has no key "goup"`},
		{"target: {group: web, count: 1}, restart_after", "target: {group: web, cuont: 1}, restart_after", `target has no key "cuont"`},
		{"target: {group: web, count: 1}, restart_after", "target: {group: web, count: x}, restart_after", "is not a whole number"},
		{"target: {group: web, count: 1}, restart_after", "target: {balancer: active}, restart_after", "not supported yet"},
		{"target: {group: web, count: 1}, restart_after", "target: web, restart_after", "must be a mapping"},
		{"delay: 150ms,", "", `fault needs "delay"`},
		{"delay: 150ms,", "delya: 150ms,", `fault has no key "delya"`},
		{"delay: 150ms,", "delay: 10ms,", "jitter is larger"},
		{"  - group: web\n", "  - group: wbe\n", `did you mean "web"`},
		{"  - group: web\n", "  - grop: web\n", `scaling has no key "grop"`},
		{"    max: 6\n", "", `scaling needs "max"`},
		{"    max: 6\n", "    max: 2\n", "min 3 is more than max 2"},
		{"    max: 6\n", "    max: x\n", "is not a whole number"},
		{"    min: 3\n", "    min: x\n", "is not a whole number"},
		{"    policies:", "    polices:", `scaling has no key "polices"`},
		{"kind: target_tracking,", "kind: tracking,", "unknown policy"},
		{"kind: custom,", "kind: costum,", "unknown timing"},
		{"\nscaling:", "\nscalling:", `the scenario has no key "scalling"`},
		{"\nfaults:", "\nfalts:", `the scenario has no key "falts"`},

		// Gates and the rest.
		{"p99[spike]", "p99[spyke]", `did you mean "spike"`},
		{"eject(kill-one)", "eject(kill-noe)", `did you mean "kill-one"`},
		{"when:", "wen:", `abort rule has no key "wen"`},
		{"version: 1", "versoin: 1", `the scenario has no key "versoin"`},
		{"version: 1", "version: 9", "is not known"},
		{"error_rate: 1%, window", "error_rate: 1, window", "is not a share"},
	} {
		text := strings.Replace(string(base.Text), tc.old, tc.new, 1)
		if text == string(base.Text) {
			t.Errorf("%q does not stand in launch-day.yaml", tc.old)
			continue
		}
		_, err := Decode(Source{Name: "x.yaml", Text: []byte(text), Dir: "testdata"})
		var p *Problems
		if !errors.As(err, &p) || len(p.List) != 1 || !strings.Contains(p.List[0].Message, tc.message) {
			t.Errorf("%s → %s: want one message with %q, got\n%v", tc.old, tc.new, tc.message, err)
		}
	}
}
