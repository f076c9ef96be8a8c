// Package plan is a scenario after it was read and checked: plain types, with every default filled in.
// The worlds play it and the player judges it; neither sees the file.
package plan

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/autoscale"
	"github.com/seed-8025779b/shakedown/balancer/backend/model"
	"github.com/seed-8025779b/shakedown/balancer/config"
	"github.com/seed-8025779b/shakedown/balancer/group"
	"github.com/seed-8025779b/shakedown/balancer/health"
	"github.com/seed-8025779b/shakedown/balancer/route"
	"github.com/seed-8025779b/shakedown/chaos"
	"github.com/seed-8025779b/shakedown/loadgen/attempt"
	"github.com/seed-8025779b/shakedown/loadgen/mix"
	"github.com/seed-8025779b/shakedown/loadgen/profile"
	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// Scenario is one run: what is built, what load it meets, what goes wrong, and what is asked of it.
type Scenario struct {
	Name, About string
	Seed        draw.Seed
	Objective   Objective
	Target      string    // URL of a system of one's own, without user information; empty with a Topology
	Topology    *Topology // nil with a Target
	RTT         time.Duration
	Client      Client
	Load        Load
	Scaling     []Scaling
	Faults      []chaos.Fault
	Abort       []Abort
	Gates       []Gate
	Validity    Validity
	Mask        []string // names of headers and variables whose values are shown nowhere, besides the standard ones

	Resolved json.RawMessage // the file's shape, with every default filled in
}

// Gate is one condition on a result; package reports/gate reads and judges it.
type Gate struct {
	Expr   string // as written
	Metric string
	ID     string // the fault, group or status asked about; may be empty
	Window string // may be empty
	// Request is the name of the requests of a phase that are judged; empty for all of them.
	Request string
	Op      string
	Limit   float64 // in the metric's unit
}

// Objective is the scenario's own definition of healthy.
type Objective struct {
	Quantiles []Quantile
	ErrorRate float64
	Window    time.Duration
}

// Quantile is a limit on a percentile of the response time.
type Quantile struct {
	Q     float64
	Limit time.Duration
}

// Topology is what shakedown starts itself.
type Topology struct {
	Listeners []Listener
	Groups    []Group
}

// Listener is a balancer's address and its rules.
type Listener struct {
	Address  string
	Rules    route.Table
	Timeouts config.FrontTimeouts
	Limits   config.ListenerLimits
	Options  config.Options

	TLS         *config.TLS
	HTTP1Only   bool
	ProxyHeader bool
}

// Group is a target group and how its targets are run.
type Group struct {
	Name      string
	Strategy  spec.Choice
	Health    *health.Config
	Outliers  *health.OutlierConfig
	Retry     *group.Retry
	FailOpen  *group.FailOpen
	Limits    *group.Limits
	Zones     *group.Zones
	Sticky    *group.Sticky
	SlowStart time.Duration
	Drain     time.Duration
	Timeouts  config.TargetTimeouts
	Targets   Targets
	Service   Service

	HTTP2       bool
	TLS         *config.TargetTLS
	ProxyHeader int
	Host        string
}

// Run is how targets come to be.
type Run string

// The ways targets come to be.
const (
	Builtin   Run = "builtin"
	Command   Run = "command"
	Addresses Run = "addresses"
)

// Targets are a group's targets.
type Targets struct {
	Run          Run
	Count        int
	Zones        []string // given to the targets in turn, as are weights
	Weights      []int
	Command      []string // {port} stands for the port the target must listen on
	Env          []string // NAME=VALUE, besides the environment of shakedown itself; {port} as in Command
	Dir          string   // the folder that Command runs in; empty: the current one
	Addresses    []string
	StartTimeout time.Duration
}

// Service is the capacity of a builtin target.
type Service struct {
	Time  spec.Choice
	Model model.Config
}

// Target is one target that a scenario begins with, or that scaling adds.
type Target struct {
	ID, Group, Zone string
	Weight          int    // 0 counts as 1
	Address         string // only known beforehand for Addresses
}

// Target returns a group's n-th target, counted from 0.
func (g *Group) Target(n int) Target {
	t := Target{ID: fmt.Sprintf("%s-%d", g.Name, n+1), Group: g.Name}
	if len(g.Targets.Zones) > 0 {
		t.Zone = g.Targets.Zones[n%len(g.Targets.Zones)]
	}
	if len(g.Targets.Weights) > 0 {
		t.Weight = g.Targets.Weights[n%len(g.Targets.Weights)]
	}
	if g.Targets.Run == Addresses {
		t.Address = g.Targets.Addresses[n]
	}
	return t
}

// Client is the generator's side of the load. The world fills in the mix, and with a topology the target.
type Client struct {
	Engine string // a name of loadgen.Names
	attempt.Config
}

// Load is what is offered.
type Load struct {
	Arrivals profile.Arrivals
	Set      mix.Set
	Phases   []Phase
}

// Phase is a named stretch of the load.
type Phase struct {
	Name       string
	Start, End time.Duration
	Rate       spec.Choice // a kind of profile.Kinds, with its length; empty for a closed-loop phase
	Users      int         // of a closed-loop phase; 0 for one with a rate
	Think      time.Duration
	Discard    bool
}

// Pauses reports whether the phase offers no requests.
func (p *Phase) Pauses() bool { return p.Users == 0 && p.Rate.Kind == "pause" }

// Scaling is how a group is scaled.
type Scaling struct {
	Group  string
	Policy autoscale.Config
	Timing autoscale.Timing
}

// Abort ends a run early when the error rate over some time exceeds a limit.
type Abort struct {
	When    string  // as written
	Percent float64 // of the requests that failed
	OrEqual bool    // it fires at the limit too
	Over    time.Duration
}

// Validity says when a run can't be trusted.
type Validity struct {
	Lag     time.Duration // p99 of the generator's lateness; 0: the engine's own limit
	Offered float64       // share of the schedule that must have been offered
}

// Length is how long the load lasts.
func (s *Scenario) Length() time.Duration { return s.Load.Phases[len(s.Load.Phases)-1].End }

// Group returns the group of that name, nil when there is none.
func (s *Scenario) Group(name string) *Group {
	if s.Topology != nil {
		for i := range s.Topology.Groups {
			if s.Topology.Groups[i].Name == name {
				return &s.Topology.Groups[i]
			}
		}
	}
	return nil
}

// HasClosed reports whether a phase is a closed loop.
func (s *Scenario) HasClosed() bool {
	for _, p := range s.Load.Phases {
		if p.Users > 0 {
			return true
		}
	}
	return false
}

// HasOpen reports whether a phase offers requests at a rate of its own; a pause offers none.
func (s *Scenario) HasOpen() bool {
	for _, p := range s.Load.Phases {
		if p.Users == 0 && !p.Pauses() {
			return true
		}
	}
	return false
}

// Describe returns a function that says what a request is: its method, and its URL as it would be written
// without a balancer's address, which is not known beforehand.
func (s *Scenario) Describe() (func(seq uint64) (method, url string), error) {
	m, err := mix.New(s.Seed, s.Load.Set)
	if err != nil {
		return nil, err
	}
	base := strings.TrimSuffix(s.Target, "/")
	if s.Topology != nil {
		base = "http://balancer"
	}
	return func(seq uint64) (string, string) { return m.At(seq).Method, base + m.Path(seq) }, nil
}

// Schedule is when each request is due.
func (s *Scenario) Schedule() (profile.Schedule, error) {
	var segments []profile.Segment
	var closed []profile.Closed
	for i, p := range s.Load.Phases {
		if p.Users > 0 {
			first, _ := profile.ClosedSeqs(i)
			closed = append(closed, profile.Closed{From: p.Start, To: p.End, Users: p.Users, Think: p.Think, FirstSeq: first})
			segments = append(segments, profile.Pause{Seconds: (p.End - p.Start).Seconds()})
			continue
		}
		seg, err := profile.Kinds().New(p.Rate)
		if err != nil {
			return profile.Schedule{}, fmt.Errorf("phase %s: %w", p.Name, err)
		}
		segments = append(segments, seg)
	}
	return profile.Schedule{Profile: profile.New(segments...), Arrivals: s.Load.Arrivals, Seed: s.Seed, Closed: closed}, nil
}

// PeakRate is the highest rate that the schedule is expected to reach over a second, in requests a second.
func (s *Scenario) PeakRate(sched profile.Schedule) (peak float64) {
	for t, end := 0., s.Length().Seconds(); t < end; t++ {
		to := min(t+1, end)
		peak = max(peak, (sched.Profile.Hits(to)-sched.Profile.Hits(t))/(to-t))
	}
	return peak
}
