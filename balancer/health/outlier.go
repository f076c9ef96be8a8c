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
	On          string        // what is a failure: OnError or OnServerError
	Gateway     int           // of them: no answer, or 502, 503 or 504; 0: not looked at apart
	EjectFor    time.Duration // times the number of ejections that are remembered: see Outlier.Ejected
	MaxEjectFor time.Duration
	MaxEjected  float64 // share of the group that may be ejected at once; one target always may
	Sole        bool    // the last target that takes traffic may be ejected too: see MayEject

	// SuccessRate is how many standard deviations below the mean of the group a target's share of successes may be; 0: not
	// looked at. It is compared every Interval, among targets with at least Requests in it, when there are at least Hosts.
	// Each Interval without an ejection also makes a target's next ejection shorter.
	SuccessRate     float64
	Interval        time.Duration
	Requests, Hosts int
}

// What counts as a failure of a target's.
const (
	OnError       = "error" // no answer: no connection, a reset, none in time
	OnServerError = "5xx"   // that, and answers of 5xx
)

// OutlierParams describes outlier detection as a scenario writes it. Back-off and success rates are Envoy's: ejection
// time × times ejected, up to 300 s, and one time less after each interval of 10 s without an ejection; 1.9 standard
// deviations, 100 requests, 5 targets.
func OutlierParams() []spec.Param {
	return []spec.Param{
		{Name: "consecutive", Type: spec.Count, Default: "5", Min: 1, Max: 1000, Doc: "failures in a row that eject a target"},
		{Name: "on", Type: spec.Text, Default: OnServerError, Enum: []string{OnError, OnServerError}, Doc: "what counts as a failure: no answer (error), or an answer of 5xx too"},
		{Name: "gateway", Type: spec.Count, Max: 1000, Doc: "failures in a row that are no answer at all, or 502, 503 or 504, that eject a target"},
		{Name: "eject_for", Type: spec.Duration, Default: "10s", Min: .01, Max: 3600, Doc: "how long the first ejection lasts; the n-th lasts n times as long, where each interval without an ejection counts one less"},
		{Name: "max_eject_for", Type: spec.Duration, Default: "300s", Min: .01, Max: 3600, Doc: "the longest ejection"},
		{Name: "max_ejected", Type: spec.Share, Default: "50%", Min: 0, Max: 1, Doc: "share of the group that may be ejected at once; one target always may"},
		{Name: "sole", Type: spec.Bool, Default: "false", Doc: "eject a target even when no other one takes traffic; without it the last one stays in service"},
		{Name: "success_rate", Type: spec.Number, Max: 10, Doc: "standard deviations below the group's mean share of successes at which a target is ejected, such as 1.9; not looked at without it"},
		{Name: "interval", Type: spec.Duration, Default: "10s", Min: .01, Max: 3600, Doc: "between two comparisons of success rates, and after which an ejection less is remembered"},
		{Name: "requests", Type: spec.Count, Default: "100", Min: 1, Max: 1e6, Doc: "a target with fewer in an interval is not compared"},
		{Name: "hosts", Type: spec.Count, Default: "5", Min: 2, Max: 1000, Doc: "with fewer targets to compare none is ejected for its success rate"},
	}
}

// NewOutliers returns the detection that the values describe.
func NewOutliers(v spec.Values) *OutlierConfig {
	return &OutlierConfig{
		v.Int("consecutive"), v.Text("on"), v.Int("gateway"), v.Duration("eject_for"), v.Duration("max_eject_for"), v.Float("max_ejected"), v.Bool("sole"),
		v.Float("success_rate"), v.Duration("interval"), v.Int("requests"), v.Int("hosts"),
	}
}

// MayEject reports whether one more of a group's targets may be ejected: others is how many targets would still take
// traffic, ejected how many are ejected already, size how many the group has.
//
// The last target that takes traffic stays, whether it is the group's only one or the others are ejected, unhealthy or in
// maintenance: some of its requests may still succeed, and without it none would. nginx never takes a group's only server
// out, though it does take out the last of several. Envoy ejects none beyond max_ejection_percent, unless
// always_eject_one_host is set, and its panic threshold sends traffic to ejected hosts when too few are left. With Sole the
// last one may be ejected. Active checks take it out in any case.
func (c *OutlierConfig) MayEject(others, ejected, size int) bool {
	if others == 0 && !c.Sole {
		return false
	}
	return ejected == 0 || float64(ejected+1) <= c.MaxEjected*float64(size)
}

// Outlier counts a target's failures.
type Outlier struct {
	fails, gateway int
	times          int           // ejections that are remembered
	since          time.Duration // when the latest ejection ended
	good, bad      atomic.Int64  // since the last comparison
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

// Ejected notes that the target is ejected now, and returns for how long: EjectFor times the ejections that are
// remembered, this one included, and MaxEjectFor at most. One ejection is forgotten for each Interval since the latest
// one ended. What the longest ejection makes no longer is not counted.
func (o *Outlier) Ejected(c *OutlierConfig, now time.Duration) time.Duration {
	if c.Interval > 0 && now > o.since {
		o.times = int(max(0, time.Duration(o.times)-(now-o.since)/c.Interval))
	}
	if c.EjectFor*time.Duration(o.times) < c.MaxEjectFor {
		o.times++
	}
	o.fails, o.gateway = 0, 0
	return min(c.EjectFor*time.Duration(o.times), c.MaxEjectFor)
}

// Returned notes that an ejection has ended.
func (o *Outlier) Returned(now time.Duration) { o.since = now }

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
