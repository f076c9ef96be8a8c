package reports

import (
	"fmt"

	"github.com/seed-8025779b/shakedown/reports/chart"
)

// timeFigure is a figure over the run's time, with the stretches in which the load generator stood still, and the
// faults.
func timeFigure(r *Result, title string, unit chart.Unit) *chart.Figure {
	length := r.DurationMS // a run that was stopped shows what took place, as large as can be
	if length <= 0 {
		length = max(r.PlannedMS, 1)
	}
	f := &chart.Figure{Title: title, Unit: unit, XUnit: chart.Seconds, XMax: length / 1000}
	f.Bands = append(stallBands(r), faultBands(r)...)
	return f
}

// stallCauses is what a band says of why the load generator stood still.
var stallCauses = map[string]string{"paused": "load generator paused", "throttled": "load generator throttled"}

// stallBands are the stretches in which the load generator itself stood still or what had piled up meanwhile drained:
// what the figures show there is not the system's doing alone. Those of one cause share a band.
func stallBands(r *Result) (out []chart.Band) {
	byCause, caughtUp, ran := map[string]int{}, map[int]bool{}, map[int]bool{}
	for _, s := range r.Validity.Stalls {
		label, known := stallCauses[s.Cause]
		if !known {
			label = "load generator stood still"
		}
		i, there := byCause[label]
		if !there {
			i = len(out)
			byCause[label] = i
			out = append(out, chart.Band{Label: label, Inks: chart.Stalled})
		}
		caughtUp[i] = caughtUp[i] || s.ResumedMS > 0 && s.ToMS > s.ResumedMS // older versions do not tell
		ran[i] = ran[i] || s.RanMS > 0
		out[i].Spans = append(out[i].Spans, chart.Span{From: s.FromMS / 1000, To: s.ToMS / 1000})
	}
	for i := range out {
		if caughtUp[i] {
			out[i].Label += " or catching up"
		}
		if ran[i] {
			out[i].Label += " now and then"
		}
		if n := len(out[i].Spans); n > 1 {
			out[i].Label += fmt.Sprintf(", %d times", n)
		}
	}
	return out
}

func faultBands(r *Result) (out []chart.Band) {
	for i, x := range r.Faults {
		if x.InjectedMS == nil {
			continue
		}
		end := r.DurationMS
		if x.RevertedMS != nil {
			end = *x.RevertedMS
		}
		out = append(out, chart.Band{Label: x.ID, Inks: chart.BandColor(i), Spans: []chart.Span{{From: *x.InjectedMS / 1000, To: end / 1000}}})
	}
	return out
}
