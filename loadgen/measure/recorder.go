package measure

import (
	"sort"
	"time"
)

// maxWindows bounds the windows a recorder keeps: beyond it neighbours merge and the width doubles.
const maxWindows = 600

// Recorder keeps marginals of samples by phase, by window and by request name, never their cross
// product. A sample belongs to the phase and window it was due in. A Recorder is for one goroutine.
type Recorder struct {
	ends     []time.Duration // of the phases
	phases   []*Tally
	parts    []*Parts // by phase
	requests map[string]*Tally
	examples map[Class]string

	width   time.Duration
	windows map[int]*Tally
}

// NewRecorder returns a recorder for phases that end at the given times, in order, with windows of the
// given width.
func NewRecorder(phaseEnds []time.Duration, width time.Duration) *Recorder {
	r := &Recorder{
		ends: phaseEnds, width: width,
		requests: map[string]*Tally{}, examples: map[Class]string{}, windows: map[int]*Tally{},
	}
	for range phaseEnds {
		r.phases, r.parts = append(r.phases, &Tally{}), append(r.parts, &Parts{})
	}
	return r
}

// PhaseAt returns the index of the phase that a due time belongs to; the last phase takes what is beyond.
func (r *Recorder) PhaseAt(due time.Duration) int {
	return min(sort.Search(len(r.ends), func(i int) bool { return due < r.ends[i] }), len(r.ends)-1)
}

// Add counts a sample.
func (r *Recorder) Add(s *Sample) {
	phase := r.PhaseAt(s.Due)
	r.phases[phase].Add(s)
	r.parts[phase].Add(s)
	r.window(s.Due).Add(s)
	byName, ok := r.requests[s.Request]
	if !ok {
		byName = &Tally{}
		r.requests[s.Request] = byName
	}
	byName.Add(s)
	if s.Class != "" && s.Detail != "" {
		if _, ok := r.examples[s.Class]; !ok {
			r.examples[s.Class] = s.Detail
		}
	}
}

func (r *Recorder) window(due time.Duration) *Tally {
	for due >= maxWindows*r.width {
		r.widen()
	}
	i := int(due / r.width)
	t, ok := r.windows[i]
	if !ok {
		t = &Tally{}
		r.windows[i] = t
	}
	return t
}

// Close packs the windows that end at or before t and got no sample since the last call. A later sample
// opens its window again; those that a slow system still answers requests of stay open.
func (r *Recorder) Close(t time.Duration) {
	for i, w := range r.windows {
		if time.Duration(i+1)*r.width <= t && !w.touched {
			w.Pack()
		}
		w.touched = false
	}
}

// Finish packs every window: no sample is to come.
func (r *Recorder) Finish() {
	for _, w := range r.windows {
		w.Pack()
	}
}

func (r *Recorder) widen() {
	merged := map[int]*Tally{}
	for _, w := range r.Windows() {
		i := int(w.Start / (2 * r.width))
		if merged[i] == nil {
			merged[i] = w.Tally
			continue
		}
		merged[i].Merge(w.Tally)
		merged[i].Pack()
	}
	r.width *= 2
	r.windows = merged
}

// Window is the figures of the requests due in [Start, End).
type Window struct {
	Start, End time.Duration
	*Tally
}

// Windows returns every window that holds a request, in order of time.
func (r *Recorder) Windows() []Window {
	var out []Window
	for i, t := range r.windows {
		out = append(out, Window{time.Duration(i) * r.width, time.Duration(i+1) * r.width, t})
	}
	sort.Slice(out, func(a, b int) bool { return out[a].Start < out[b].Start })
	return out
}

// Width is the present width of a window.
func (r *Recorder) Width() time.Duration { return r.width }

// Phase returns the figures of the i-th phase.
func (r *Recorder) Phase(i int) *Tally { return r.phases[i] }

// Parts returns how long the parts of the i-th phase's exchanges took.
func (r *Recorder) Parts(i int) *Parts { return r.parts[i] }

// Requests returns the figures by request name.
func (r *Recorder) Requests() map[string]*Tally { return r.requests }

// Examples returns one message for each class of failure seen.
func (r *Recorder) Examples() map[Class]string { return r.examples }
