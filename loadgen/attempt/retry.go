package attempt

import (
	"time"

	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// Retry says when a client follows a failed attempt by another, and after what pause.
type Retry struct {
	Attempts int           // further ones at most, for one request
	On       RetryOn       // the most that may have happened to the failed one
	Repeat   bool          // also requests whose method is not idempotent may be sent twice
	Backoff  time.Duration // ceiling of the pause before the first retry; it doubles with each further one
	Max      time.Duration // the most that it grows to
	Jitter   Jitter
	Timeout  time.Duration // of one attempt, from when it has a connection; 0: what is left of the whole
	Budget   float64       // retries as a share of requests; below 0: unlimited
	Floor    float64       // retries a second that are allowed whatever the share
	Stream   draw.Stream   // of the jitter
}

// RetryOn is what a client's retry may follow.
type RetryOn string

// Each of these includes the ones above it. Where bytes were sent, only requests that may be sent twice are.
const (
	OnConnect RetryOn = "connect" // no connection could be made: no byte was sent
	OnError   RetryOn = "error"   // the attempt broke off or timed out before any byte of an answer
	On5xx     RetryOn = "5xx"     // it was answered 5xx
)

// Jitter is how the pause before a retry is drawn from its ceiling.
type Jitter string

// The kinds of jitter, by the names of the AWS Architecture Blog, "Exponential Backoff And Jitter".
const (
	FullJitter  Jitter = "full"  // from 0 to the ceiling
	EqualJitter Jitter = "equal" // from half the ceiling to the ceiling
	NoJitter    Jitter = "none"  // the ceiling
)

// unlimited is the budget of a client that has none.
const unlimited = -1.0

// RetryParams describes a client's retries as a scenario writes them. Attempts, backoff, its limit and its jitter are those of the
// standard mode of AWS's SDKs, the budget is Envoy's and Finagle's.
func RetryParams() []spec.Param {
	return []spec.Param{
		{Name: "attempts", Type: spec.Count, Default: "2", Min: 1, Max: 10, Doc: "further attempts after the first"},
		{Name: "on", Type: spec.Text, Default: string(On5xx), Enum: []string{string(OnConnect), string(OnError), string(On5xx)}, Doc: "connect: no byte was sent; error: or it broke off or timed out before an answer; 5xx: or it was answered so. After connect only idempotent requests are repeated"},
		{Name: "non_idempotent", Type: spec.Bool, Default: "false", Doc: "repeat requests of other methods too, such as POST"},
		{Name: "backoff", Type: spec.Duration, Default: "100ms", Max: 600, Doc: "ceiling of the pause before the first retry; it doubles with each further one"},
		{Name: "max_backoff", Type: spec.Duration, Default: "20s", Max: 600, Doc: "the most that it grows to"},
		{Name: "jitter", Type: spec.Text, Default: string(FullJitter), Enum: []string{string(FullJitter), string(EqualJitter), string(NoJitter)}, Doc: "full: the pause is drawn from 0 to its ceiling; equal: from half of it; none: the ceiling itself"},
		{Name: "timeout", Type: spec.Duration, Min: .001, Max: 600, Doc: "of one attempt, from when it has a connection; without it, what is left of the client's timeout"},
		{Name: "budget", Type: spec.Share, Default: "20%", Max: 1, Words: []spec.Word{{Name: "unlimited", Value: unlimited}}, Doc: "retries as a share of requests, over the whole client"},
		{Name: "floor", Type: spec.Rate, Default: "10/s", Max: 1e6, Doc: "retries that are allowed whatever the share"},
	}
}

// NewRetry returns the retries that the values describe.
func NewRetry(v spec.Values, seed draw.Seed) *Retry {
	return &Retry{
		Attempts: v.Int("attempts"), On: RetryOn(v.Text("on")), Repeat: v.Bool("non_idempotent"), Backoff: v.Duration("backoff"), Max: v.Duration("max_backoff"),
		Jitter: Jitter(v.Text("jitter")), Timeout: v.Duration("timeout"), Budget: v.Float("budget"), Floor: v.Float("floor"), Stream: seed.Stream("client-retry"),
	}
}

// Pause is how long a client waits after the attempt of that number, counted from 0, before the next one.
func (r *Retry) Pause(seq uint64, attempt int) time.Duration {
	ceiling := r.Max
	if doubled := r.Backoff << attempt; doubled>>attempt == r.Backoff && doubled < r.Max {
		ceiling = doubled
	}
	u := r.Stream.Float(seq, attempt)
	switch r.Jitter {
	case FullJitter:
		return time.Duration(u * float64(ceiling))
	case EqualJitter:
		return ceiling/2 + time.Duration(u*float64(ceiling/2))
	}
	return ceiling
}
