package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// document is result.json as its leaves: numbers, texts, truths and nulls by path, such as
// "phases[1].latency.response.p99_ms". It is read as plain JSON, so that reports' own reader decides nothing.
type document map[string]any

// readDocument reads result.json. The scenario as resolved is left out: it is the plan, not a figure.
func readDocument(path string) (document, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var whole map[string]any
	if err := json.Unmarshal(b, &whole); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	delete(whole, "scenario")
	d := document{}
	d.add("", whole)
	return d, nil
}

func (d document) add(path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			d.add(strings.TrimPrefix(path+"."+k, "."), x)
		}
	case []any:
		d[path+".length"] = float64(len(v))
		for i, x := range v {
			d.add(fmt.Sprintf("%s[%d]", path, i), x)
		}
	default:
		d[path] = v
	}
}

func (d document) number(path string) float64 {
	v, _ := d[path].(float64)
	return v
}

// text returns a text; "" for what is absent.
func (d document) text(path string) string {
	v, _ := d[path].(string)
	return v
}

func (d document) truth(path string) bool {
	v, _ := d[path].(bool)
	return v
}

// has reports whether there is a value that is not null.
func (d document) has(path string) bool { return d[path] != nil }

// under reports whether anything but null stands at a path or below it.
func (d document) under(path string) bool {
	for k, v := range d {
		if v != nil && (k == path || strings.HasPrefix(k, path+".")) {
			return true
		}
	}
	return false
}

// instant returns a time in milliseconds as a duration.
func (d document) instant(path string) time.Duration {
	return time.Duration(math.Round(d.number(path) * float64(time.Millisecond)))
}

// each returns the paths of a list's members.
func (d document) each(path string) []string {
	var out []string
	for i := range int(d.number(path + ".length")) {
		out = append(out, fmt.Sprintf("%s[%d]", path, i))
	}
	return out
}

// texts returns a list of texts.
func (d document) texts(path string) []string {
	var out []string
	for _, p := range d.each(path) {
		out = append(out, d.text(p))
	}
	return out
}

// expectation reports what is wrong with the value of a leaf; "" when nothing is.
type expectation func(got any) string

// recomputed is what the leaves of a document should be, by path.
type recomputed map[string]expectation

// count expects a whole number, exactly.
func (c recomputed) count(path string, want int) {
	c[path] = func(got any) string {
		if v, ok := got.(float64); ok && v == float64(want) {
			return ""
		}
		return fmt.Sprintf("recomputed %d", want)
	}
}

// ratio expects a quotient of exact numbers, up to the rounding of its arithmetic.
func (c recomputed) ratio(path string, want float64) {
	const rounding = 1e-9
	c.near(path, want, rounding*math.Max(1, math.Abs(want)))
}

// near expects a number within a distance.
func (c recomputed) near(path string, want, within float64) {
	c[path] = func(got any) string {
		if v, ok := got.(float64); ok && math.Abs(v-want) <= within {
			return ""
		}
		return fmt.Sprintf("recomputed %v, within %v", want, within)
	}
}

// length expects a time that was read from a histogram, in milliseconds: its bounds are 0.1 % apart, and it holds
// whole microseconds.
func (c recomputed) length(path string, want float64) {
	const precision, unit = .001, .001
	c.near(path, want, math.Abs(want)*precision+unit)
}

// instant expects a time in milliseconds, exact to the nanosecond.
func (c recomputed) instant(path string, want time.Duration) {
	const half = .5e-6
	c.near(path, float64(want)/float64(time.Millisecond), half)
}

func (c recomputed) null(path string) {
	c[path] = func(got any) string {
		if got == nil {
			return ""
		}
		return "recomputed: null"
	}
}

func (c recomputed) is(path string, want any) {
	c[path] = func(got any) string {
		if got == want {
			return ""
		}
		return fmt.Sprintf("recomputed %v", want)
	}
}

// histogram expects an encoded histogram that holds exactly these durations, each in its own bucket.
func (c recomputed) histogram(path string, want []time.Duration) {
	c[path] = func(got any) string {
		text, _ := got.(string)
		if text == "" {
			if len(want) == 0 {
				return ""
			}
			return fmt.Sprintf("empty, recomputed %d values", len(want))
		}
		h, err := hdrhistogram.Decode([]byte(text))
		if err != nil {
			return err.Error()
		}
		micros := recordable(want)
		if int(h.TotalCount()) != len(micros) {
			return fmt.Sprintf("holds %d values, recomputed %d", h.TotalCount(), len(micros))
		}
		for _, bar := range h.Distribution() {
			from, _ := slices.BinarySearch(micros, bar.From)
			to, _ := slices.BinarySearch(micros, bar.To+1)
			if int64(to-from) != bar.Count {
				return fmt.Sprintf("holds %d values from %d to %d µs, recomputed %d", bar.Count, bar.From, bar.To, to-from)
			}
		}
		return ""
	}
}

// recordable returns durations as a histogram holds them, in order: whole microseconds from 1 µs to 1 h.
func recordable(values []time.Duration) []int64 {
	out := make([]int64, len(values))
	for i, v := range values {
		out[i] = min(max(int64(v/time.Microsecond), 1), int64(time.Hour/time.Microsecond))
	}
	slices.Sort(out)
	return out
}

// problems compares a document with what it should be. Every leaf must have been recomputed or be one of those that
// can't be, and every recomputed figure must be there.
func problems(d document, c recomputed) []string {
	var out []string
	for path, expect := range c {
		got, there := d[path]
		if problem := expect(got); problem != "" {
			out = append(out, fmt.Sprintf("%s is %v: %s", path, brief(got, there), problem))
		}
	}
	for path := range d {
		if _, ok := c[path]; !ok && !elsewhere(path) {
			out = append(out, path+" was not recomputed")
		}
	}
	slices.Sort(out)
	return out
}

// brief shows a leaf in few characters.
func brief(v any, there bool) any {
	if text, ok := v.(string); ok && len(text) > 40 {
		return text[:40] + "…"
	}
	if !there {
		return "absent"
	}
	return v
}
