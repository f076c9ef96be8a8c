package reports

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/seed-8025779b/shakedown/reports/gate"
)

// Marks beside a figure; the notes below its table explain them.
const (
	fewMark    = "†" // a percentile of too few requests
	cappedMark = "‡" // limited by the client's own timeout
)

// remarks marks the figures of a table, and remembers which marks it used.
type remarks struct {
	timeout     time.Duration
	few, capped bool
}

func (r *Result) remarks() *remarks { return &remarks{timeout: r.clientLimits().Timeout} }

// percentile writes v, the quantile q of f.
func (m *remarks) percentile(f Figures, q, v float64) string {
	s := f.Milliseconds(v)
	if !f.Empty() && !Reliable(q, f.Count) {
		m.few = true
		s += " " + fewMark
	}
	return m.limited(s, f, v)
}

// max writes the maximum of f.
func (m *remarks) max(f Figures) string { return m.limited(f.Milliseconds(f.Max), f, f.Max) }

func (m *remarks) limited(s string, f Figures, v float64) string {
	if !f.Empty() && nearTimeout(v, m.timeout) {
		m.capped = true
		s += " " + cappedMark
	}
	return s
}

// notes explains the marks that were used; column is the one that holds the number of requests.
func (m *remarks) notes(column string) (notes []string) {
	if m.few {
		notes = append(notes, fmt.Sprintf("%s A percentile of fewer than %d/(1 − p) requests, which is %d for p90 and %d for p99: a few of them decide it. The column “%s” says how many there are.",
			fewMark, gate.Beyond, gate.Needed(.9), gate.Needed(.99), column))
	}
	if m.capped {
		notes = append(notes, fmt.Sprintf("%s Limited by the client's timeout of %s: what would have taken longer failed then.", cappedMark, short(m.timeout)))
	}
	return notes
}

// timeoutShare is how close to the client's timeout a response time is taken to be limited by it.
const timeoutShare = .95

func nearTimeout(ms float64, timeout time.Duration) bool {
	// Beyond it the request ended late because the load generator itself stood still.
	return timeout > 0 && ms >= timeoutShare*MS(timeout) && ms*timeoutShare <= MS(timeout)
}

// timeoutNote says that the p99 or the maximum of the response time is limited by the client's own timeout; it is
// empty when neither is.
func (r *Result) timeoutNote() string {
	l, timeout := r.Latency.Response, r.clientLimits().Timeout
	if l.Empty() || !nearTimeout(max(l.P99, l.Max), timeout) {
		return ""
	}
	return fmt.Sprintf("limited by the client's timeout of %s", short(timeout))
}

// clientLimits are the limits that the load generator itself set; 0 where there is none.
type clientLimits struct{ Timeout, Connect, FirstByte, TLS time.Duration }

// clientLimits reads them from the scenario. A result without one, or with one that is not ours, has no limits.
func (r *Result) clientLimits() clientLimits {
	var s struct {
		Client struct {
			Timeout   any `json:"timeout"`
			Connect   any `json:"connect_timeout"`
			FirstByte any `json:"first_byte_timeout"`
			TLS       any `json:"tls_timeout"`
		} `json:"client"`
	}
	if json.Unmarshal(r.Scenario, &s) != nil {
		return clientLimits{}
	}
	limit := func(v any) time.Duration {
		text, _ := v.(string)
		d, err := time.ParseDuration(text)
		if err != nil {
			return 0
		}
		return d
	}
	return clientLimits{limit(s.Client.Timeout), limit(s.Client.Connect), limit(s.Client.FirstByte), limit(s.Client.TLS)}
}

// classNames is what classes of failure are called on a page.
var classNames = map[string]string{
	"dns": "Name not resolved", "refused": "Connection refused", "unreachable": "Host unreachable", "connect_timeout": "No connection in time",
	"tls": "TLS handshake failed", "reset": "Connection reset", "closed_early": "Connection closed too early", "first_byte_timeout": "No response in time",
	"timeout": "Not finished in time", "malformed": "Malformed response", "redirects": "Too many redirects", "status_4xx": "HTTP 4xx", "status_5xx": "HTTP 5xx",
	"expectation": "Unexpected response", "no_connection": "No free connection in time", "generator_resources": "Load generator out of ports, descriptors or memory", "other": "Other",
}

// className is what a class of failure is called on a page, with the time limit that it is about.
func (r *Result) className(class string) string {
	name, known := classNames[class]
	if !known {
		return class
	}
	c := r.clientLimits()
	if limit := map[string]time.Duration{"connect_timeout": c.Connect, "first_byte_timeout": c.FirstByte, "timeout": c.Timeout}[class]; limit > 0 {
		name += " (" + short(limit) + ")"
	}
	return name
}
