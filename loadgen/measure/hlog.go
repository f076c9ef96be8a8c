package measure

import (
	"io"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Log writes histograms in HdrHistogram's log format (.hlog), which its own tools plot over time.
type Log struct {
	w   *hdrhistogram.HistogramLogWriter
	err error
}

// NewLog begins a log of a run that began at start.
func NewLog(w io.Writer, start time.Time) *Log {
	l := &Log{w: hdrhistogram.NewHistogramLogWriter(w)}
	for _, step := range []func() error{
		func() error {
			return l.w.OutputComment("[response time of succeeded requests, in microseconds, by shakedown]")
		},
		l.w.OutputLogFormatVersion,
		func() error { return l.w.OutputStartTime(start.UnixMilli()) },
		func() error { return l.w.OutputBaseTime(0) },
		l.w.OutputLegend,
	} {
		if l.err == nil {
			l.err = step()
		}
	}
	return l
}

// Add writes the values of a window, which begins and ends at so many milliseconds. One without values is
// left out.
func (l *Log) Add(h *Hist, startMS, endMS float64) error {
	d := h.dense()
	if d == nil || l.err != nil {
		return l.err
	}
	d = hdrhistogram.Import(d.Export()) // the stamps are the copy's
	d.SetStartTimeMs(int64(startMS))
	d.SetEndTimeMs(int64(endMS))
	l.err = l.w.OutputIntervalHistogram(d)
	return l.err
}

// Err is the first error of writing.
func (l *Log) Err() error { return l.err }
