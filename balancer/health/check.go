// Package health decides when a target is fit for traffic: active checks with thresholds, and passive
// detection of outliers in real traffic. It decides when to probe and counts what comes of it; whoever drives a Prober sends and waits.
package health

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/seed-8025779b/shakedown/scenarios/draw"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// Config is an active check.
type Config struct {
	Kind      Kind          // HTTP when empty
	Path      string        // asked for with GET, or called
	Service   string        // of GRPC: asked for
	Host      string        // the Host header; the target's address when empty
	Port      int           // asked instead of the target's own; 0 for its own
	Matcher   Matcher       // of the answer's status; 200 when empty
	Body      string        // a text that must stand in the first 64 KiB of the body
	Interval  time.Duration // between the starts of two probes of a target
	Jitter    float64       // share of the interval by which a probe may be later, drawn
	Timeout   time.Duration // a probe without an answer by then has failed
	Healthy   int           // passes in a row that bring an unhealthy target back
	Unhealthy int           // failures in a row that take a target out
}

// Kind is how a target is asked.
type Kind string

// The kinds of checks.
const (
	HTTP Kind = "http"
	TCP  Kind = "tcp"  // that a connection can be made is enough
	GRPC Kind = "grpc" // a call must end with the right status
)

// Params describes a check of a kind as a scenario writes it. The defaults are HAProxy's (check inter 2s, fall 3,
// rise 2), which suit a rehearsal of minutes; a cloud's usual 30 s would not notice a fault within it.
func Params(kind Kind) []spec.Param {
	path, matcher := "/health", "200"
	if kind == GRPC {
		path, matcher = grpcPath, "0"
	}
	return []spec.Param{
		{Name: "kind", Type: spec.Text, Default: string(HTTP), Enum: []string{string(HTTP), string(TCP), string(GRPC)}, Doc: "http: GET must be answered as it should; tcp: a connection is enough; grpc: a call must"},
		{Name: "path", Type: spec.Text, Default: path, Doc: "what a probe asks for with GET; of grpc the method that is called"},
		{Name: "service", Type: spec.Text, Doc: "of grpc: the service whose health is asked for; the whole server's without it"},
		{Name: "host", Type: spec.Text, Doc: "the Host that it asks for; the target's address without it"},
		{Name: "port", Type: spec.Count, Min: 1, Max: 65535, Doc: "the port that is asked instead of the target's own"},
		{Name: "matcher", Type: spec.Text, Default: matcher, Doc: "statuses that pass, such as 200,204 or 200-299; of grpc its own from 0 to 99"},
		{Name: "body", Type: spec.Text, Doc: "a text that must stand in the first 64 KiB of the body"},
		{Name: "interval", Type: spec.Duration, Default: "2s", Min: .01, Max: 300, Doc: "between the starts of two probes of a target"},
		{Name: "jitter", Type: spec.Share, Default: "0%", Max: .9, Doc: "share of the interval by which a probe may be later"},
		{Name: "timeout", Type: spec.Duration, Default: "1s", Min: .001, Max: 120, Doc: "a probe without an answer by then has failed"},
		{Name: "healthy", Type: spec.Count, Default: "2", Min: 1, Max: 10, Doc: "passes in a row that bring an unhealthy target back; a new one needs a single pass"},
		{Name: "unhealthy", Type: spec.Count, Default: "3", Min: 1, Max: 10, Doc: "failures in a row that take a target out"},
	}
}

// New returns the check that the values describe. The error is of the matcher or the path.
func New(v spec.Values) (*Config, error) {
	low, high := 100, 599
	path, kind := v.Text("path"), Kind(v.Text("kind"))
	if kind == GRPC {
		low, high = 0, 99
	}
	m, err := parseMatcher(v.Text("matcher"), low, high)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(path, "/") {
		return nil, fmt.Errorf("path %q does not start with a slash", path)
	}
	return &Config{
		kind, path, v.Text("service"), v.Text("host"), v.Int("port"), m, v.Text("body"), v.Duration("interval"), v.Float("jitter"), v.Duration("timeout"),
		v.Int("healthy"), v.Int("unhealthy"),
	}, nil
}

// Judge says what is wrong with an answer to a probe, "" when it passes.
func (c *Config) Judge(status int, body []byte) string {
	if !c.Matcher.Matches(status) {
		return "status " + strconv.Itoa(status)
	}
	if c.Body != "" && !bytes.Contains(body, []byte(c.Body)) {
		return fmt.Sprintf("the body does not hold %.40q", c.Body)
	}
	return ""
}

// Matcher is statuses that pass: ranges, both ends included. An empty one stands for 200.
type Matcher [][2]int

// ParseMatcher reads statuses of HTTP and ranges between commas.
func ParseMatcher(s string) (m Matcher, err error) { return parseMatcher(s, 100, 599) }

func parseMatcher(s string, lowest, highest int) (m Matcher, err error) {
	for _, part := range strings.Split(s, ",") {
		low, high, ranged := strings.Cut(strings.TrimSpace(part), "-")
		if !ranged {
			high = low
		}
		a, errA := strconv.Atoi(low)
		b, errB := strconv.Atoi(high)
		if errA != nil || errB != nil || a < lowest || b > highest || a > b {
			return nil, fmt.Errorf("matcher %q is not made of statuses and ranges, such as 200,204 or 200-299", s)
		}
		m = append(m, [2]int{a, b})
	}
	return m, nil
}

// Matches reports whether a status passes.
func (m Matcher) Matches(status int) bool {
	if len(m) == 0 {
		return status == 200
	}
	for _, r := range m {
		if status >= r[0] && status <= r[1] {
			return true
		}
	}
	return false
}

// NextProbe is the first instant of the target's probe grid after now. A slow answer never shifts it. With jitter
// each instant of the grid is later by a draw of its own.
func (c *Config) NextProbe(seed draw.Seed, id string, now time.Duration) time.Duration {
	name := draw.Name(id)
	phase := time.Duration(seed.Stream("probe").Float(name, 0) * float64(c.Interval))
	k := (now - phase) / c.Interval
	if now < phase { // division truncates towards zero
		k = -((phase - now + c.Interval - 1) / c.Interval)
	}
	jitter := seed.Stream("probe jitter")
	at := func(k time.Duration) time.Duration {
		late := time.Duration(jitter.Float(name^uint64(k), 0) * c.Jitter * float64(c.Interval))
		return phase + k*c.Interval + late
	}
	for k--; at(k) <= now; {
		k++
	}
	return at(k)
}

// Check counts a target's probes.
type Check struct {
	passes, fails int
}

// Observe counts a probe and reports whether the target now deserves a change: up after enough passes in
// a row, down after enough failures. A target that has never been healthy (fresh) needs a single pass.
func (k *Check) Observe(c *Config, passed, fresh bool) (up, down bool) {
	if !passed {
		k.passes = 0
		k.fails++
		return false, k.fails >= c.Unhealthy
	}
	k.fails = 0
	k.passes++
	return fresh || k.passes >= c.Healthy, false
}

// Passing reports whether the latest probe passed.
func (k *Check) Passing() bool { return k.passes > 0 }
