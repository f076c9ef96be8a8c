package proxy

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/balancer/http1"
	"github.com/seed-8025779b/shakedown/balancer/route"
	"github.com/seed-8025779b/shakedown/balancer/serve"
	"github.com/seed-8025779b/shakedown/loadgen/mix"
)

// appendRequest appends the request as a target gets it: the head, and as much of the body as has come. It is the
// same for every target. The error is of a body that is malformed.
func (x *driver) appendRequest(out []byte) ([]byte, error) {
	r := &x.c.Request
	out = append(out, r.Method...)
	out = append(out, ' ')
	out = x.rule.AppendTarget(out, x.requestTarget())
	out = append(out, " HTTP/1.1\r\nHost: "...)
	x.hostAt = len(out)
	if host := x.pool.Host; host != "" && host != config.HostOfTarget {
		out = append(out, host...)
	} else {
		out = append(out, r.Host...)
	}
	x.hostEnd = len(out)
	out = append(out, "\r\n"...)
	x.id = nil
	if x.named.names = x.named.names[:0]; r.Options {
		x.named.gather(x.c.Fields)
	}
	for i := range x.c.Fields {
		f := &x.c.Fields[i]
		if r.OddNames {
			switch x.odd(f.Name) {
			case config.RemoveNames:
				continue
			case config.RefuseNames:
				return out, http1.ErrName
			}
		}
		switch hop(f.Name) {
		case connectionOnly, ours:
			continue
		case listed:
			if !http1.HasToken(f.Value, "trailers") { // the one member of TE that is not the connection's affair
				continue
			}
			out = append(out, "TE: trailers\r\n"...)
			continue
		}
		if (r.Options && x.named.has(f.Name)) || dropped(x.rule, f.Name) || x.rewritten(f) || x.forged(f) {
			continue
		}
		out = appendField(out, f)
	}
	for i := range x.rule.Set {
		p := &x.rule.Set[i]
		out = append(out, p.Name...)
		out = append(out, ": "...)
		out = append(out, p.Value...)
		out = append(out, "\r\n"...)
	}
	out = x.appendForwarded(out)
	switch {
	case r.Chunked:
		out = append(out, "Transfer-Encoding: chunked\r\n"...)
	case r.Length > 0 || hasBody(r.Method):
		out = append(out, "Content-Length: "...)
		out = strconv.AppendInt(out, r.Length, 10)
		out = append(out, "\r\n"...)
	}
	if r.Expect {
		x.c.HandleContinue(continueAfter)
		if !x.pool.HTTP2 { // see beginHolding
			out = append(out, "Expect: 100-continue\r\n"...)
		}
	}
	if r.Upgrade != nil {
		out = append(out, "Connection: upgrade\r\nUpgrade: "...)
		out = append(out, r.Upgrade...)
		out = append(out, "\r\n"...)
	}
	out = append(out, "\r\n"...)
	x.bodyAt = len(out)
	out, err := x.appendBuffered(out)
	x.waits = r.Expect && len(out) == x.bodyAt
	return out, err
}

// rewritten reports whether a header is one that the listener's options write anew.
func (x *driver) rewritten(f *serve.Field) bool {
	if x.isID(f.Name) {
		x.id = f.Value
		return true
	}
	return x.tellsWay(f.Name)
}

// isID reports whether a header of a request is the listener's to identify it.
func (x *driver) isID(name []byte) bool {
	id := x.f.options.RequestID
	return id != "" && len(name) == len(id) && strings.EqualFold(string(name), id)
}

// tellsWay reports whether a header of a request is one in which the listener tells the way that it took.
func (x *driver) tellsWay(name []byte) bool {
	o := &x.f.options
	return (o.Forwarded && len(name) == len("forwarded") && http1.Is(name, "forwarded")) || (o.Via != "" && len(name) == len("via") && http1.Is(name, "via"))
}

// dropped reports whether a rule removes a header, or sets it anew.
func dropped(r *route.Rule, name []byte) bool {
	for _, n := range r.Remove {
		if len(n) == len(name) && strings.EqualFold(n, string(name)) {
			return true
		}
	}
	for i := range r.Set {
		if n := r.Set[i].Name; len(n) == len(name) && strings.EqualFold(n, string(name)) {
			return true
		}
	}
	return false
}

// appendBuffered appends what has come of the body.
func (x *driver) appendBuffered(out []byte) ([]byte, error) {
	chunked := x.c.Request.Chunked
	if chunked {
		x.c.KeepTrailer()
	}
	piece, err := x.c.Buffered()
	if err == nil && len(piece) > 0 {
		if piece, _, err = gatherBody(x.c, piece, nil); err == nil {
			out = appendPiece(out, piece, chunked)
		}
	}
	if err != nil {
		return out, err
	}
	if chunked && x.c.Whole() {
		out = appendEnd(out, x.c.Trailer(), x.unwanted)
	}
	return out, nil
}

// requestTarget is the request's target as the targets get it, unless the rule rewrites it. A path that a rule rewrites is in normal form.
func (x *driver) requestTarget() []byte {
	if x.f.options.RawPath && x.rule.Rewrite == nil {
		return x.c.Request.Target
	}
	return x.c.Request.Normal
}

// appendEnd appends the end of a chunked body; unwanted names fields that its trailer is not to have, nil stands for none.
func appendEnd(out, trailer []byte, unwanted func(name []byte) bool) []byte {
	out = append(out, "0\r\n"...)
	out = appendTrailer(out, trailer, unwanted)
	return append(out, "\r\n"...)
}

// unwanted reports whether the target is not to get a field of a request's trailer, as it would not in the head. What would be
// refused there is left out: it is too late to refuse.
func (x *driver) unwanted(name []byte) bool {
	return dropped(x.rule, name) || x.isID(name) || x.tellsWay(name) || x.odd(name) != config.PassNames
}

// hasBody reports whether a method without a body says that its length is 0.
func hasBody(method []byte) bool {
	switch string(method) {
	case "POST", "PUT", "PATCH":
		return true
	}
	return false
}

// appendFields appends the answer's headers as the client gets them. length says that Content-Length is passed on
// as the target has it: of an answer without a body it tells of another one's.
func (x *driver) appendFields(out []byte, length bool) []byte {
	x.named.names = x.named.names[:0]
	x.named.gather(x.fields)
	for i := range x.fields {
		f := &x.fields[i]
		if length && len(f.Name) == len("content-length") && http1.Is(f.Name, "content-length") {
			out = appendField(out, f)
			continue
		}
		if k := hop(f.Name); k == connectionOnly || x.named.has(f.Name) || x.writesAnew(f) {
			continue
		}
		out = appendField(out, f)
	}
	return out
}

// writesAnew reports whether a header of the answer is one that the balancer writes in the target's place.
func (x *driver) writesAnew(f *serve.Field) bool {
	return x.traced && len(f.Name) == len(mix.AttemptName) && http1.Is(f.Name, mix.AttemptName)
}

func appendField(out []byte, f *serve.Field) []byte {
	out = append(out, f.Name...)
	out = append(out, ": "...)
	out = append(out, f.Value...)
	return append(out, "\r\n"...)
}

// kind is what becomes of a header.
type kind uint8

const (
	passed         kind = iota
	connectionOnly      // it is about one connection, or written anew
	ours                // of a request: written anew
	listed              // TE
)

// hop says what becomes of a header. The switch on the length keeps most names from being compared at all.
func hop(name []byte) kind {
	is := func(s string) bool { return http1.Is(name, s) }
	switch len(name) {
	case 2:
		if is("te") {
			return listed
		}
	case 4:
		if is("host") {
			return ours
		}
	case 6:
		if is("expect") {
			return ours
		}
	case 7:
		if is("upgrade") {
			return connectionOnly
		}
	case 10:
		if is("connection") || is("keep-alive") {
			return connectionOnly
		}
	case 14:
		if is("content-length") || is("http2-settings") {
			return connectionOnly
		}
	case 15:
		if is("x-forwarded-for") {
			return ours
		}
	case 16:
		if is("proxy-connection") || is("x-forwarded-port") || is("x-forwarded-host") {
			return ours
		}
	case 23:
		if is("x-forwarded-client-cert") { // nobody but us may say who the client has proved to be
			return ours
		}
	case 17:
		if is("transfer-encoding") {
			return connectionOnly
		}
		if is("x-forwarded-proto") {
			return ours
		}
	}
	return passed
}

// appendTrailer appends a trailer's lines, without those that would mean something else in a head.
func appendTrailer(out, trailer []byte, unwanted func(name []byte) bool) []byte {
	for len(trailer) > 0 {
		var line []byte
		line, trailer, _ = bytes.Cut(trailer, []byte("\r\n"))
		name, _, _ := bytes.Cut(line, []byte(":"))
		if len(name) == 0 || hop(name) != passed || mistakable(name) || ownHeader(name) || (unwanted != nil && unwanted(name)) {
			continue
		}
		out = append(out, line...)
		out = append(out, "\r\n"...)
	}
	return out
}
