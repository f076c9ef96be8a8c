package measure

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Range and precision of every histogram: 1 µs to 1 h at 3 significant digits. A dense one takes 184 KiB.
const (
	lowestMicros  = 1
	highestMicros = 3_600_000_000
	digits        = 3
)

// maxFew is how many values a histogram that is not dense keeps one by one before it becomes so: bins are narrow, and
// few requests end in most of them, or late.
const maxFew = 64

// Hist is a histogram of durations. The zero Hist is empty; it allocates on the first Record. While more than a few
// values come in it is dense, 184 KiB, and some hundred bytes once packed. Reading one that is not dense works on a
// dense copy, so whoever reads much of it calls Dense first.
type Hist struct {
	h      *hdrhistogram.Histogram
	packed []byte   // HdrHistogram's V2 compressed encoding, when h is nil
	few    []uint32 // further values, in microseconds, when h is nil
}

// Record adds one duration; what lies outside the range counts at its nearer end.
func (h *Hist) Record(d time.Duration) {
	h.record(uint32(min(max(d.Microseconds(), lowestMicros), highestMicros)))
}

// record adds a value in the range, which is the only one that RecordValue does not refuse.
func (h *Hist) record(micros uint32) {
	if h.h == nil && len(h.few) < maxFew {
		h.few = append(h.few, micros)
		return
	}
	h.open()
	_ = h.h.RecordValue(int64(micros))
}

// open makes the histogram dense.
func (h *Hist) open() {
	if h.h == nil {
		h.h, h.packed, h.few = h.dense(), nil, nil
	}
	if h.h == nil {
		h.h = hdrhistogram.New(lowestMicros, highestMicros, digits)
	}
}

// dense returns the values in dense form without keeping it; nil when there are none.
func (h *Hist) dense() *hdrhistogram.Histogram {
	d := h.kept()
	if h == nil || len(h.few) == 0 {
		return d
	}
	if d == nil {
		d = hdrhistogram.New(lowestMicros, highestMicros, digits)
	}
	for _, v := range h.few {
		_ = d.RecordValue(int64(v))
	}
	return d
}

// kept returns the values in dense form but for those that are kept one by one; nil when there are none.
func (h *Hist) kept() *hdrhistogram.Histogram {
	switch {
	case h == nil:
		return nil
	case h.h != nil || h.packed == nil:
		return h.h
	}
	d, err := decode(h.packed)
	if err != nil {
		panic("measure: decode a histogram that was checked: " + err.Error())
	}
	return d
}

// clone returns a copy that shares nothing that changes.
func (h *Hist) clone() Hist {
	if h.h == nil {
		return Hist{packed: h.packed, few: slices.Clone(h.few)}
	}
	return Hist{h: hdrhistogram.Import(h.h.Export())}
}

// Dense returns the histogram in dense form, for a row of questions.
func (h *Hist) Dense() *Hist { return &Hist{h: h.dense()} }

// Pack puts the histogram into its packed form, unless a few values are as small.
func (h *Hist) Pack() {
	if h.h == nil {
		return
	}
	if h.h.TotalCount() == 0 {
		h.h = nil
		return
	}
	b, err := h.h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		panic(fmt.Sprintf("measure: encode a histogram of our own: %v", err))
	}
	h.h, h.packed = nil, b
}

// Merge adds another histogram's values exactly.
func (h *Hist) Merge(o *Hist) {
	for _, v := range o.few {
		h.record(v)
	}
	d := o.kept()
	if d == nil {
		return
	}
	h.open()
	h.h.Merge(d)
}

// Count is the number of values recorded.
func (h *Hist) Count() int64 {
	if h != nil && h.h == nil && h.packed == nil {
		return int64(len(h.few))
	}
	if d := h.dense(); d != nil {
		return d.TotalCount()
	}
	return 0
}

// Rank is the nearest rank of a quantile among n values: the least number of them that is a share of q.
func Rank(q float64, n int64) int64 {
	const rounding = 1e-9 // 0.99 · 100 is 99, whatever floats make of it
	return min(max(int64(math.Ceil(q*float64(n)-rounding)), 1), n)
}

// Quantile returns the value of quantile q's nearest rank, for q in [0, 1]; 0 when the histogram is empty.
func (h *Hist) Quantile(q float64) time.Duration {
	d := h.dense()
	if d == nil || d.TotalCount() == 0 {
		return 0
	}
	// HdrHistogram rounds to the nearest number of values, which may be one less than a share of q: it is asked for
	// the rank itself.
	n := d.TotalCount()
	return time.Duration(d.ValueAtQuantile(100*float64(Rank(q, n))/float64(n))) * time.Microsecond
}

// Max returns the largest value, to the histogram's precision.
func (h *Hist) Max() time.Duration {
	if d := h.dense(); d != nil {
		return time.Duration(d.Max()) * time.Microsecond
	}
	return 0
}

// Mean returns the mean of the recorded values, to the histogram's precision.
func (h *Hist) Mean() time.Duration {
	if d := h.dense(); d != nil && d.TotalCount() > 0 {
		return time.Duration(d.Mean() * float64(time.Microsecond))
	}
	return 0
}

// Step is one point of a cumulative distribution: the share Q of values is at most Value.
type Step struct {
	Q     float64
	Value time.Duration
}

// Distribution returns the cumulative distribution, finer towards the tail.
func (h *Hist) Distribution() []Step {
	d := h.dense()
	if d == nil {
		return nil
	}
	var steps []Step
	for _, b := range d.CumulativeDistributionWithTicks(ticksPerHalfDistance) {
		steps = append(steps, Step{b.Quantile / 100, time.Duration(b.ValueAt) * time.Microsecond})
	}
	return steps
}

// ticksPerHalfDistance is the resolution of HdrHistogram's printed distributions; its tools' default.
const ticksPerHalfDistance = 5

// WritePercentiles prints the distribution in milliseconds, in HdrHistogram's .hgrm format.
func (h *Hist) WritePercentiles(w io.Writer) error {
	d := h.dense()
	if d == nil {
		d = hdrhistogram.New(lowestMicros, highestMicros, digits)
	}
	_, err := d.PercentilesPrint(w, ticksPerHalfDistance, float64(time.Millisecond/time.Microsecond))
	return err
}

// AtMost returns how many values are at most each of the bounds.
func (h *Hist) AtMost(bounds []time.Duration) []uint64 {
	out := make([]uint64, len(bounds))
	d := h.dense()
	if d == nil || d.TotalCount() == 0 {
		return out
	}
	all, largest := uint64(d.TotalCount()), d.ValueAtQuantile(100)
	beyond := false
	for i, b := range bounds {
		if out[i] = all; largest > b.Microseconds() {
			beyond = true
		}
	}
	if !beyond { // as in nearly every bin of a healthy run; the distribution takes its time
		return out
	}
	clear(out)
	for _, b := range d.Distribution() {
		if b.Count == 0 {
			continue
		}
		for i := range bounds {
			if b.To <= bounds[i].Microseconds() {
				out[i] += uint64(b.Count)
			}
		}
	}
	return out
}

// decode reads HdrHistogram's encoding and checks that the range is ours.
func decode(b []byte) (*hdrhistogram.Histogram, error) {
	h, err := hdrhistogram.Decode(b)
	if err != nil {
		return nil, fmt.Errorf("histogram: %w", err)
	}
	if h.LowestTrackableValue() != lowestMicros || h.HighestTrackableValue() != highestMicros || h.SignificantFigures() != digits {
		return nil, fmt.Errorf("histogram of another range: %d to %d, %d digits", h.LowestTrackableValue(), h.HighestTrackableValue(), h.SignificantFigures())
	}
	return h, nil
}

// MarshalJSON writes HdrHistogram's V2 compressed encoding, of microseconds, as text.
func (h Hist) MarshalJSON() ([]byte, error) {
	h.open() // the copy
	h.Pack()
	return json.Marshal(string(h.packed))
}

// UnmarshalJSON reads what MarshalJSON wrote, and keeps it packed.
func (h *Hist) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	*h = Hist{}
	if s == "" {
		return nil
	}
	if _, err := decode([]byte(s)); err != nil {
		return err
	}
	h.packed = []byte(s)
	return nil
}
