package reports

import (
	"strconv"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
)

// MS is a duration in milliseconds, to the nanosecond.
func MS(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// MSPtr is MS for times that may be absent.
func MSPtr(d *time.Duration) *float64 {
	if d == nil {
		return nil
	}
	v := MS(*d)
	return &v
}

// FiguresOf summarises a histogram.
func FiguresOf(h *measure.Hist) Figures {
	h = h.Dense()
	return Figures{
		Mean: MS(h.Mean()), P50: MS(h.Quantile(.5)), P90: MS(h.Quantile(.9)), P95: MS(h.Quantile(.95)),
		P99: MS(h.Quantile(.99)), P999: MS(h.Quantile(.999)), Max: MS(h.Max()), Count: h.Count(),
	}
}

// PartsOf summarises the parts of exchanges.
func PartsOf(g *measure.Parts) *Parts {
	out := &Parts{
		Wait: FiguresOf(&g.Wait), Connect: FiguresOf(&g.Connect), TLS: FiguresOf(&g.TLS), FirstByte: FiguresOf(&g.FirstByte),
		Histograms: PartHistograms{g.Wait, g.Connect, g.TLS, g.FirstByte},
	}
	for _, h := range []*measure.Hist{&out.Histograms.Wait, &out.Histograms.Connect, &out.Histograms.TLS, &out.Histograms.FirstByte} {
		h.Pack()
	}
	return out
}

// LagOf summarises the generator's lateness.
func LagOf(h *measure.Hist) Lag {
	h = h.Dense()
	return Lag{P50: MS(h.Quantile(.5)), P99: MS(h.Quantile(.99)), Max: MS(h.Max())}
}

// PeriodOf makes a period from its tally. planned is what the schedule asked for, counted apart from what became
// of it.
func PeriodOf(name string, start, end time.Duration, t *measure.Tally, planned uint64) Period {
	all := t.All()
	p := Period{
		Name: name, StartMS: MS(start), EndMS: MS(end),
		Totals: Totals{
			Planned: planned, Sent: t.Sent(), Succeeded: t.Succeeded, Failed: t.Failed, Dropped: t.Dropped, Cancelled: t.Cancelled,
			Attempts: t.Attempts, Retries: t.Retries, Reconnects: t.Reconnects,
		},
		Rates:      RatesOf(t, planned, end-start),
		Latency:    Latency{FiguresOf(&t.Response), FiguresOf(&t.Service), FiguresOf(all)},
		Lag:        LagOf(&t.Lag),
		Errors:     classes(t.Errors),
		Retried:    classes(t.Retried),
		Histograms: Histograms{t.Response, t.Service, *all},
	}
	for _, h := range []*measure.Hist{&p.Histograms.Response, &p.Histograms.Service, &p.Histograms.All} {
		h.Pack()
	}
	return p
}

// RatesOf is what was planned, offered and succeeded a second in a stretch; there are none when it has no length.
func RatesOf(t *measure.Tally, planned uint64, length time.Duration) Rates {
	seconds := length.Seconds()
	if seconds <= 0 {
		return Rates{}
	}
	return Rates{float64(planned) / seconds, float64(t.Offered) / seconds, float64(t.Within) / seconds}
}

// WindowOf makes a window of a bin: the requests due in it, and apart from them those that ended in it. Its
// succeeded rate is of the latter, since a window may be shorter than a response takes. Of its histograms only
// that of the response time travels with the result; the others are in the phases.
func WindowOf(name string, b *measure.Bin) Period {
	p := PeriodOf(name, b.Start, b.End, &b.Due, b.Planned)
	p.Histograms.Service, p.Histograms.All = measure.Hist{}, measure.Hist{}
	p.Rates.Succeeded = float64(b.Ended.Succeeded) / (b.End - b.Start).Seconds()
	p.Ended = &Ended{
		Succeeded: b.Ended.Succeeded, Failed: b.Ended.Failed, Dropped: b.Ended.Dropped,
		Response: FiguresOf(&b.Ended.Response), Errors: classes(b.Ended.Errors), Histogram: b.Ended.Response,
	}
	return p
}

// StatusesOf is the answers by HTTP status.
func StatusesOf(t *measure.Tally) map[string]uint64 {
	m := map[string]uint64{}
	for _, x := range t.Statuses {
		m[strconv.Itoa(x.Status)] = x.N
	}
	return m
}

// BytesOf is the sizes of bodies.
func BytesOf(t *measure.Tally) Bytes { return Bytes{In: t.BytesIn, Out: t.BytesOut} }

// classes is counts by class of failure.
func classes(counts map[measure.Class]uint64) map[string]uint64 {
	m := map[string]uint64{}
	for c, n := range counts {
		m[string(c)] = n
	}
	return m
}
