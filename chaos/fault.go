// Package chaos says what a fault is: its kind as data, its targets, its window, and what it does to an
// exchange. It carries nothing out: chaos/inject does, in a live run, and the simulator in its own.
//
// One file a kind; the table below is the only place that lists them.
package chaos

import (
	"time"

	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// Fault is one failure to inject.
type Fault struct {
	ID     string
	At     time.Duration // since the run began
	For    time.Duration // 0: until the run ends
	Select Selector
	spec.Choice
}

// Kind is what a kind of fault does: exactly one of Wire and Process is set.
type Kind struct {
	Wire    Wire     // it acts on exchanges between the balancer and a target
	Process *Process // it acts on a target's process

	// Delays is the longest delay of a wire fault that does nothing but delay exchanges; 0 for every other fault.
	Delays time.Duration
}

// Wire decides what happens to one exchange. u is the draw of this fault for this exchange.
type Wire interface {
	Touch(u draw.Stream, x *Exchange, e *Effect) (touched bool)
}

// Process is a fault on processes.
type Process struct {
	Kill         bool
	RestartAfter time.Duration // 0: it stays down until the run ends
}

// Kinds is the table of faults.
func Kinds() spec.Kinds[Kind] { return spec.Kinds[Kind]{kill, latency, errorKind} }

// End is when the fault is reverted by itself; ok is false when it lasts until the run ends.
func (f *Fault) End() (at time.Duration, ok bool) {
	if r := f.Values.Duration("restart_after"); r > 0 {
		return f.At + r, true
	}
	return f.At + f.For, f.For > 0
}

// Exchange is one attempt on one target, as a wire fault sees it.
type Exchange struct {
	Target  string
	Seq     uint64 // the request's number, or the probe's
	Attempt int
	Probe   bool
}

// Effect is what happens to an exchange: first the delay, then, when Status is set, an answer in the
// target's place. The target does not see an exchange that is answered for it.
type Effect struct {
	Delay  time.Duration
	Status int
	// Fault is the id of the fault that shaped the exchange; empty when none did. Of several it is the one that
	// ended the exchange, with the status; without such, the one with the longest delay, the earliest injected
	// among equals.
	Fault string
}

// share is the parameter of every wire fault that says how many exchanges it touches.
var share = spec.Param{Name: "share", Type: spec.Share, Default: "100%", Above: true, Max: 1, Doc: "share of the exchanges that it touches, drawn by request"}

// probes is the parameter of every wire fault that says whether health checks meet it too.
var probes = spec.Param{Name: "probes", Type: spec.Bool, Default: "true", Doc: "whether health checks meet it too"}

// Attempts of one request on one stream are spaced by this, so that the draws of a fault (does it touch,
// how long is the jitter) never coincide.
const drawsPerAttempt = 4

// selective is what wire faults have in common: whom they touch.
type selective struct {
	share  float64
	probes bool
}

func newSelective(v spec.Values) selective { return selective{v.Float("share"), v.Bool("probes")} }

func (s selective) touches(u draw.Stream, x *Exchange) bool {
	return (s.probes || !x.Probe) && (s.share >= 1 || u.Float(x.Seq, x.Attempt*drawsPerAttempt) < s.share)
}
