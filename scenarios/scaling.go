package scenarios

import (
	"fmt"
	"slices"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/autoscale"
	"github.com/seed-8025779b/shakedown/reports"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
)

// scaler is the control loop of one scaled group.
type scaler struct {
	cfg       *plan.Scaling
	group     *plan.Group
	policy    autoscale.Policy
	desired   int
	next      int // number of the next server
	points    []autoscale.Datapoint
	keep      int                         // datapoints that the policies look back on
	before    map[string]plan.TargetStats // the counters from which the next datapoint counts
	missed    bool                        // the last tick could not be taken
	resumed   time.Duration               // when that was noticed
	late      []lateTick                  // those that came later than is tolerated
	decisions []reports.Decision
	scaled    []time.Duration // when the number of servers that is wanted changed
	waterfall []*stages
}

// stages is a server on its way into service.
type stages struct {
	id              string
	breach, decided time.Duration
	boot            time.Duration
}

func (p *player) scheduleScaling() {
	for i := range p.s.Scaling {
		cfg := &p.s.Scaling[i]
		policy, err := autoscale.New(cfg.Policy)
		if err != nil {
			panic("scenarios: a policy that was checked: " + err.Error())
		}
		g := p.s.Group(cfg.Group)
		sc := &scaler{cfg: cfg, group: g, policy: policy, desired: g.Targets.Count, next: g.Targets.Count, before: map[string]plan.TargetStats{}, keep: 1}
		for _, c := range cfg.Policy.Policies {
			sc.keep = max(sc.keep, c.Values.Int("datapoints"), c.Values.Int("datapoints_in"))
		}
		p.scalers = append(p.scalers, sc)
		p.every(cfg.Timing.MetricPeriod, func(at time.Duration) { p.tick(sc, at) })
	}
}

// tick looks at a group. It counts as being at its nominal instant, a multiple of the metric's period: a live tick comes a
// fraction of a millisecond off, which must not make a cooldown a whole period longer.
//
// A tick that comes much too late, because this process stood still, is not taken. The time until then is part of no
// datapoint: there was hardly any load, and the player did not look.
func (p *player) tick(sc *scaler, at time.Duration) {
	now := p.world.Now()
	late := now - at
	if late > sc.tolerated() {
		sc.late = append(sc.late, lateTick{at, late})
		sc.missed, sc.resumed, sc.before = true, now, map[string]plan.TargetStats{}
		return
	}
	u, ok := p.fleet.utilisation(sc.cfg.Group, sc.before)
	if looked, period := at-sc.resumed, sc.cfg.Timing.MetricPeriod; sc.missed && (looked < period/2 || !ok && looked < period) {
		return // not for long enough yet to tell
	}
	sc.missed = false
	sc.before = p.fleet.counters()
	p.scale(sc, autoscale.Datapoint{At: at, Value: u, Missing: !ok})
}

// lateTick is a tick that came late.
type lateTick struct{ at, by time.Duration }

// tolerated is for how long the process may stand still in a period of the metric without making its datapoint wrong.
func (sc *scaler) tolerated() time.Duration { return max(lateEdge, sc.cfg.Timing.MetricPeriod/10) }

// lookAgain takes in counters after a tick that could not be taken: the next datapoint counts from the first ones that a
// target told since.
func (sc *scaler) lookAgain(s *plan.Stats) {
	if !sc.missed {
		return
	}
	for id, x := range s.Targets {
		if _, seen := sc.before[id]; !seen && x.BusyAt >= sc.resumed {
			sc.before[id] = x
		}
	}
}

// scale decides on a datapoint, and does what follows from it.
func (p *player) scale(sc *scaler, point autoscale.Datapoint) {
	now := point.At
	sc.points = append(sc.points, point)
	if len(sc.points) > sc.keep {
		sc.points = slices.Delete(sc.points, 0, len(sc.points)-sc.keep)
	}
	signal := autoscale.Signal{At: now, Points: slices.Clone(sc.points), Desired: sc.desired}
	signal.Warming = sc.desired
	for _, m := range p.fleet.members {
		switch {
		case m.Group != sc.cfg.Group:
		case m.inService():
			signal.InService++
			signal.Warming--
		case p.lost(sc, m, now):
			signal.Warming--
		}
	}
	signal.Warming = max(signal.Warming, 0)
	d := sc.policy.Decide(&signal)
	sc.note(reports.Decision{AtMS: reports.MS(now), Signal: signal, Decision: d})
	if d.Desired != sc.desired {
		sc.scaled = append(sc.scaled, now)
	}
	switch {
	case d.Desired > sc.desired:
		p.say("scale", sc.cfg.Group, "", "", fmt.Sprintf("out from %d to %d: %s", sc.desired, d.Desired, d.Reason))
		p.launch(sc, d.Desired-sc.desired, now, d.Breach)
	case d.Desired < sc.desired:
		p.say("scale", sc.cfg.Group, "", "", fmt.Sprintf("in from %d to %d: %s", sc.desired, d.Desired, d.Reason))
		p.retire(sc, sc.desired-d.Desired, now)
	}
	sc.desired = d.Desired
}

// launch adds servers: each is started after the launch time and can serve after the boot time.
func (p *player) launch(sc *scaler, n int, now, breach time.Duration) {
	for range n {
		t := sc.group.Target(sc.next)
		sc.next++
		sc.waterfall = append(sc.waterfall, &stages{id: t.ID, breach: breach, decided: now, boot: sc.cfg.Timing.Boot})
		p.world.At(now+sc.cfg.Timing.Launch, func() {
			if p.stopped {
				return
			}
			p.rec.join(t)
			if err := p.world.Do(plan.Start{Target: t, Boot: sc.cfg.Timing.Boot}); err != nil {
				p.warn("scaling %s: %v", sc.cfg.Group, err)
			}
		})
	}
}

// lost reports whether a server counts as desired but has died, and will not be started again.
func (p *player) lost(sc *scaler, m *memberState, now time.Duration) bool {
	if m.Group != sc.cfg.Group || m.ended == nil || m.running || m.retiring {
		return false
	}
	for _, f := range p.faults {
		// One that could not be started again within its time is lost too.
		if f.ID == m.endedBy {
			after := f.kind.Process.RestartAfter
			return after == 0 || now > *f.injected+after+sc.group.Targets.StartTimeout
		}
	}
	return true
}

// retire takes servers out: first those that are lost, then the newest.
func (p *player) retire(sc *scaler, n int, now time.Duration) {
	for _, lost := range []bool{true, false} {
		for _, m := range slices.Backward(p.fleet.members) {
			if n == 0 {
				return
			}
			if m.Group != sc.cfg.Group || m.retiring || p.lost(sc, m, now) != lost || (!lost && !m.running) {
				continue
			}
			m.retiring = true
			n--
			if err := p.world.Do(plan.Retire{Group: m.Group, Target: m.ID}); err != nil {
				p.warn("scaling %s: %v", sc.cfg.Group, err)
			}
		}
	}
}
