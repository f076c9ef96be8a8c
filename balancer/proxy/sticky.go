package proxy

import (
	"strconv"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/http1"
)

// appendCookie makes the client stick to the target that has answered.
func (x *driver) appendCookie(out []byte, t *group.Target) []byte {
	g := x.pool.Group
	s := g.Config().Sticky
	if s == nil || (s.Application != "" && !x.sets(s.Application)) { // nil: clients stuck a moment ago
		return out
	}
	out = append(out, "Set-Cookie: "...)
	out = append(out, s.Cookie...)
	out = append(out, '=')
	out = append(out, s.Token(g, t.ID, time.Now().Unix())...)
	out = append(out, "; Path=/; Max-Age="...)
	out = strconv.AppendInt(out, int64(s.For/time.Second), 10)
	out = append(out, "; HttpOnly; SameSite=Lax"...)
	if x.c.Peer.Secure {
		out = append(out, "; Secure"...)
	}
	return append(out, "\r\n"...)
}

// sets reports whether the answer sets a cookie.
func (x *driver) sets(cookie string) bool {
	for i := range x.fields {
		f := &x.fields[i]
		if http1.Is(f.Name, "set-cookie") && len(f.Value) > len(cookie) && string(f.Value[:len(cookie)]) == cookie && f.Value[len(cookie)] == '=' {
			return true
		}
	}
	return false
}
