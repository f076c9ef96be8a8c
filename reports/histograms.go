package reports

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
)

// WriteHgrm writes the percentile distribution of the response time in milliseconds, as HdrHistogram's own
// tools print and plot it.
func WriteHgrm(w io.Writer, r *Result) error { return r.Histograms.Response.WritePercentiles(w) }

// WriteHlog writes the response time's histogram of each window in HdrHistogram's log format: stamps in
// seconds since the load began, values in microseconds. Windows of discarded phases are left out.
func WriteHlog(w io.Writer, r *Result) error {
	l := measure.NewLog(w, r.Environment.StartedAt)
	for i := range r.Windows {
		p := &r.Windows[i]
		if p.Discarded {
			continue
		}
		if err := l.Add(&p.Histograms.Response, p.StartMS, p.EndMS); err != nil {
			return err
		}
	}
	return l.Err()
}

// WriteCSV writes a line a window: counts, rates and percentiles of the requests that were due in it, and how many
// ended in it. What did not happen, or is not known, is empty.
func WriteCSV(w io.Writer, r *Result) error {
	c := csv.NewWriter(w)
	if err := c.Write([]string{
		"start_ms", "end_ms", "planned", "sent", "succeeded", "failed", "dropped", "cancelled",
		"planned_rate", "succeeded_rate", "p50_ms", "p90_ms", "p99_ms", "p999_ms", "max_ms", "service_p99_ms", "lag_p99_ms",
		"p95_ms", "ended_succeeded", "ended_failed", "ended_dropped", "reconnects",
	}); err != nil {
		return err
	}
	number := func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
	known := func(v float64, empty bool) string {
		if empty {
			return ""
		}
		return number(v)
	}
	for _, p := range r.Windows {
		row := []string{number(p.StartMS), number(p.EndMS)}
		for _, n := range []uint64{p.Totals.Planned, p.Totals.Sent, p.Totals.Succeeded, p.Totals.Failed, p.Totals.Dropped, p.Totals.Cancelled} {
			row = append(row, fmt.Sprint(n))
		}
		row = append(row, number(p.Rates.Planned), number(p.Rates.Succeeded))
		l := p.Latency.Response
		for _, v := range []float64{l.P50, l.P90, l.P99, l.P999, l.Max, p.Latency.Service.P99} {
			row = append(row, known(v, l.Empty()))
		}
		row = append(row, known(p.Lag.P99, p.Lag.Empty()), known(l.P95, l.Empty()))
		if e := p.Ended; e != nil {
			row = append(row, fmt.Sprint(e.Succeeded), fmt.Sprint(e.Failed), fmt.Sprint(e.Dropped))
		} else {
			row = append(row, "", "", "")
		}
		row = append(row, fmt.Sprint(p.Totals.Reconnects))
		if err := c.Write(row); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}
