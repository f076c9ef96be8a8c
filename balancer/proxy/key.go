package proxy

import (
	"strings"

	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/http1"
	"github.com/seed-8025779b/shakedown/balancer/pick"
)

// key is the request's key for a strategy that wants one.
func (x *exchange) key(g *group.Group, k pick.Key) uint64 {
	var text []byte
	switch k.From {
	case pick.Address:
		return pick.Hash(x.c.Peer.IP)
	case pick.Path:
		text = http1.PathOf(x.c.Request.Target)
	case pick.Query:
		text = http1.QueryValue(x.c.Request.Target, k.Name)
	case pick.Header:
		text = x.c.Field(strings.ToLower(k.Name))
	case pick.Cookie:
		text = http1.CookieValue(x.c.Field("cookie"), k.Name)
	}
	if text == nil {
		return g.AnyKey(x.pick.Seq)
	}
	return pick.Hash(text)
}
