package reports

import "fmt"

// stallText says how long the load generator stood still, what that concerns and what it can have changed; it is
// empty when it did not.
func (r *Result) stallText() string {
	v := r.Validity
	if v.StalledRequests == 0 && len(v.Stalls) == 0 {
		return ""
	}
	s := fmt.Sprintf("The load generator itself stood still for %s in all and delayed %d of %d judged requests", Quantity(v.StalledMS, "ms"), v.StalledRequests, r.Totals.Planned)
	if r.Totals.Planned > 0 {
		s += fmt.Sprintf(" (%s)", percent(float64(v.StalledRequests)/float64(r.Totals.Planned)))
	}
	if b := v.Bracket; b != nil && b.LowerMS != b.UpperMS {
		s += fmt.Sprintf(". The %s of the response time lies between %s, without that time, and %s, as measured", percentileName(b.Percentile), Quantity(b.LowerMS, "ms"), Quantity(b.UpperMS, "ms"))
	}
	return s + "."
}

// percentileName is what a percentile is called, such as p99.9 for 99.9.
func percentileName(percent float64) string { return fmt.Sprintf("p%.5g", percent) }
