package group

import (
	"fmt"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/health"
)

// Outcome is how an exchange with a target ended, as far as the group cares.
type Outcome uint8

// The outcomes of an exchange.
const (
	OK            Outcome = iota
	ConnectFailed         // no connection could be made: no byte of the request was sent
	Broken                // the exchange broke off or timed out after bytes were sent
	ServerError           // the target answered 5xx
	GatewayError          // of those, 502, 503 or 504
	Abandoned             // the client went away: says nothing about the target
)

func (o Outcome) failed() bool { return o != OK && o != Abandoned }

// OutcomeOf is the outcome of an exchange that was answered with a status.
func OutcomeOf(status int) Outcome {
	switch {
	case status >= 502 && status <= 504:
		return GatewayError
	case status >= 500:
		return ServerError
	}
	return OK
}

// Answered tells how an exchange ended. The data plane calls it when Release asks for it.
func (g *Group) Answered(now time.Duration, t *Target, o Outcome, reason string) []Effect {
	if t.state == Gone {
		return nil
	}
	if t.state == Draining {
		return g.settle(now, t, "")
	}
	if o == Abandoned {
		return nil
	}
	var out []Effect
	if o.failed() {
		out = g.troubled(now, t, reason)
	} else {
		t.succeeded(now)
	}
	if c := g.Config().Outliers; c != nil && !t.ejected {
		failed := o.failed() && (c.On != health.OnError || (o != ServerError && o != GatewayError))
		if why := t.outlier.Observe(c, failed, o != ServerError); why != "" && g.eject(now, t) {
			reason = fmt.Sprintf("%s, the last: %s", why, reason)
		}
	}
	return append(out, g.settle(now, t, reason)...)
}

// eject takes a target out for a while, if the group can spare it.
func (g *Group) eject(now time.Duration, t *Target) bool {
	c := g.Config().Outliers
	others := g.count(Healthy)
	if t.state == Healthy {
		others--
	}
	if !c.MayEject(others, g.count(Ejected), len(g.targets)) {
		return false
	}
	t.ejected, t.until = true, now+t.outlier.Ejected(c, now)
	return true
}

// endEjection ends a target's ejection.
func (t *Target) endEjection(now time.Duration) {
	if t.ejected {
		t.ejected = false
		t.outlier.Returned(now)
	}
}

// compare ejects the targets that succeed much less than the others, once an interval.
func (g *Group) compare(now time.Duration) (out []Effect) {
	c := g.Config().Outliers
	if c == nil || c.SuccessRate == 0 || now < g.sweep {
		return nil
	}
	g.sweep = now + c.Interval
	var members []*health.Outlier
	var healthy []*Target
	for _, t := range g.targets {
		if t.state == Healthy {
			members, healthy = append(members, &t.outlier), append(healthy, t)
		}
	}
	for i, why := range c.Compare(members) {
		if why != "" && g.eject(now, healthy[i]) {
			out = append(out, g.settle(now, healthy[i], why)...)
		}
	}
	return out
}
