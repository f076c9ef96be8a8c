package autoscale

import (
	"fmt"
	"math"
	"time"

	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

var targetTracking = spec.Kind[Policy]{
	Entry: spec.Entry{
		Name: "target_tracking", Doc: "keeps a metric near a target, as EC2 Auto Scaling does",
		Params: []spec.Param{
			{Name: "metric", Type: spec.Text, Default: "cpu", Enum: []string{"cpu"}, Doc: "cpu: the share of the group's service slots that are busy"},
			{Name: "target", Type: spec.Share, Required: true, Above: true, Max: 1, Doc: "the value to keep"},
			{Name: "datapoints", Type: spec.Count, Default: "3", Min: 1, Max: 60, Doc: "datapoints in a row above the target before it scales out"},
			{Name: "datapoints_in", Type: spec.Count, Default: "15", Min: 1, Max: 240, Doc: "datapoints in a row below nine tenths of the target before it scales in"},
		},
	},
	New: func(v spec.Values) (Policy, error) {
		return tracking{v.Float("target"), v.Int("datapoints"), v.Int("datapoints_in")}, nil
	},
}

// lowAlarm is the share of the target below which a target-tracking policy's low alarm stands (EC2 Auto
// Scaling's own choice).
const lowAlarm = .9

type tracking struct {
	target   float64
	high, in int
}

// Decide follows EC2's rule: capacity × metric / target, rounded so that there is rather one target too
// many than one too few. Targets that still warm up are left out of the metric, counted in desired, and
// block scaling in.
func (p tracking) Decide(s *Signal) Decision {
	hold := Decision{Desired: s.Desired, Vote: Hold}
	if len(s.Points) == 0 || s.Points[len(s.Points)-1].Missing {
		hold.Vote, hold.Reason = NoData, "no datapoint"
		return hold
	}
	last := s.Points[len(s.Points)-1].Value
	hold.Reason = fmt.Sprintf("cpu %.1f%%, target %.0f%%", last*100, p.target*100)
	want := int(math.Ceil(float64(s.InService)*last/p.target - 1e-9)) // 3 × 0.6 / 0.6 must not become 4
	formula := fmt.Sprintf("%d × %.1f%% / %.0f%% → %d", s.InService, last*100, p.target*100, want)
	switch {
	case p.all(s, p.high, func(v float64) bool { return v > p.target }) && want > s.Desired:
		return Decision{want, Out, fmt.Sprintf("cpu above target for %d datapoints: %s", p.high, formula), p.breach(s)}
	case p.all(s, p.in, func(v float64) bool { return v < lowAlarm*p.target }) && want < s.Desired && s.Warming == 0:
		return Decision{Desired: max(want, 1), Vote: In, Reason: fmt.Sprintf("cpu below 90%% of target for %d datapoints: %s", p.in, formula)}
	}
	return hold
}

// breach is when the present run above the target began, as far as the signal reaches back.
func (p tracking) breach(s *Signal) time.Duration {
	i := len(s.Points) - 1
	for i > 0 && !s.Points[i-1].Missing && s.Points[i-1].Value > p.target {
		i--
	}
	return s.Points[i].At
}

// all reports whether the latest n datapoints are all there and satisfy the condition.
func (p tracking) all(s *Signal, n int, is func(float64) bool) bool {
	if len(s.Points) < n {
		return false
	}
	for _, d := range s.Points[len(s.Points)-n:] {
		if d.Missing || !is(d.Value) {
			return false
		}
	}
	return true
}
