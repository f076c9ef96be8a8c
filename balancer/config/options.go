package config

import (
	"github.com/seed-8025779b/shakedown/balancer/exchange"
	"github.com/seed-8025779b/shakedown/balancer/route"
)

// Options are what a listener says of the client to its targets, and what it answers for failures.
type Options struct {
	ForwardedFor ForwardedFor `json:"forwarded_for,omitempty"` // Append when empty
	Forwarded    bool         `json:"forwarded,omitempty"`     // Forwarded too (RFC 7239)
	Via          string       `json:"via,omitempty"`           // the name in Via, both ways; none when empty
	RequestID    string       `json:"request_id,omitempty"`    // the header of a request's id, which is made when there is none; none when empty
	Ambiguous    Names        `json:"ambiguous,omitempty"`     // headers that may be read as ones that the balancer writes or as framing; RemoveNames when empty
	Underscores  Names        `json:"underscores,omitempty"`   // headers with an underscore in their name; PassNames when empty
	Strict       bool         `json:"strict,omitempty"`        // request targets with what RFC 3986 leaves out are refused
	RawPath      bool         `json:"raw_path,omitempty"`      // targets get a path as it came, not in normal form, unless a rule rewrites it
	// NoEscapedSlashes refuses paths with an escaped slash or backslash, for targets that decode them before they look at a path: a
	// rule sees no slash there. Envoy's path_with_escaped_slashes_action.
	NoEscapedSlashes bool `json:"no_escaped_slashes,omitempty"`
	// TrustedProxies are believed what they say in X-Forwarded-For of the client, as rules, keys, limits and logs see it.
	TrustedProxies route.Networks    `json:"trusted_proxies,omitempty"`
	Status         exchange.Statuses `json:"status"`
	Reasons        Reasons           `json:"reasons,omitempty"` // ReasonIDs when empty
}

// ForwardedFor is what becomes of X-Forwarded-For.
type ForwardedFor string

// The ways to treat X-Forwarded-For, with an application load balancer's names.
const (
	Append   ForwardedFor = "append"   // the client's address is added
	Preserve ForwardedFor = "preserve" // it goes on as it came
	Remove   ForwardedFor = "remove"   // the targets get none
)

// Names is what becomes of headers of a request whose names a target may take for others. Servers that hand headers on as variables
// (CGI, WSGI, FastCGI) read Content_Length as Content-Length, and X_Forwarded_For as what only a balancer should say.
type Names string

// The ways to treat such headers, with the words of Envoy's headers_with_underscores_action in mind.
const (
	RemoveNames Names = "remove" // the targets don't get them
	RefuseNames Names = "refuse" // the request is answered 400
	PassNames   Names = "pass"
)

// Reasons is what clients are told of an exchange with a target that failed.
type Reasons string

// The ways to tell it. The access log and events have the whole error in any case.
const (
	ReasonIDs       Reasons = "ids"       // the target's id, and what failed in plain words; the default
	ReasonAddresses Reasons = "addresses" // the whole error of the network, with the target's address
)
