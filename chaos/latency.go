package chaos

import (
	"errors"
	"time"

	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

var latency = spec.Kind[Kind]{
	Entry: spec.Entry{
		Name: "latency", Doc: "delays exchanges before they reach the target; to the balancer the target says nothing meanwhile, so that the delay counts against timeouts.response",
		Params: []spec.Param{
			{Name: "delay", Type: spec.Duration, Required: true, Above: true, Max: 600, Doc: "the mean delay"},
			{Name: "jitter", Type: spec.Duration, Default: "0s", Max: 600, Doc: "the delay is uniform within ± this; not more than the delay"},
			share, probes,
		},
	},
	New: func(v spec.Values) (Kind, error) {
		l := delayed{newSelective(v), v.Duration("delay"), v.Duration("jitter")}
		if l.jitter > l.delay {
			return Kind{}, errors.New("jitter is larger than delay: a delay can't be negative")
		}
		return Kind{Wire: l, Delays: l.delay + l.jitter}, nil
	},
}

type delayed struct {
	selective
	delay, jitter time.Duration
}

func (l delayed) Touch(u draw.Stream, x *Exchange, e *Effect) bool {
	if !l.touches(u, x) {
		return false
	}
	swing := 2*u.Float(x.Seq, x.Attempt*drawsPerAttempt+1) - 1
	e.Delay += l.delay + time.Duration(swing*float64(l.jitter))
	return true
}
