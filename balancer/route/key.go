package route

import (
	"strings"

	"github.com/seed-8025779b/shakedown/balancer/http1"
	"github.com/seed-8025779b/shakedown/balancer/pick"
)

// Key is a request's key for a strategy or a limit that wants one; false when the request does not have what keys are
// taken from.
func (x *Request) Key(k pick.Key) (key uint64, ok bool) {
	var text []byte
	switch k.From {
	case pick.Address:
		return pick.Hash(x.Source), true
	case pick.Path:
		text = http1.PathOf(x.Target)
	case pick.Query:
		text = http1.QueryValue(x.Target, k.Name)
	case pick.Header:
		text = x.Header(strings.ToLower(k.Name))
	case pick.Cookie:
		text = http1.CookieValue(x.Header("cookie"), k.Name)
	}
	return pick.Hash(text), text != nil
}
