// Package reports holds the Result, everything a run learned, and writes it: as JSON, JUnit, Markdown and
// one self-contained HTML page.
//
// A Result is plain data; every output is made from it alone, so that a page can be rendered again years
// later from result.json.
package reports

import (
	"encoding/json"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/autoscale"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
)

// Schema names the format of result.json.
const Schema = "shakedown.result/v1"

// Verdict is what a run came to.
type Verdict string

// The verdicts.
const (
	Passed      Verdict = "passed"
	Failed      Verdict = "failed"
	Invalid     Verdict = "invalid" // the run can't be trusted
	Interrupted Verdict = "interrupted"
	Aborted     Verdict = "aborted" // the scenario's abort rule fired
)

// Result is everything a run learned. Times ending in _ms are milliseconds since the load began, and
// negative before it.
type Result struct {
	Schema     string   `json:"schema"`
	Name       string   `json:"name"`
	About      string   `json:"about,omitempty"`
	Verdict    Verdict  `json:"verdict"`
	Reasons    []string `json:"reasons"` // of the verdict, in plain words
	World      string   `json:"world"`
	Seed       uint64   `json:"seed"`
	DurationMS float64  `json:"duration_ms"`         // of the load: as planned, or until it was stopped
	JudgedMS   float64  `json:"judged_duration_ms"`  // of the phases that are not discarded
	PlannedMS  float64  `json:"planned_duration_ms"` // as planned
	DrainMS    float64  `json:"drain_ms"`            // from the end of the load until the last request ended

	Objective  Objective         `json:"objective"`
	Validity   Validity          `json:"validity"`
	Totals     Totals            `json:"totals"`
	Rates      Rates             `json:"rates"`
	Latency    Latency           `json:"latency"`
	Parts      *Parts            `json:"parts,omitempty"`   // absent in results that know nothing of them
	Errors     map[string]uint64 `json:"errors"`            // by class
	Retried    map[string]uint64 `json:"retried,omitempty"` // failures of attempts that the client followed by another one, by class
	Statuses   map[string]uint64 `json:"statuses"`          // answers by HTTP status
	Bytes      Bytes             `json:"bytes"`
	Examples   map[string]string `json:"error_examples"`
	Histograms Histograms        `json:"histograms"`

	Phases   []Period `json:"phases"`
	Windows  []Period `json:"windows"`
	Requests []Period `json:"requests"`

	Balancer *Balancer `json:"balancer,omitempty"`
	Targets  []Target  `json:"targets"`
	Timeline []Moment  `json:"timeline"`
	Faults   []Fault   `json:"faults"`
	Scaling  []Scaling `json:"scaling"`
	Gates    []Gate    `json:"gates"`
	Events   []Event   `json:"events"`
	Warnings []string  `json:"warnings"`

	Environment Environment     `json:"environment"`
	Scenario    json.RawMessage `json:"scenario"`
}

// Objective is the scenario's own definition of healthy, which recovery refers to.
type Objective struct {
	Latency   []Limit `json:"latency"`
	ErrorRate float64 `json:"error_rate"` // a share
	WindowMS  float64 `json:"window_ms"`
}

// Limit is a limit on a percentile of the response time.
type Limit struct {
	Percentile float64 `json:"percentile"` // 99 for p99
	LimitMS    float64 `json:"limit_ms"`
}

// Validity says whether the run can be trusted.
type Validity struct {
	Valid        bool     `json:"valid"`
	Reasons      []string `json:"reasons"`
	Lag          Lag      `json:"lag_ms"`            // the generator's lateness: offered − due
	LagLimitMS   float64  `json:"lag_limit_ms"`      // delay of a request by the generator that is tolerated
	GeneratorCPU float64  `json:"generator_cpu"`     // share of the CPU it may use; 0 in a simulated world
	Ceiling      float64  `json:"ceiling,omitempty"` // requests a second that it reached against a server that does nothing

	StalledRequests uint64   `json:"stalled_requests"` // judged requests that the generator itself delayed by more than the limit
	StalledMS       float64  `json:"stalled_ms"`       // how long the generator stood still in all
	DrainedMS       float64  `json:"drained_ms"`       // how long, besides, requests that had piled up meanwhile drained
	Stalls          []Stall  `json:"stalls"`           // the longest stretches of that
	Bracket         *Bracket `json:"bracket"`          // null when no request was delayed
}

// Stall is a stretch in which the generator stood still, until the burst of requests behind it had drained. In a run with
// thousands of them one may stand for several neighbours, with ran_ms between them.
type Stall struct {
	FromMS    float64 `json:"from_ms"`
	ResumedMS float64 `json:"resumed_ms"`       // it ran again
	ToMS      float64 `json:"to_ms"`            // the burst had drained; resumed_ms when there was none
	StoppedMS float64 `json:"stopped_ms"`       // how long it did not run: more than until resumed_ms when it stopped again in the burst
	RanMS     float64 `json:"ran_ms,omitempty"` // how long it ran as usual from from_ms to to_ms, which does not count
	Cause     string  `json:"cause"`            // "paused" or "throttled"
}

// Bracket is the percentile of the judged response time, of those with enough requests beyond them, at which what was
// measured and what is left of it without the time in which the generator stood still are furthest apart: the truth
// lies between.
type Bracket struct {
	Percentile float64 `json:"percentile"`
	UpperMS    float64 `json:"upper_ms"`
	LowerMS    float64 `json:"lower_ms"`
}

// Lag is a summary of the generator's lateness.
type Lag struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// Totals count requests. planned = sent + dropped + cancelled, and sent = succeeded + failed.
type Totals struct {
	Planned   uint64 `json:"planned"`
	Sent      uint64 `json:"sent"`
	Succeeded uint64 `json:"succeeded"`
	Failed    uint64 `json:"failed"`
	Dropped   uint64 `json:"dropped"`
	Cancelled uint64 `json:"cancelled"`
	Attempts  uint64 `json:"attempts"` // by the client, at requests that were sent: as many as these without retries of its own
	Retries   uint64 `json:"retries"`  // by the balancer

	Reconnects uint64 `json:"reconnects"` // requests sent again by the generator, because the server closed the connection just as they were sent
}

// Bytes are the sizes of the bodies of judged requests.
type Bytes struct {
	In  int64 `json:"in"`  // of answers; 0 in a simulated world, where they have none
	Out int64 `json:"out"` // of requests
}

// Rates are requests a second.
type Rates struct {
	Planned   float64 `json:"planned"`
	Offered   float64 `json:"offered"`
	Succeeded float64 `json:"succeeded"` // throughput: successes of the period's own requests that ended within it
}

// Latency holds the three latencies, never mixed.
type Latency struct {
	Response Figures `json:"response"`     // succeeded requests, from the due time: what a user waits
	Service  Figures `json:"service"`      // succeeded requests, from the first byte sent: what a naive tool says
	All      Figures `json:"response_all"` // all requests; failures at the moment the client gave up
}

// Figures summarise one histogram.
type Figures struct {
	Mean  float64 `json:"mean_ms"`
	P50   float64 `json:"p50_ms"`
	P90   float64 `json:"p90_ms"`
	P95   float64 `json:"p95_ms"`
	P99   float64 `json:"p99_ms"`
	P999  float64 `json:"p999_ms"`
	Max   float64 `json:"max_ms"`
	Count int64   `json:"count"`
}

// Histograms travel with the result, so that results merge and compare exactly.
type Histograms struct {
	Response measure.Hist `json:"response"`
	Service  measure.Hist `json:"service"`
	All      measure.Hist `json:"response_all"`
}

// Parts are how long the parts of an exchange took, each with its own histogram.
type Parts struct {
	Wait       Figures        `json:"wait"`       // for a free connection, of each request that had to wait for one
	Connect    Figures        `json:"connect"`    // of each connection made, name resolved, until TCP has it
	TLS        Figures        `json:"tls"`        // of each handshake
	FirstByte  Figures        `json:"first_byte"` // of succeeded requests, from the first byte sent
	Histograms PartHistograms `json:"histograms"`
}

// PartHistograms are what Parts summarise.
type PartHistograms struct {
	Wait      measure.Hist `json:"wait"`
	Connect   measure.Hist `json:"connect"`
	TLS       measure.Hist `json:"tls"`
	FirstByte measure.Hist `json:"first_byte"`
}

// Period is the figures of a phase, of a window or of one kind of request.
type Period struct {
	Name       string            `json:"name"`
	StartMS    float64           `json:"start_ms"`
	EndMS      float64           `json:"end_ms"`
	Discarded  bool              `json:"discarded,omitempty"`
	Totals     Totals            `json:"totals"`
	Rates      Rates             `json:"rates"`
	Latency    Latency           `json:"latency"`
	Parts      *Parts            `json:"parts,omitempty"` // of a phase
	Lag        Lag               `json:"lag_ms"`
	Errors     map[string]uint64 `json:"errors,omitempty"`
	Retried    map[string]uint64 `json:"retried,omitempty"`
	Histograms Histograms        `json:"histograms"`
	Ended      *Ended            `json:"ended,omitempty"` // of a window
}

// Ended is the figures of the requests that ended in a window, whenever they were due: failures show when they
// happened.
type Ended struct {
	Succeeded uint64            `json:"succeeded"`
	Failed    uint64            `json:"failed"`
	Dropped   uint64            `json:"dropped"`
	Response  Figures           `json:"response"` // of succeeded requests
	Errors    map[string]uint64 `json:"errors,omitempty"`
	Histogram measure.Hist      `json:"histogram"` // of Response
}

// Balancer is what the balancer counted in all, discarded phases included.
type Balancer struct {
	Requests uint64 `json:"requests"`
	Retries  uint64 `json:"retries"` // discarded phases left out
	Unrouted uint64 `json:"unrouted"`
	Limited  uint64 `json:"limited,omitempty"`  // beyond a rate limit: answered 429
	Waited   uint64 `json:"waited,omitempty"`   // attempts that waited for a target with room
	Overflow uint64 `json:"overflow,omitempty"` // attempts that found the queue full
}

// Target is one target over the run, as the balancer counted. Requests are attempts, retries included;
// those of discarded phases are counted apart.
type Target struct {
	ID          string       `json:"id"`
	Group       string       `json:"group"`
	Address     string       `json:"address"`
	Requests    uint64       `json:"requests"`
	Discarded   uint64       `json:"discarded"`
	Expected    float64      `json:"expected"` // requests that it should have had by its weight while it took traffic
	Share       float64      `json:"share"`    // of its group's requests
	Generations []Generation `json:"generations"`
	Changes     []Change     `json:"state_changes"`
}

// Generation is one start of a target's process.
type Generation struct {
	Generation int      `json:"generation"`
	PID        int      `json:"pid,omitempty"`
	LaunchedMS float64  `json:"launched_ms"`
	ExitedMS   *float64 `json:"exited_ms"`
	Exit       string   `json:"exit,omitempty"`
	Served     *uint64  `json:"served"` // as it counted itself; null when it does not say
}

// Change is a change of a target's state at the balancer.
type Change struct {
	AtMS   float64 `json:"at_ms"`
	From   string  `json:"from"`
	To     string  `json:"to"`
	Reason string  `json:"reason"`
}

// Moment is the state of a group at one time.
type Moment struct {
	AtMS        float64            `json:"at_ms"`
	Group       string             `json:"group"`
	Desired     int                `json:"desired"`
	Running     int                `json:"running"`
	InService   int                `json:"in_service"`
	Utilisation *float64           `json:"utilisation"` // busy share of the slots in service; null when unknown
	Requests    map[string]float64 `json:"requests"`    // by target, a second
}

// Fault is what an injected fault did. Absent times are null.
type Fault struct {
	ID         string   `json:"id"`
	Kind       string   `json:"kind"`
	Targets    []string `json:"targets"`
	InjectedMS *float64 `json:"injected_ms"`
	RevertedMS *float64 `json:"reverted_ms"`
	Hits       uint64   `json:"hits"` // exchanges, probes or processes it touched

	// From the injection, in milliseconds.
	DetectMS     *float64 `json:"detect_ms"`      // first failed check or request that the balancer noticed
	EjectMS      *float64 `json:"eject_ms"`       // the last of its targets was taken out of service
	LastRoutedMS *float64 `json:"last_routed_ms"` // last request routed to a target before it was taken out
	RecoverMS    *float64 `json:"recover_ms"`     // the objective held again; 0 when it never broke
	ResidualMS   *float64 `json:"residual_ms"`    // the same, from the fault's end

	Lost     float64 `json:"lost"`     // Charged − Expected, at least 0
	Charged  uint64  `json:"charged"`  // failed requests that are charged to this fault and to no other
	Expected float64 `json:"expected"` // failures that the requests which count for it would have had at the error rate of those of the same phase that count for none

	Window *Period `json:"window"` // requests that belong to it: due from injection to recovery, or under way at the injection and failed by it
}

// Scaling is what a group's scaling policy did.
type Scaling struct {
	Group     string     `json:"group"`
	Decisions []Decision `json:"decisions"`
	Servers   []Server   `json:"servers"`
	Waterfall []Stages   `json:"waterfall"`
	Cost      *float64   `json:"cost"` // null: no prices are known
}

// Decision is one tick of the policy: the signal it saw and what it decided. Decisions can be made again
// from their signals. Of those that follow each other, are alike and changed nothing only the first one is listed.
type Decision struct {
	AtMS   float64          `json:"at_ms"`
	Signal autoscale.Signal `json:"signal"`
	autoscale.Decision
	Repeats *Repeats `json:"repeats,omitempty"`
}

// Repeats are the decisions that followed one and were like it: they changed nothing either.
type Repeats struct {
	Count   int      `json:"count"`    // the listed one left out
	UntilMS float64  `json:"until_ms"` // the last one
	Lowest  *float64 `json:"lowest"`   // value of the metric, that of the listed one included; null when there was none
	Highest *float64 `json:"highest"`
}

// Server is one server of a scaled group, from its decision to its end.
type Server struct {
	ID        string   `json:"id"`
	Initial   bool     `json:"initial"`
	StartedMS *float64 `json:"started_ms"`
	EndedMS   *float64 `json:"ended_ms"`
}

// Stages are when a scaled-out server reached each stage.
type Stages struct {
	Server       string   `json:"server"`
	BreachMS     *float64 `json:"breach_ms"`        // the first datapoint above the target
	DecidedMS    *float64 `json:"decided_ms"`       // the policy decided
	LaunchedMS   *float64 `json:"launched_ms"`      // its process started
	BootedMS     *float64 `json:"booted_ms"`        // it could serve
	InServiceMS  *float64 `json:"in_service_ms"`    // its checks passed
	FirstRequest *float64 `json:"first_request_ms"` // seen with a request, to the balancer's reporting interval
}

// Gate is a judged gate.
type Gate struct {
	Expr     string   `json:"expr"`
	Metric   string   `json:"metric"`
	Window   string   `json:"window"`
	Request  string   `json:"request,omitempty"` // the requests of the window, which is a phase, that are judged
	Observed *float64 `json:"observed"`          // null: it did not happen
	Lower    *float64 `json:"lower"`             // the same without the time in which the generator stood still; null when it makes no difference
	Limit    float64  `json:"limit"`
	Op       string   `json:"op"`
	Unit     string   `json:"unit"`
	Passed   bool     `json:"passed"`
	Judged   bool     `json:"judged"` // false: the run was stopped, no request was in the window, or its sides disagree; Passed means nothing then
	Note     string   `json:"note,omitempty"`
	Why      string   `json:"why,omitempty"` // why it was not judged, where observed and lower do not tell
}

// SampleRow is one planned request, as the format "samples" writes it.
type SampleRow struct {
	*measure.Sample
	Phase     string
	Discarded bool // the phase is not judged
}

// Event is something that happened.
type Event struct {
	AtMS       float64 `json:"at_ms"`
	Kind       string  `json:"kind"`
	Group      string  `json:"group,omitempty"`
	Target     string  `json:"target,omitempty"`
	Generation int     `json:"generation,omitempty"`
	Fault      string  `json:"fault,omitempty"`
	Detail     string  `json:"detail"`
}

// Environment is all that differs between two equal runs.
type Environment struct {
	StartedAt time.Time `json:"started_at"`
	Host      string    `json:"host"`
	OS        string    `json:"os"`
	CPUs      int       `json:"cpus"`
	Version   string    `json:"version"`
	GoVersion string    `json:"go_version"`
	Command   string    `json:"command"`
}
