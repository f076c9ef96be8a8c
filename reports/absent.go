package reports

import (
	"encoding/json"
	"fmt"

	"github.com/seed-8025779b/shakedown/reports/gate"
)

// Dash stands for a figure that does not exist: a latency without a request, an event that did not happen.
const Dash = "—"

// Empty reports whether no request was measured: the figures then mean nothing.
func (f Figures) Empty() bool { return f.Count == 0 }

// Empty reports whether no request was measured. The histograms' least value is 1 µs, so that a delay that was
// measured is never 0.
func (l Lag) Empty() bool { return l.Max == 0 }

// MarshalJSON writes null for every figure when no request was measured: 0 ms would read as a perfect one. A null
// reads back as 0.
func (f Figures) MarshalJSON() ([]byte, error) {
	v := func(x float64) *float64 { return present(x, !f.Empty()) }
	return json.Marshal(struct {
		Mean  *float64 `json:"mean_ms"`
		P50   *float64 `json:"p50_ms"`
		P90   *float64 `json:"p90_ms"`
		P95   *float64 `json:"p95_ms"`
		P99   *float64 `json:"p99_ms"`
		P999  *float64 `json:"p999_ms"`
		Max   *float64 `json:"max_ms"`
		Count int64    `json:"count"`
	}{v(f.Mean), v(f.P50), v(f.P90), v(f.P95), v(f.P99), v(f.P999), v(f.Max), f.Count})
}

// MarshalJSON writes null for every figure when no request was measured. A null reads back as 0.
func (l Lag) MarshalJSON() ([]byte, error) {
	v := func(x float64) *float64 { return present(x, !l.Empty()) }
	return json.Marshal(struct {
		P50 *float64 `json:"p50"`
		P99 *float64 `json:"p99"`
		Max *float64 `json:"max"`
	}{v(l.P50), v(l.P99), v(l.Max)})
}

func present(x float64, there bool) *float64 {
	if !there {
		return nil
	}
	return &x
}

// Milliseconds writes one of the figures for a person; a dash when no request was measured.
func (f Figures) Milliseconds(v float64) string {
	if f.Empty() {
		return Dash
	}
	return Quantity(v, "ms")
}

// Milliseconds writes one of the figures for a person; a dash when no request was measured.
func (l Lag) Milliseconds(v float64) string {
	if l.Empty() {
		return Dash
	}
	return LagText(v)
}

// LagText writes how late the generator was, in milliseconds, for a person. The histograms' least value, 1 µs, stands
// for every delay below it: it reads 0.
func LagText(ms float64) string {
	const least = .001
	if ms <= least {
		return "0 µs"
	}
	return Quantity(ms, "ms")
}

// rate writes one of the run's rates for a person; a dash when what was judged has no length.
func (r *Result) rate(v float64) string {
	if r.judgedMS() <= 0 {
		return Dash
	}
	return Quantity(v, "/s")
}

// succeededRate writes the period's throughput for a person; a dash when it has no length, and when the run was stopped
// before it.
func (p *Period) succeededRate() string {
	t := &p.Totals
	if p.EndMS <= p.StartMS || p.Ended == nil && t.Cancelled > 0 && t.Cancelled == t.Planned {
		return Dash
	}
	return Quantity(p.Rates.Succeeded, "/s")
}

// Reliable reports whether quantile q, in (0, 1], of n requests rests on enough of them: see gate.Needed.
func Reliable(q float64, n int64) bool { return n >= 0 && uint64(n) >= gate.Needed(q) }

// Percentile writes v, the figures' quantile q, for a person: a dash when no request was measured, and the number
// of requests beside it when they are too few for it.
func (f Figures) Percentile(q, v float64) string {
	s := f.Milliseconds(v)
	if !f.Empty() && !Reliable(q, f.Count) {
		s += fmt.Sprintf(" (of %s)", Plural(f.Count, "request"))
	}
	return s
}
