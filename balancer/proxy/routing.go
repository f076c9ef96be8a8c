package proxy

import "github.com/seed-8025779b/shakedown/balancer/route"

// Routing is where requests go: rules, which are compiled, and the groups that they name.
type Routing struct {
	Rules route.Table
	Pools map[string]*Pool
}

// match finds the rule for a request and the group that the rule forwards to, and counts the request in the group; leave
// ends that. Either is nil when there is none.
//
// The routing may be replaced at any moment, and a group that the new one does not name is taken out once no request is
// counted in it. So a request counts itself first and then looks whether its routing is still in force: either whoever
// takes the group out sees the request, or the request sees the new routing.
func (x *driver) match() (*route.Rule, *Pool) {
	for {
		routing := x.f.routing.Load()
		rule := routing.Rules.Match(&x.ask)
		if rule == nil {
			return nil, nil
		}
		name := rule.Forward
		if name == "" {
			name = rule.Group(x.f.split.Float(x.pick.Seq, 0))
		}
		pool := routing.Pools[name]
		if pool == nil { // it redirects, or responds
			return rule, nil
		}
		pool.requests.Add(1)
		if x.f.routing.Load() == routing {
			x.entered = pool
			return rule, pool
		}
		pool.requests.Add(-1)
	}
}

// leave ends the count of the request in its group.
func (x *driver) leave() {
	if x.entered != nil {
		x.entered.requests.Add(-1)
		x.entered = nil
	}
}

// Requests is how many requests are between their rule and the end of their exchange in this group.
func (p *Pool) Requests() int64 { return p.requests.Load() }
