// Package config is what a balancer is made of, as plain types: the scenario's file, the plan, the live balancer and the simulator share
// them, and so does the JSON that a balancer is started with. It reads no file and opens no socket.
package config

import (
	"time"

	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/health"
	"github.com/seed-8025779b/shakedown/balancer/route"
	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// Config is a balancer's settings.
type Config struct {
	Seed      draw.Seed  `json:"seed"`
	Listeners []Listener `json:"listeners"`
	Groups    []Group    `json:"groups"`
	Discard   []Span     `json:"discard,omitempty"` // sequence numbers that are counted apart
	// Trace makes the balancer tell of its attempts at each request that carries a number (mix.SeqHeader): in the answer
	// (mix.AttemptHeader) or, when the client cannot have read that, in the next report to the parent. It implies TrustSeq.
	Trace bool `json:"trace,omitempty"`
	// TrustSeq makes the balancer believe the numbers that requests carry (mix.SeqHeader): whoever sends them chooses by
	// them how every draw about the request falls. Without it, requests are numbered as they come, and our own headers are
	// not passed on to targets.
	TrustSeq bool `json:"trust_seq,omitempty"`
}

// Listener is an address and its rules.
type Listener struct {
	Address     string         `json:"address"`
	Rules       route.Table    `json:"rules"`
	Timeouts    FrontTimeouts  `json:"timeouts"`
	TLS         *TLS           `json:"tls,omitempty"`
	HTTP1Only   bool           `json:"http1_only,omitempty"`   // HTTP/2 is not spoken
	ProxyHeader bool           `json:"proxy_header,omitempty"` // connections begin with a PROXY header
	Limits      ListenerLimits `json:"limits"`
	Options     Options        `json:"options"`
}

// Group is a target group's settings.
type Group struct {
	Name     string                `json:"name"`
	Strategy spec.Written          `json:"strategy"` // a kind of pick.Kinds
	Health   *health.Config        `json:"health,omitempty"`
	Outliers *health.OutlierConfig `json:"outliers,omitempty"`
	Retry    *group.Retry          `json:"retry,omitempty"`
	FailOpen *group.FailOpen       `json:"fail_open,omitempty"`
	Limits   *group.Limits         `json:"limits,omitempty"`
	Zones    *group.Zones          `json:"zones,omitempty"`
	Sticky   *group.Sticky         `json:"sticky,omitempty"`
	// SlowStart is how long a target that joins or comes back takes to its full share.
	SlowStart time.Duration  `json:"slow_start,omitempty"`
	Drain     time.Duration  `json:"drain"`
	Timeouts  TargetTimeouts `json:"timeouts"`
	// How the targets are spoken to.
	HTTP2       bool       `json:"http2,omitempty"`
	TLS         *TargetTLS `json:"tls,omitempty"`
	ProxyHeader int        `json:"proxy_header,omitempty"` // its version
	Host        string     `json:"host,omitempty"`         // what the targets get as Host: "" the client's, HostOfTarget their own address, or another
	Targets     []Target   `json:"targets,omitempty"`
}

// Target is a member of a group.
type Target struct {
	ID      string `json:"id"`
	Address string `json:"address"`
	Zone    string `json:"zone,omitempty"`
	Weight  int    `json:"weight,omitempty"` // 0 counts as 1
}

// Span is the sequence numbers in [From, To).
type Span struct {
	From uint64 `json:"from"`
	To   uint64 `json:"to"`
}

// HostOfTarget stands for each target's own address, as Group.Host.
const HostOfTarget = "target"
