package measure

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Range and precision of every histogram: 1 µs to 1 h at 3 significant digits. A dense one takes 184 KiB.
const (
	lowestMicros  = 1
	highestMicros = 3_600_000_000
	digits        = 3
)

// Hist is a histogram of durations. The zero Hist is empty; it allocates on the first Record.
type Hist struct {
	h *hdrhistogram.Histogram
}

// Record adds one duration; what lies outside the range counts at its nearer end.
func (h *Hist) Record(d time.Duration) {
	if h.h == nil {
		h.h = hdrhistogram.New(lowestMicros, highestMicros, digits)
	}
	// The value is clamped to the range, which is the only thing RecordValue refuses.
	_ = h.h.RecordValue(min(max(d.Microseconds(), lowestMicros), highestMicros))
}

// Merge adds another histogram's values exactly.
func (h *Hist) Merge(o *Hist) {
	if o == nil || o.h == nil {
		return
	}
	if h.h == nil {
		h.h = hdrhistogram.New(lowestMicros, highestMicros, digits)
	}
	h.h.Merge(o.h)
}

// Count is the number of values recorded.
func (h *Hist) Count() int64 {
	if h == nil || h.h == nil {
		return 0
	}
	return h.h.TotalCount()
}

// Quantile returns the value at quantile q in [0, 1]; 0 when the histogram is empty.
func (h *Hist) Quantile(q float64) time.Duration {
	if h.Count() == 0 {
		return 0
	}
	return time.Duration(h.h.ValueAtQuantile(q*100)) * time.Microsecond
}

// Max returns the largest value, to the histogram's precision.
func (h *Hist) Max() time.Duration {
	if h.Count() == 0 {
		return 0
	}
	return time.Duration(h.h.Max()) * time.Microsecond
}

// Mean returns the mean of the recorded values, to the histogram's precision.
func (h *Hist) Mean() time.Duration {
	if h.Count() == 0 {
		return 0
	}
	return time.Duration(h.h.Mean() * float64(time.Microsecond))
}

// Step is one point of a cumulative distribution: the share Q of values is at most Value.
type Step struct {
	Q     float64
	Value time.Duration
}

// Distribution returns the cumulative distribution, finer towards the tail.
func (h *Hist) Distribution() []Step {
	if h.Count() == 0 {
		return nil
	}
	var steps []Step
	for _, b := range h.h.CumulativeDistributionWithTicks(5) {
		steps = append(steps, Step{b.Quantile / 100, time.Duration(b.ValueAt) * time.Microsecond})
	}
	return steps
}

// pack returns the histogram in HdrHistogram's V2 compressed encoding, nil when it is empty.
func (h *Hist) pack() []byte {
	if h.Count() == 0 {
		return nil
	}
	b, err := h.h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		panic(fmt.Sprintf("measure: encode a histogram of our own: %v", err))
	}
	return b
}

func unpack(b []byte) (*Hist, error) {
	if len(b) == 0 {
		return &Hist{}, nil
	}
	h, err := hdrhistogram.Decode(b)
	if err != nil {
		return nil, fmt.Errorf("histogram: %w", err)
	}
	if h.LowestTrackableValue() != lowestMicros || h.HighestTrackableValue() != highestMicros || h.SignificantFigures() != digits {
		return nil, fmt.Errorf("histogram of another range: %d to %d, %d digits", h.LowestTrackableValue(), h.HighestTrackableValue(), h.SignificantFigures())
	}
	return &Hist{h: h}, nil
}

// MarshalJSON writes HdrHistogram's V2 compressed encoding, of microseconds, as text.
func (h Hist) MarshalJSON() ([]byte, error) { return json.Marshal(string(h.pack())) }

// UnmarshalJSON reads what MarshalJSON wrote.
func (h *Hist) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	got, err := unpack([]byte(s))
	if err != nil {
		return err
	}
	*h = *got
	return nil
}
