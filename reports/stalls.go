package reports

import "fmt"

// stallText says how long the load generator stood still or how many requests it was late with, what that concerns and
// what it can have changed; it is empty when it did neither.
func (r *Result) stallText() string {
	v := r.Validity
	if v.StalledRequests == 0 && len(v.Stalls) == 0 {
		return ""
	}
	judged := r.Totals.Planned - r.Totals.Cancelled // a cancelled request has no figure
	s := "The load generator itself was late with"
	if v.StalledMS > 0 {
		s = fmt.Sprintf("The load generator itself stood still for %s in all%s and delayed", Quantity(v.StalledMS, "ms"), v.drained(", took %s more to work off what had piled up meanwhile,"))
	}
	s += fmt.Sprintf(" %d of %d judged requests", v.StalledRequests, judged)
	if judged > 0 {
		s += fmt.Sprintf(" (%s)", percent(float64(v.StalledRequests)/float64(judged)))
	}
	if b := v.Bracket; b != nil {
		if lower, upper := Quantity(b.LowerMS, "ms"), Quantity(b.UpperMS, "ms"); lower != upper {
			s += fmt.Sprintf(". The %s of the response time lies between %s, without that time, and %s, as measured", percentileName(b.Percentile), lower, upper)
		}
	}
	return s + "."
}

// drained writes for how long requests that had piled up drained, in a text that has a place for it; nothing when none had.
func (v *Validity) drained(format string) string {
	if v.DrainedMS <= 0 {
		return ""
	}
	return fmt.Sprintf(format, Quantity(v.DrainedMS, "ms"))
}

// percentileName is what a percentile is called, such as p99.9 for 99.9.
func percentileName(percent float64) string { return fmt.Sprintf("p%.5g", percent) }
