package sim

import (
	"github.com/seed-8025779b/shakedown/balancer/route"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
)

// source is the address that a request comes from. A user has a connection of its own; other requests are spread over
// the connections, which are not simulated, by a draw.
func (w *World) source(r *request) string {
	c := &w.s.Client
	spread := c.Spread()
	if spread == 0 {
		return plan.Loopback
	}
	n := w.sources.Intn(spread, r.Seq, 0)
	if r.user != nil {
		n = r.user.number
	}
	return c.Connect.Source(n).String()
}

// routed is the request as rules look at it.
func (w *World) routed(r *request) *route.Request {
	return w.s.RoutedRequest(w.mix, w.mix.Index(r.Seq), r.Seq, w.sender, w.source(r))
}
