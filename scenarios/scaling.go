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
	ticks     int // so far
	points    []autoscale.Datapoint
	keep      int // datapoints that the policies look back on
	before    map[string]plan.TargetStats
	decisions []reports.Decision
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
		p.every(cfg.Timing.MetricPeriod, func() { p.scale(sc) })
	}
}

// scale is one tick: signal, decision, and what follows from it. It counts as being at its nominal instant, a multiple
// of the metric's period: a live tick comes a fraction of a millisecond off, which must not make a cooldown a whole
// period longer.
func (p *player) scale(sc *scaler) {
	sc.ticks++
	now := time.Duration(sc.ticks) * sc.cfg.Timing.MetricPeriod
	u, ok := p.fleet.utilisation(sc.cfg.Group, sc.before)
	sc.before = p.fleet.counters()
	sc.points = append(sc.points, autoscale.Datapoint{At: now, Value: u, Missing: !ok})
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
	sc.decisions = append(sc.decisions, reports.Decision{AtMS: reports.MS(now), Signal: signal, Decision: d})
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
			p.fleet.member(t) // events know less of it
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
