package route

import (
	"strings"

	"github.com/seed-8025779b/shakedown/balancer/http1"
	"github.com/seed-8025779b/shakedown/balancer/pick"
)

// Key is a request's key for a strategy that wants one; false when the request does not have what keys are taken from.
func (x *Request) Key(k pick.Key) (key uint64, ok bool) {
	if k.From == pick.Address {
		return pick.Hash(x.Source), true
	}
	text := x.keyText(k)
	return pick.Hash(text), text != nil
}

// keyText is what a key other than the address is taken from, valid until the next part of the query is looked at; nil when the request does
// not have it.
func (x *Request) keyText(k pick.Key) (text []byte) {
	switch k.From {
	case pick.Path:
		return http1.PathOf(x.Target)
	case pick.Query:
		if text, _ = http1.NextQueryValue(http1.QueryOf(x.Target), k.Name); text != nil {
			text = x.normal(text)
		}
	case pick.Header:
		text, _ = x.Header(strings.ToLower(k.Name), 0)
	case pick.Cookie:
		for header, next := x.Header("cookie", 0); header != nil && text == nil; header, next = x.Header("cookie", next) {
			text = http1.CookieValue(header, k.Name)
		}
	}
	return text
}
