package config

import (
	"fmt"
	"strings"

	"github.com/seed-8025779b/shakedown/balancer/exchange"
	"github.com/seed-8025779b/shakedown/balancer/http1"
	"github.com/seed-8025779b/shakedown/balancer/route"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// ListenerLimits bound what a listener takes; 0 stands for no limit of connections, and for http1's limits of a head.
type ListenerLimits struct {
	Connections int `json:"connections,omitempty"`
	Line        int `json:"line,omitempty"` // bytes of a head's line
	Head        int `json:"head,omitempty"` // bytes of a head
	Headers     int `json:"headers,omitempty"`
	Body        int `json:"body,omitempty"` // bytes of a body; no limit when 0
}

// ListenerLimitParams describes them as a scenario writes them.
func ListenerLimitParams() []spec.Param {
	const least, most = 1 << 10, 1 << 20
	return []spec.Param{
		{Name: "connections", Type: spec.Count, Default: "unlimited", Min: 1, Max: 1e6, Words: []spec.Word{{Name: "unlimited", Value: 0}}, Doc: "open at once; more are answered 503 and closed; unlimited: seven sixteenths of the descriptors that the process may have (RLIMIT_NOFILE), shared by the listeners without a limit"},
		{Name: "line", Type: spec.Count, Default: "16384", Min: least, Max: most, Doc: "bytes of the first line of a request, and of a header"},
		{Name: "head", Type: spec.Count, Default: "65536", Min: least, Max: most, Doc: "bytes of a request's head"},
		{Name: "headers", Type: spec.Count, Default: "100", Min: 1, Max: 10_000, Doc: "headers of a request; more are answered 431"},
		{Name: "body", Type: spec.Count, Default: "unlimited", Min: 1, Words: []spec.Word{{Name: "unlimited", Value: 0}}, Doc: "bytes of a request's body; more are answered 413"},
	}
}

// NewListenerLimits returns what the values describe.
func NewListenerLimits(v spec.Values) ListenerLimits {
	l := ListenerLimits{Connections: v.Int("connections"), Line: v.Int("line"), Head: v.Int("head"), Headers: v.Int("headers"), Body: v.Int("body")}
	if l.Line == http1.MaxLine {
		l.Line = 0
	}
	if l.Head == http1.MaxHead {
		l.Head = 0
	}
	if l.Headers == http1.MaxFields {
		l.Headers = 0
	}
	return l
}

// HeaderParams describes what targets are told of a client.
func HeaderParams() []spec.Param {
	names := []string{string(RemoveNames), string(RefuseNames), string(PassNames)}
	return []spec.Param{
		{Name: "forwarded_for", Type: spec.Text, Default: string(Append), Enum: []string{string(Append), string(Preserve), string(Remove)}, Doc: "append the client's address to X-Forwarded-For, leave it as it came, or remove it"},
		{Name: "trusted_proxies", Type: spec.List, Doc: "addresses and CIDR blocks of proxies in front of this balancer: rules, keys, limits and the access log take the client's address from their X-Forwarded-For; by default nobody's is believed"},
		{Name: "forwarded", Type: spec.Bool, Default: "false", Doc: "Forwarded too (RFC 7239)"},
		{Name: "via", Type: spec.Text, Doc: "the balancer's name in Via, of requests and answers; none without it"},
		{Name: "request_id", Type: spec.Text, Doc: "a header with an id of the request, made when the client gives none, such as X-Request-Id"},
		{Name: "ambiguous", Type: spec.Text, Default: string(RemoveNames), Enum: names, Doc: "what becomes of headers that a target may read as framing or as the balancer's own, such as Content_Length and X_Forwarded_For"},
		{Name: "underscores", Type: spec.Text, Default: string(PassNames), Enum: names, Doc: "the same for all headers with an underscore; nginx removes them"},
	}
}

// ErrorParams describes what clients are answered when something fails. The statuses' defaults are an application load
// balancer's.
func ErrorParams() []spec.Param {
	p := func(name, def, doc string) spec.Param {
		return spec.Param{Name: name, Type: spec.Count, Default: def, Min: 400, Max: 599, Doc: doc}
	}
	return []spec.Param{
		p("connect", "502", "no connection to a target could be made"), p("connect_timeout", "504", "none could be made in time"),
		p("broken", "502", "the exchange with a target broke off, or its answer was malformed"), p("timeout", "504", "no answer came in time"),
		p("no_target", "503", "no target is ready, or none has room"), p("head_too_large", "431", "a request's head, or a line of it, is too large"),
		p("line_too_long", "414", "a request's first line is too long"), p("coding", "501", "a request's transfer coding is not known"), p("gone", "460", "in the access log only: the client went away first"),
		{Name: "reasons", Type: spec.Text, Default: string(ReasonIDs), Enum: []string{string(ReasonIDs), string(ReasonAddresses)}, Doc: "what Shakedown-Reason and error pages tell of a target that failed: its id, or its address and the network's own error too; the access log has both"},
	}
}

// NewFrontOptions returns what the values of HeaderParams and ErrorParams describe.
func NewFrontOptions(headers, errors spec.Values) (Options, error) {
	trusted, err := route.ParseNetworks(headers.List("trusted_proxies"))
	if err != nil {
		return Options{}, fmt.Errorf("headers: trusted_proxies: %w", err)
	}
	return Options{
		ForwardedFor: ForwardedFor(headers.Text("forwarded_for")), Forwarded: headers.Bool("forwarded"), Via: headers.Text("via"), RequestID: headers.Text("request_id"),
		TrustedProxies: trusted, Ambiguous: Names(headers.Text("ambiguous")), Underscores: Names(headers.Text("underscores")),
		Status: exchange.Statuses{
			Connect: errors.Int("connect"), ConnectTimeout: errors.Int("connect_timeout"), Broken: errors.Int("broken"), Timeout: errors.Int("timeout"),
			NoTarget: errors.Int("no_target"), HeadTooLarge: errors.Int("head_too_large"), LineTooLong: errors.Int("line_too_long"), Coding: errors.Int("coding"), Gone: errors.Int("gone"),
		},
		Reasons: Reasons(errors.Text("reasons")),
	}, nil
}

// CheckHeaders says what can't be used as a name in a header, "" when all can.
func CheckHeaders(o *Options) string {
	for _, x := range []struct{ what, text, without string }{{"via", o.Via, " \t\r\n,"}, {"request_id", o.RequestID, " \t\r\n:,"}} {
		if strings.ContainsAny(x.text, x.without) || strings.ContainsFunc(x.text, func(r rune) bool { return r < ' ' || r > '~' }) {
			return x.what + " can't be written in a header"
		}
	}
	return ""
}
