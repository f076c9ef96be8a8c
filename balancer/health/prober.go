package health

import (
	"fmt"
	"time"

	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/scenarios/draw"
)

// Prober decides when a target is probed, what a probe does and what its answer means. It is a state machine without sockets and
// clocks: a driver performs the Step that it returns, tells what happened by Next, and so on for as long as the target is checked. The
// live balancer and the simulator are such drivers.
type Prober struct {
	c     *Config
	seed  draw.Seed
	id    string
	touch func(*chaos.Exchange) chaos.Effect

	n      uint64        // probes that have begun
	under  bool          // one is under way
	by     time.Duration // when it has taken too long
	status int           // a fault's answer to it; 0 for none
}

// NewProber returns what decides about the probes of a target. touch says what the faults in force do to a probe.
func NewProber(c *Config, seed draw.Seed, id string, touch func(*chaos.Exchange) chaos.Effect) *Prober {
	return &Prober{c: c, seed: seed, id: id, touch: touch}
}

// Step is what a driver of a Prober has to do next.
type Step struct {
	Report  bool // tell the target's group the Finding, before anything else
	Finding Finding
	Send    bool          // send a probe of the configuration's kind: Answered, Failed or Expired follows
	Until   time.Duration // with Send: when Expired is to be told; otherwise let the time pass until then: Passed follows
}

// Finding is what a probe has found.
type Finding struct {
	Passed bool
	Reason string // of a failure
}

// Event is what has happened at a Step.
type Event struct {
	Kind    EventKind
	Status  int    // of an answer by HTTP
	Body    []byte // as much of it as is looked at
	CallEnd string // of a call of gRPC: its own status; empty when the answer had none
	Reason  string // of Failed
	Nothing bool   // of Failed: it says nothing about the target
}

// EventKind is the kind of an Event.
type EventKind uint8

// What may have happened.
const (
	Passed    EventKind = iota // the time
	Connected                  // of a check by TCP: there was a connection
	Answered                   // by HTTP
	Called                     // by gRPC
	Failed                     // no connection, or no answer on it
	Expired                    // the probe's time is over
)

// Begin begins to check a target, with a probe at once: later ones keep the interval from a seeded phase, so that the targets of a group
// are not probed in step.
func (p *Prober) Begin(now time.Duration) Step { return p.probe(now) }

// probe begins a probe.
func (p *Prober) probe(now time.Duration) Step {
	e := p.touch(&chaos.Exchange{Target: p.id, Seq: p.n, Probe: true})
	p.n++
	p.under, p.by = true, now+p.c.Timeout
	if p.status = e.Status; p.c.Kind == TCP {
		p.status = 0 // a fault's status is HTTP's
	}
	if e.Delay > 0 {
		return Step{Until: min(now+e.Delay, p.by)}
	}
	return p.send(now)
}

// send sends the probe, or takes a fault's answer in its place.
func (p *Prober) send(now time.Duration) Step {
	if p.status != 0 {
		return p.found(now, &Event{Kind: Answered, Status: p.status})
	}
	return Step{Send: true, Until: p.by}
}

// Next takes in what has happened at the last Step, and returns the next one.
func (p *Prober) Next(now time.Duration, e Event) Step {
	switch {
	case e.Kind != Passed:
		return p.found(now, &e)
	case !p.under: // between two probes
		return p.probe(now)
	case now >= p.by: // a fault has kept it for so long
		return p.found(now, &Event{Kind: Expired})
	}
	return p.send(now)
}

// found tells what a probe has found, and waits for the next one.
func (p *Prober) found(now time.Duration, e *Event) Step {
	p.under = false
	return Step{Report: !e.Nothing, Finding: p.judge(e), Until: p.c.NextProbe(p.seed, p.id, now)}
}

// judge says what the end of a probe means.
func (p *Prober) judge(e *Event) (f Finding) {
	switch e.Kind {
	case Answered:
		f.Reason = p.c.Judge(e.Status, e.Body)
	case Called:
		f.Reason = p.c.JudgeCall(e.CallEnd, e.Body)
	case Failed:
		f.Reason = e.Reason
	case Expired:
		f.Reason = fmt.Sprintf("no answer within %v", p.c.Timeout)
	}
	f.Passed = f.Reason == ""
	return f
}
