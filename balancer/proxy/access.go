package proxy

import (
	"time"

	"github.com/seed-8025779b/shakedown/balancer/exchange"
)

// Access is what is told of one request once it is over. Its slices are valid during the call only.
type Access struct {
	Client               string // address without the port; empty for a request that could not be read
	Method, Host, Target []byte
	Protocol             string         // HTTP/1.0, HTTP/1.1 or HTTP/2.0
	Secure               bool           // over TLS
	Status               int            // as the client got it; 460 when it went away first, as an application load balancer says
	Cause                exchange.Cause // of a status that is the balancer's own
	Reason               string         // more about it
	Upstream             string         // the target that answered, or was asked last
	Attempts             int            // at targets
	Took                 time.Duration
}

// tell tells of the request.
func (x *driver) tell(began time.Duration) {
	r := &x.c.Request
	x.access.Client, x.access.Method, x.access.Host, x.access.Target = x.ask.Source, r.Method, r.Host, r.Target
	x.access.Protocol, x.access.Secure = [2]string{"HTTP/1.0", "HTTP/1.1"}[r.Minor&1], x.c.Peer.Secure
	if x.c.Peer.HTTP2 {
		x.access.Protocol = "HTTP/2.0"
	}
	t := x.m.Trace()
	x.access.Attempts, x.access.Upstream = t.Attempts, t.Target
	x.access.Took = x.f.hooks.Now() - began
	x.f.hooks.Access(x.r.Seq, &x.access)
}
