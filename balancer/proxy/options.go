package proxy

import (
	"net"
	"strconv"

	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/balancer/http1"
)

// refusedByOptions reports whether only this listener's options refuse the request.
func (x *driver) refusedByOptions() bool {
	o, r := &x.f.options, &x.c.Request
	return (o.Strict && r.Unusual) || (o.NoEscapedSlashes && http1.EscapedSlash(r.Normal))
}

// appendForwarded appends what is told of the client.
func (x *driver) appendForwarded(out []byte) []byte {
	o := &x.f.options
	out = x.appendForwardedFor(out, o.ForwardedFor)
	proto := "http"
	if x.c.Peer.Secure {
		proto = "https"
	}
	out = append(out, "X-Forwarded-Proto: "...)
	out = append(out, proto...)
	out = append(out, "\r\nX-Forwarded-Port: "...)
	out = append(out, x.f.port...)
	out = append(out, "\r\nX-Forwarded-Host: "...)
	out = append(out, x.c.Request.Host...)
	out = append(out, "\r\n"...)
	if o.Forwarded {
		out = x.appendList(out, "Forwarded", "forwarded")
		out = append(out, "for="...)
		out = appendNode(out, x.c.Peer.IP)
		out = append(out, ";host=\""...)
		out = append(out, x.c.Request.Host...) // its bytes were checked: none of them needs a quote
		out = append(out, "\";proto="...)
		out = append(out, proto...)
		out = append(out, "\r\n"...)
	}
	if o.Via != "" {
		out = x.appendList(out, "Via", "via")
		out = append(out, "1."...)
		out = strconv.AppendInt(out, int64(x.c.Request.Minor), 10)
		out = append(out, ' ')
		out = append(out, o.Via...)
		out = append(out, "\r\n"...)
	}
	if o.RequestID != "" {
		out = append(out, o.RequestID...)
		out = append(out, ": "...)
		if len(x.id) > 0 {
			out = append(out, x.id...)
		} else {
			for half := range 2 {
				n := x.f.ids.Uint64(x.r.Seq, half)
				for shift := 60; shift >= 0; shift -= 4 {
					out = append(out, "0123456789abcdef"[n>>shift&15])
				}
			}
		}
		out = append(out, "\r\n"...)
	}
	if x.c.Peer.Subject != "" {
		out = append(out, "X-Forwarded-Client-Cert: Subject="...)
		out = strconv.AppendQuoteToASCII(out, x.c.Peer.Subject)
		out = append(out, "\r\n"...)
	}
	return out
}

func (x *driver) appendForwardedFor(out []byte, how config.ForwardedFor) []byte {
	const name, lower = "X-Forwarded-For", "x-forwarded-for"
	switch how {
	case config.Remove:
		return out
	case config.Preserve:
		for i := range x.c.Fields {
			if f := &x.c.Fields[i]; len(f.Name) == len(lower) && http1.Is(f.Name, lower) {
				out = appendField(out, f)
			}
		}
		return out
	}
	out = x.appendList(out, name, lower)
	out = append(out, x.c.Peer.IP...)
	return append(out, "\r\n"...)
}

// appendList appends a list header as it came, for a member more.
func (x *driver) appendList(out []byte, name, lower string) []byte {
	out = append(out, name...)
	out = append(out, ": "...)
	for i := range x.c.Fields {
		if f := &x.c.Fields[i]; len(f.Name) == len(lower) && len(f.Value) > 0 && http1.Is(f.Name, lower) {
			out = append(out, f.Value...)
			out = append(out, ", "...)
		}
	}
	return out
}

// appendNode appends an address as Forwarded wants it (RFC 7239, 6).
func appendNode(out []byte, ip string) []byte {
	if net.ParseIP(ip).To4() == nil && ip != "" {
		return append(append(append(out, "\"["...), ip...), "]\""...)
	}
	if ip == "" {
		return append(out, "unknown"...)
	}
	return append(out, ip...)
}
