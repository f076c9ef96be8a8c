package group

import (
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// Retry says when a failed attempt is followed by another, on another target.
type Retry struct {
	Attempts int     // further ones at most, for one request
	On       RetryOn // the most that may have happened to the failed one
	Budget   float64 // retries as a share of requests
	Floor    float64 // retries a second that are allowed whatever the share
	Spool    int     // bytes of a request's body that are kept to send it again
}

// Repeats reports whether requests may be sent twice.
func (r *Retry) Repeats() bool { return r.On != OnConnect }

// RetryOn is what a retry may follow.
type RetryOn string

// Each of these includes the ones above it. Where bytes were sent, only requests that may be repeated are:
// idempotent ones whose body is still at hand.
const (
	OnConnect RetryOn = "connect" // no connection could be made: no byte was sent
	OnError   RetryOn = "error"   // the exchange broke off or timed out before any byte of an answer
	On5xx     RetryOn = "5xx"     // the target answered 5xx
)

// RetryParams describes retries as a scenario writes them. The budget is Envoy's and Finagle's, the floor is of
// the same order as theirs.
func RetryParams() []spec.Param {
	return []spec.Param{
		{Name: "attempts", Type: spec.Count, Default: "1", Min: 1, Max: 10, Doc: "further attempts, each on another target"},
		{Name: "on", Type: spec.Text, Default: string(OnConnect), Enum: []string{string(OnConnect), string(OnError), string(On5xx)}, Doc: "connect: no byte was sent; error: or it broke off before an answer; 5xx: or it was answered so. After connect only idempotent requests are repeated"},
		{Name: "budget", Type: spec.Share, Default: "20%", Max: 1, Doc: "retries as a share of requests"},
		{Name: "floor", Type: spec.Rate, Default: "10/s", Max: 1e6, Doc: "retries that are allowed whatever the share"},
		{Name: "spool", Type: spec.Count, Default: "65536", Max: 16 << 20, Doc: "bytes of a body that are kept to send it again; a request with more is not repeated"},
	}
}

// NewRetry returns the retries that the values describe.
func NewRetry(v spec.Values) *Retry {
	return &Retry{v.Int("attempts"), RetryOn(v.Text("on")), v.Float("budget"), v.Float("floor"), v.Int("spool")}
}

func (r *Retry) allows(o Outcome, repeatable bool) bool {
	switch o {
	case ConnectFailed:
		return true
	case Broken:
		return repeatable && r.On != OnConnect
	case ServerError, GatewayError:
		return repeatable && r.On == On5xx
	}
	return false
}
