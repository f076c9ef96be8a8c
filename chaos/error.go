package chaos

import (
	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

var errorKind = spec.Kind[Kind]{
	Entry: spec.Entry{
		Name: "error", Doc: "answers in the target's place with an error status",
		Params: []spec.Param{
			{Name: "status", Type: spec.Count, Default: "500", Min: 400, Max: 599, Doc: "the HTTP status"},
			share, probes,
		},
	},
	New: func(v spec.Values) (Kind, error) {
		return Kind{Wire: failing{newSelective(v), v.Int("status")}}, nil
	},
}

type failing struct {
	selective
	status int
}

func (f failing) Touch(u draw.Stream, x *Exchange, e *Effect) bool {
	if e.Status != 0 || !f.touches(u, x) { // the first fault that answers wins
		return false
	}
	e.Status = f.status
	return true
}
