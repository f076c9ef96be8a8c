package proxy

import (
	"time"

	"github.com/seed-8025779b/shakedown/balancer/exchange"
	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/route"
)

// Routing is where requests go: rules, which are compiled, and the groups that they name.
type Routing struct {
	Rules route.Table
	Pools map[string]*Pool
}

// match finds the rule for a request and the group that the rule forwards to, and counts the request in the group; the driver's leave
// ends that. Either is nil when there is none.
//
// The routing may be replaced at any moment, and a group that the new one does not name is taken out once no request is
// counted in it. So a request counts itself first and then looks whether its routing is still in force: either whoever
// takes the group out sees the request, or the request sees the new routing.
func (f *Front) match(ask *route.Request, seq uint64) (*route.Rule, exchange.Pool) {
	for {
		routing := f.routing.Load()
		rule := routing.Rules.Match(ask)
		if rule == nil {
			return nil, nil
		}
		name := rule.Forward
		if name == "" {
			name = rule.Group(f.split.Float(seq, 0))
		}
		pool := routing.Pools[name]
		if pool == nil { // it redirects, or responds
			return rule, nil
		}
		pool.requests.Add(1)
		if f.routing.Load() == routing {
			return rule, pool
		}
		pool.requests.Add(-1)
	}
}

// Requests is how many requests are between their rule and the end of their exchange in this group.
func (p *Pool) Requests() int64 { return p.requests.Load() }

// Members implements exchange.Pool.
func (p *Pool) Members() *group.Group { return p.Group }

// Timeouts implements exchange.Pool.
func (p *Pool) Timeouts() exchange.Timeouts {
	return exchange.Timeouts{Response: p.response(), Exchange: p.Exchange}
}

// Release implements exchange.Pool.
func (p *Pool) Release(now time.Duration, t *group.Target, o group.Outcome, took time.Duration, reason string) {
	if p.Group.Release(now, t, o, took) {
		p.Answered(t, o, reason)
	}
	p.Serve(now)
}
