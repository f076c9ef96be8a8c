package reports

import (
	"fmt"
	"strings"

	"github.com/seed-8025779b/shakedown/reports/html"
)

// instant writes an instant that may be absent.
func instant(v *float64) html.Cell {
	if v == nil {
		return html.Num(Dash)
	}
	return html.Num(at(*v))
}

// elapsed writes a time that may be absent.
func elapsed(v *float64) html.Cell {
	if v == nil {
		return html.Num(Dash)
	}
	return html.Num(Quantity(*v, "ms"))
}

func faultsSection(r *Result) html.Section {
	times := &html.Table{Head: []string{"fault", "kind", "target", "injected", "ended", "affected", "detected", "ejected", "last request routed", "recovered", "recovery after the fault ended"}}
	for i := range r.Faults {
		f := &r.Faults[i]
		recovered, residual := elapsed(f.RecoverMS), elapsed(f.ResidualMS)
		if f.RecoverMS != nil && *f.RecoverMS == 0 {
			recovered, residual = html.Num("objective did not break"), html.Num(Dash)
		}
		times.Rows = append(times.Rows, []html.Cell{
			html.Text(f.ID), html.Text(f.Kind), html.Text(strings.Join(f.Targets, ", ")), instant(f.InjectedMS), instant(f.RevertedMS), html.Num(count(f.Hits)),
			elapsed(f.DetectMS), elapsed(f.EjectMS), elapsed(f.LastRoutedMS), recovered, residual,
		})
	}
	s := html.Section{
		ID: "faults", Title: "Faults",
		Text: []string{
			"Times count from the injection. Affected: exchanges, probes or processes that the fault touched. Detected: the balancer saw the first failed check or request. Ejected: the last of its targets was taken out of service. Recovered: the scenario's objective held again. A dash: it did not happen.",
		},
		Blocks: []html.Block{{Table: times}},
	}
	if t := faultRequests(r); len(t.Rows) > 0 {
		s.Blocks = append(s.Blocks, html.Block{Table: t})
		s.Text = append(s.Text, "Requests of a fault were due from its injection to the recovery, or were under way at the injection and failed by it. Charged: failed because of this fault and of no other. Expected: would have failed anyway, by the error rate outside all faults. Lost: charged less expected.")
	}
	return s
}

// faultRequests tells what each fault cost.
func faultRequests(r *Result) *html.Table {
	m := r.remarks()
	t := &html.Table{Head: []string{"fault", "requests", "error rate", "p50", "p99", "max", "succeeded", "charged", "expected", "lost"}}
	for i := range r.Faults {
		f := &r.Faults[i]
		row := []html.Cell{html.Text(f.ID)}
		if w := f.Window; w != nil {
			l := w.Latency.Response
			row = append(row, html.Num(count(w.Totals.Planned)), html.Num(w.Totals.errorRate()),
				html.Num(m.percentile(l, .5, l.P50)), html.Num(m.percentile(l, .99, l.P99)), html.Num(m.max(l)), html.Num(count(w.Totals.Succeeded)),
				html.Num(count(f.Charged)), html.Num(fmt.Sprintf("%.1f", f.Expected)))
		} else { // older versions told only what was lost
			for len(row) < len(t.Head)-1 {
				row = append(row, html.Num(Dash))
			}
		}
		t.Rows = append(t.Rows, append(row, html.Num(fmt.Sprintf("%.1f", f.Lost))))
	}
	t.Notes = m.notes("succeeded")
	return t
}
