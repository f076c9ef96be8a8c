package config

import (
	"time"

	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// FrontTimeouts bound what clients may take their time for. Zero stands for the default.
type FrontTimeouts struct {
	Idle   time.Duration `json:"idle,omitempty"`
	Header time.Duration `json:"header,omitempty"`
	Body   time.Duration `json:"body,omitempty"`
	Write  time.Duration `json:"write,omitempty"`
}

// neverTimeout stands for no limit where zero stands for the default: a year.
const neverTimeout = 365 * 24 * time.Hour

// FrontTimeoutParams describes them as a scenario writes them. Idle is an application load balancer's; the header's
// is nearer to HAProxy's advice than to the minute that others allow a slow head.
func FrontTimeoutParams() []spec.Param {
	return []spec.Param{
		{Name: "idle", Type: spec.Duration, Default: "1m", Min: .01, Max: 4000, Doc: "a client's connection without a request is closed after it"},
		{Name: "header", Type: spec.Duration, Default: "10s", Min: .01, Max: 600, Words: []spec.Word{{Name: "unlimited", Value: neverTimeout}}, Doc: "from a head's first byte to its last; then 408"},
		{Name: "body", Type: spec.Duration, Default: "1m", Min: .01, Max: 4000, Doc: "without progress of a request's body"},
		{Name: "write", Type: spec.Duration, Default: "1m", Min: .01, Max: 4000, Doc: "without progress of an answer to the client"},
	}
}

// NewFrontTimeouts returns what the values describe.
func NewFrontTimeouts(v spec.Values) FrontTimeouts {
	return FrontTimeouts{v.Duration("idle"), v.Duration("header"), v.Duration("body"), v.Duration("write")}
}

// TargetTimeouts bound what a group's targets may take their time for. Zero stands for the default.
type TargetTimeouts struct {
	Connect  time.Duration `json:"connect,omitempty"`
	Response time.Duration `json:"response,omitempty"`
	Exchange time.Duration `json:"exchange,omitempty"` // 0: no limit
	Tunnel   time.Duration `json:"tunnel,omitempty"`
}

// TargetTimeoutParams describes them as a scenario writes them.
func TargetTimeoutParams() []spec.Param {
	return []spec.Param{
		{Name: "connect", Type: spec.Duration, Default: "5s", Min: .001, Max: 600, Doc: "until a connection to a target is there; then 504"},
		{Name: "response", Type: spec.Duration, Default: "1m", Min: .01, Max: 4000, Doc: "without a byte of an answer, or between two; then 504"},
		{Name: "exchange", Type: spec.Duration, Default: "unlimited", Min: .01, Max: 86400, Words: []spec.Word{{Name: "unlimited", Value: time.Duration(0)}}, Doc: "a request's whole time, its attempts and the answer to its end; then 504, or an answer that is cut off"},
		{Name: "tunnel", Type: spec.Duration, Default: "1h", Min: .01, Max: 604800, Doc: "without a byte either way once the protocol has changed, as for a WebSocket"},
	}
}

// NewTargetTimeouts returns what the values describe.
func NewTargetTimeouts(v spec.Values) TargetTimeouts {
	return TargetTimeouts{v.Duration("connect"), v.Duration("response"), v.Duration("exchange"), v.Duration("tunnel")}
}
