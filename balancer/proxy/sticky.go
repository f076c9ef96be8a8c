package proxy

import (
	"strconv"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/http1"
	"github.com/seed-8025779b/shakedown/balancer/pick"
)

// readCookie finds the target that the client sticks to.
func (x *driver) readCookie() {
	x.setCookie = false
	s := x.pool.Group.Config().Sticky
	if x.sticky = s; s == nil {
		return
	}
	var value []byte
	for i := range x.c.Fields { // a client of HTTP/2 may send several
		if f := &x.c.Fields[i]; value == nil && http1.Is(f.Name, "cookie") {
			value = http1.CookieValue(f.Value, s.Cookie)
		}
	}
	x.pick.Sticky, x.setCookie = s.Read(x.pool.Group, value, time.Now().Unix())
	x.setCookie = x.setCookie || x.pick.Sticky == (pick.Tag{})
}

// appendCookie makes the client stick to the target that has answered.
func (x *driver) appendCookie(out []byte, g *group.Group, t *group.Target) []byte {
	s := x.sticky
	if s.Application != "" && !x.sets(s.Application) {
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
