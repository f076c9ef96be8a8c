package chaos

import "github.com/seed-8025779b/shakedown/scenarios/spec"

var kill = spec.Kind[Kind]{
	Entry: spec.Entry{
		Name: "kill", Doc: "SIGKILL to the target's process and all it started",
		Params: []spec.Param{{
			Name: "restart_after", Type: spec.Duration, Above: true, Max: 86400,
			Doc: "starts it again after this time, as a new generation at the same address; without it, it stays down",
		}},
	},
	New: func(v spec.Values) (Kind, error) {
		return Kind{Process: &Process{Kill: true, RestartAfter: v.Duration("restart_after")}}, nil
	},
}
