package sim

import (
	"maps"
	"math"
	"slices"

	"github.com/seed-8025779b/shakedown/balancer/group"
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
	n := w.sources.Intn(spread, r.Seq, r.retry)
	if r.user != nil {
		n = r.user.number
	}
	return c.Connect.Source(n).String()
}

// routed is the request as rules look at it.
func (w *World) routed(r *request) *route.Request {
	ask := w.s.RoutedRequest(w.mix, w.mix.Index(r.Seq), r.Seq, w.sender, w.source(r))
	if r.user != nil && len(r.user.jar) > 0 {
		ask.Header = withCookies(ask.Header, r.user.jar)
	}
	return ask
}

// withCookies adds a header with a user's cookies behind the others.
func withCookies(header func(string, int) ([]byte, int), jar map[string]string) func(string, int) ([]byte, int) {
	const last = math.MaxInt
	return func(lower string, from int) ([]byte, int) {
		if from == last {
			return nil, last
		}
		if value, next := header(lower, from); value != nil || lower != "cookie" {
			return value, next
		}
		var line []byte
		for _, name := range slices.Sorted(maps.Keys(jar)) {
			line = append(append(append(append(line, name...), '='), jar[name]...), "; "...)
		}
		return line, last
	}
}

// setCookie gives a user the cookie by which it sticks to the target that has answered.
func (w *World) setCookie(r *request, g *group.Group, t *group.Target) {
	sticky := g.Config().Sticky
	if r.user == nil || !w.s.Client.Cookies || sticky.Application != "" { // sample backends set no cookies, by which it could begin
		return
	}
	if r.user.jar == nil {
		r.user.jar = map[string]string{}
	}
	r.user.jar[sticky.Cookie] = sticky.Token(g, t.ID, w.wall())
}
