package health

import (
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// OutlierConfig is the passive detection of targets that fail real traffic.
type OutlierConfig struct {
	Consecutive int           // failures in a row that eject a target
	Gateway     int           // of them: no answer, or 502, 503 or 504; 0: not looked at apart
	EjectFor    time.Duration // times the number of ejections so far
	MaxEjectFor time.Duration
	MaxEjected  float64 // share of the group that may be ejected at once; one target always may

	// SuccessRate is how many standard deviations below the mean of the group a target's share of successes may be; 0: not
	// looked at. It is compared every Interval, among targets with at least Requests in it, when there are at least Hosts.
	SuccessRate     float64
	Interval        time.Duration
	Requests, Hosts int
}

// OutlierParams describes outlier detection as a scenario writes it. Back-off and success rates are Envoy's: ejection
// time × times ejected, up to 300 s; 1.9 standard deviations, 10 s, 100 requests, 5 targets.
func OutlierParams() []spec.Param {
	return []spec.Param{
		{Name: "consecutive", Type: spec.Count, Default: "5", Min: 1, Max: 1000, Doc: "failures in a row (no connection, reset, 5xx) that eject a target"},
		{Name: "gateway", Type: spec.Count, Max: 1000, Doc: "failures in a row that are no answer at all, or 502, 503 or 504, that eject a target"},
		{Name: "eject_for", Type: spec.Duration, Default: "10s", Min: .01, Max: 3600, Doc: "how long the first ejection lasts; the n-th lasts n times as long"},
		{Name: "max_eject_for", Type: spec.Duration, Default: "300s", Min: .01, Max: 3600, Doc: "the longest ejection"},
		{Name: "max_ejected", Type: spec.Share, Default: "50%", Min: 0, Max: 1, Doc: "share of the group that may be ejected at once; one target always may"},
		{Name: "success_rate", Type: spec.Number, Max: 10, Doc: "standard deviations below the group's mean share of successes at which a target is ejected, such as 1.9; not looked at without it"},
		{Name: "interval", Type: spec.Duration, Default: "10s", Min: .01, Max: 3600, Doc: "between two comparisons of success rates"},
		{Name: "requests", Type: spec.Count, Default: "100", Min: 1, Max: 1e6, Doc: "a target with fewer in an interval is not compared"},
		{Name: "hosts", Type: spec.Count, Default: "5", Min: 2, Max: 1000, Doc: "with fewer targets to compare none is ejected for its success rate"},
	}
}

// NewOutliers returns the detection that the values describe.
func NewOutliers(v spec.Values) *OutlierConfig {
	return &OutlierConfig{
		v.Int("consecutive"), v.Int("gateway"), v.Duration("eject_for"), v.Duration("max_eject_for"), v.Float("max_ejected"),
		v.Float("success_rate"), v.Duration("interval"), v.Int("requests"), v.Int("hosts"),
	}
}

// MayEject reports whether one more of a group's targets may be ejected.
func (c *OutlierConfig) MayEject(ejected, size int) bool {
	return ejected == 0 || float64(ejected+1) <= c.MaxEjected*float64(size)
}

// Outlier counts a target's failures.
type Outlier struct {
	fails, gateway, times int
	good, bad             atomic.Int64 // since the last comparison
}

// Observe counts an exchange; it says why the target should be ejected, "" when it should not. gateway says that a failed
// one was no answer of the target's own.
func (o *Outlier) Observe(c *OutlierConfig, failed, gateway bool) string {
	if !failed {
		o.fails, o.gateway = 0, 0
		return ""
	}
	o.fails++
	if o.gateway++; !gateway {
		o.gateway = 0
	}
	switch {
	case o.fails >= c.Consecutive:
		return fmt.Sprintf("%d failures in a row", o.fails)
	case c.Gateway > 0 && o.gateway >= c.Gateway:
		return fmt.Sprintf("%d gateway failures in a row", o.gateway)
	}
	return ""
}

// Count takes an exchange in for the comparison of success rates. It may be called from any goroutine.
func (o *Outlier) Count(ok, neither bool) {
	switch {
	case neither:
	case ok:
		o.good.Add(1)
	default:
		o.bad.Add(1)
	}
}

// Failing reports whether the latest exchange failed.
func (o *Outlier) Failing() bool { return o.fails > 0 }

// Ejected notes that the target was ejected, and returns for how long.
func (o *Outlier) Ejected(c *OutlierConfig) time.Duration {
	o.times++
	o.fails, o.gateway = 0, 0
	return min(c.EjectFor*time.Duration(o.times), c.MaxEjectFor)
}

// Compare says of each target why its share of successes since the last comparison is too low, "" when it is not.
func (c *OutlierConfig) Compare(targets []*Outlier) []string {
	out, rates := make([]string, len(targets)), make([]float64, len(targets))
	n, sum, squares := 0, 0.0, 0.0
	for i, o := range targets {
		good, bad := float64(o.good.Swap(0)), float64(o.bad.Swap(0))
		if rates[i] = -1; good+bad >= float64(c.Requests) {
			rates[i] = good / (good + bad)
			n, sum = n+1, sum+rates[i]
		}
	}
	if n < c.Hosts {
		return out
	}
	mean := sum / float64(n)
	for _, r := range rates {
		if r >= 0 {
			squares += (r - mean) * (r - mean)
		}
	}
	limit := mean - c.SuccessRate*math.Sqrt(squares/float64(n))
	for i, r := range rates {
		if r >= 0 && r < limit {
			out[i] = fmt.Sprintf("%.1f%% of its requests succeeded, the group's limit is %.1f%%", 100*r, 100*limit)
		}
	}
	return out
}
