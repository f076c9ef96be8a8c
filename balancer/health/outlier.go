package health

import (
	"time"

	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// OutlierConfig is the passive detection of targets that fail real traffic.
type OutlierConfig struct {
	Consecutive int           // failures in a row that eject a target
	EjectFor    time.Duration // times the number of ejections so far
	MaxEjectFor time.Duration
	MaxEjected  float64 // share of the group that may be ejected at once; one target always may
}

// OutlierParams describes outlier detection as a scenario writes it. Back-off as in Envoy: ejection time
// × times ejected, up to 300 s.
func OutlierParams() []spec.Param {
	return []spec.Param{
		{Name: "consecutive", Type: spec.Count, Default: "5", Min: 1, Max: 1000, Doc: "failures in a row (no connection, reset, 5xx) that eject a target"},
		{Name: "eject_for", Type: spec.Duration, Default: "10s", Min: .01, Max: 3600, Doc: "how long the first ejection lasts; the n-th lasts n times as long"},
		{Name: "max_eject_for", Type: spec.Duration, Default: "300s", Min: .01, Max: 3600, Doc: "the longest ejection"},
		{Name: "max_ejected", Type: spec.Share, Default: "50%", Min: 0, Max: 1, Doc: "share of the group that may be ejected at once; one target always may"},
	}
}

// NewOutliers returns the detection that the values describe.
func NewOutliers(v spec.Values) *OutlierConfig {
	return &OutlierConfig{v.Int("consecutive"), v.Duration("eject_for"), v.Duration("max_eject_for"), v.Float("max_ejected")}
}

// MayEject reports whether one more of a group's targets may be ejected.
func (c *OutlierConfig) MayEject(ejected, size int) bool {
	return ejected == 0 || float64(ejected+1) <= c.MaxEjected*float64(size)
}

// Outlier counts a target's failures in a row.
type Outlier struct {
	fails, times int
}

// Observe counts an exchange; it reports whether the target should be ejected, and for how long.
func (o *Outlier) Observe(c *OutlierConfig, ok bool) (eject bool, d time.Duration) {
	if ok {
		o.fails = 0
		return false, 0
	}
	o.fails++
	return o.fails >= c.Consecutive, min(c.EjectFor*time.Duration(o.times+1), c.MaxEjectFor)
}

// Failing reports whether the latest exchange failed.
func (o *Outlier) Failing() bool { return o.fails > 0 }

// Ejected notes that the target was ejected.
func (o *Outlier) Ejected() { o.times++; o.fails = 0 }
