package group

import "github.com/seed-8025779b/shakedown/scenarios/spec"

// FailOpen is when a group stops to believe its checks: below a number or a share of healthy targets all of them
// take traffic, because too few can't carry it and checks may be wrong. Draining ones don't.
type FailOpen struct {
	Healthy int     // fewer healthy targets than this
	Share   float64 // or a smaller share of the members
}

// FailOpenParams describes it as a scenario writes it. The defaults are an application load balancer's; a share of
// 50% is Envoy's panic threshold.
func FailOpenParams() []spec.Param {
	return []spec.Param{
		{Name: "healthy", Type: spec.Count, Default: "1", Min: 0, Max: 1000, Doc: "below so many healthy targets all take traffic"},
		{Name: "share", Type: spec.Share, Default: "0%", Max: 1, Doc: "or below such a share of the members"},
	}
}

// NewFailOpen returns what the values describe.
func NewFailOpen(v spec.Values) *FailOpen { return &FailOpen{v.Int("healthy"), v.Float("share")} }

// opens decides for a number of healthy targets among the members.
func (f *FailOpen) opens(healthy, members int) bool {
	return f != nil && members > 0 && (healthy < f.Healthy || float64(healthy) < f.Share*float64(members))
}
