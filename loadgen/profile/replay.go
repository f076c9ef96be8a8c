package profile

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

var replay = spec.Kind[Segment]{
	Entry: spec.Entry{
		Name: "replay", Doc: "what was recorded: a rate over time, or the instants of requests", Plain: "",
		Params: []spec.Param{
			{Name: "file", Type: spec.File, Doc: "CSV of time and rate, each rate lasting until the next time; or of times alone, one for each request", Required: true},
			{Name: "speed", Type: spec.Number, Doc: "2 plays an hour in half an hour, at twice the rate", Default: "1", Above: true, Max: 1e6},
			{Name: "scale", Type: spec.Number, Doc: "multiplies recorded rates", Default: "1", Above: true, Max: 1e6},
			length,
		},
	},
	New: func(v spec.Values) (Segment, error) {
		file := v.File("file")
		rows, err := parseRecording(file.Text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file.Name, err)
		}
		speed, scale, seconds := v.Float("speed"), v.Float("scale"), v.Duration("for").Seconds()
		for i := range rows {
			rows[i].at /= speed
			rows[i].rate *= speed * scale
		}
		if rows[0].isRate {
			return newRates(rows, seconds)
		}
		if scale != 1 {
			return nil, errors.New("scale multiplies rates: recorded instants have none")
		}
		return newInstants(rows, seconds)
	},
}

// row is one line of a recording.
type row struct {
	at, rate float64
	isRate   bool
}

// maxOffset is the longest a phase can last; a number beyond it is a Unix time.
const maxOffset = 7 * 86400

// parseRecording reads a recording: a column of times, or two of times and rates a second; a first line
// that names them may stand above. Times are seconds since the phase began; or Unix times, in seconds or
// milliseconds, or RFC 3339, and then count from the first of them.
func parseRecording(text string) ([]row, error) {
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix([]byte(text), []byte("\ufeff"))))
	r.TrimLeadingSpace, r.Comment, r.ReuseRecord = true, '#', true
	var rows []row
	origin := time.Duration(0)
	for first := true; ; first = false {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		line, _ := r.FieldPos(0)
		if len(record) > 2 {
			return nil, fmt.Errorf("line %d: %d columns: there must be one of times, or two of times and rates", line, len(record))
		}
		at, absolute, err := parseTime(record[0])
		if err != nil {
			if first && strings.IndexAny(record[0], "0123456789+-.") != 0 {
				continue // the columns' names
			}
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		if len(rows) == 0 && absolute {
			origin = at
		}
		x := row{at: (at - origin).Seconds(), isRate: len(record) == 2}
		if x.isRate {
			x.rate, err = strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(record[1]), "/s"), 64)
			if err != nil || !(x.rate >= 0) || x.rate > maxRate {
				return nil, fmt.Errorf("line %d: %q is not a rate a second between 0 and %.0g", line, record[1], float64(maxRate))
			}
		}
		if x.at < 0 || (len(rows) > 0 && x.at < rows[len(rows)-1].at) {
			return nil, fmt.Errorf("line %d: %s is before the line above it: times must not go back", line, record[0])
		}
		rows = append(rows, x)
	}
	if len(rows) == 0 {
		return nil, errors.New("it holds no time")
	}
	return rows, nil
}

// parseTime reads a time; absolute says that it is a date. It counts in nanoseconds, because seconds since
// 1970 as a floating-point number are only known to some 0.2 µs.
func parseTime(s string) (t time.Duration, absolute bool, err error) {
	s = strings.TrimSpace(s)
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		const milliseconds = 1e11 // as seconds it would be the year 5138
		unit := "s"
		if f > milliseconds {
			unit = "ms"
		}
		if d, err := time.ParseDuration(s + unit); err == nil {
			return d, f > maxOffset, nil
		}
	}
	if at, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return time.Duration(at.UnixNano()), true, nil
	}
	if d, err := time.ParseDuration(s); err == nil {
		return d, false, nil
	}
	return 0, false, fmt.Errorf("%q is not a time: seconds, a duration, a Unix time or RFC 3339", s)
}

// Rates holds each recorded rate until the next time; the last one until the end.
type Rates struct {
	at, rate, hits []float64 // from when on; how much; arrivals before
	seconds        float64
}

func newRates(rows []row, seconds float64) (Segment, error) {
	r := Rates{at: []float64{0}, rate: []float64{0}, hits: []float64{0}, seconds: seconds}
	for _, x := range rows {
		if x.at >= seconds {
			break
		}
		last := len(r.at) - 1
		if x.at == r.at[last] { // of two at one time the latter holds
			r.rate[last] = x.rate
			continue
		}
		r.hits = append(r.hits, r.hits[last]+r.rate[last]*(x.at-r.at[last]))
		r.at, r.rate = append(r.at, x.at), append(r.rate, x.rate)
	}
	if r.Hits(seconds) == 0 {
		return nil, errNoArrivals
	}
	return r, nil
}

func (r Rates) Length() float64 { return r.seconds }

// index is the row that holds at t.
func (r Rates) index(t float64) int {
	return sort.Search(len(r.at), func(i int) bool { return r.at[i] > t }) - 1
}

func (r Rates) Rate(t float64) float64 { return r.rate[r.index(t)] }

func (r Rates) Hits(t float64) float64 {
	i := r.index(t)
	return r.hits[i] + r.rate[i]*(t-r.at[i])
}

func (r Rates) Time(h float64) float64 {
	i := max(sort.Search(len(r.hits), func(i int) bool { return r.hits[i] >= h })-1, 0)
	if r.rate[i] == 0 {
		return r.at[i]
	}
	return min(r.at[i]+(h-r.hits[i])/r.rate[i], r.seconds)
}

// Instants are recorded arrivals. The k-th is where Hits is k − ½; between two of them Hits is a straight
// line, and it ends at their number.
type Instants struct {
	at      []float64
	seconds float64
}

func newInstants(rows []row, seconds float64) (Segment, error) {
	x := Instants{seconds: seconds}
	for _, r := range rows {
		if r.at < seconds {
			x.at = append(x.at, r.at)
		}
	}
	if len(x.at) == 0 {
		return nil, errNoArrivals
	}
	return x, nil
}

// Exact implements exact: whatever the arrivals of the rest, these are what was recorded.
func (x Instants) Exact() int { return len(x.at) }

func (x Instants) Length() float64 { return x.seconds }

// point is the i-th corner of Hits.
func (x Instants) point(i int) (t, hits float64) {
	switch {
	case i == 0:
		return 0, 0
	case i > len(x.at):
		return x.seconds, float64(len(x.at))
	}
	return x.at[i-1], float64(i) - .5
}

// Rate is the slope of Hits: a recording of instants has no other.
func (x Instants) Rate(t float64) float64 {
	i := sort.SearchFloat64s(x.at, t)
	t0, h0 := x.point(i)
	t1, h1 := x.point(i + 1)
	if t1 <= t0 {
		return 0
	}
	return (h1 - h0) / (t1 - t0)
}

func (x Instants) Hits(t float64) float64 {
	i := sort.Search(len(x.at), func(i int) bool { return x.at[i] > t }) // so many are not after t
	t0, h0 := x.point(i)
	t1, h1 := x.point(i + 1)
	if t1 <= t0 {
		return h1
	}
	return h0 + (h1-h0)*(t-t0)/(t1-t0)
}

func (x Instants) Time(h float64) float64 {
	i := min(max(int(math.Ceil(h-.5)), 0), len(x.at)) // the last corner below h
	t0, h0 := x.point(i)
	t1, h1 := x.point(i + 1)
	if h1 <= h0 || h <= h0 {
		return t0
	}
	return t0 + (t1-t0)*(h-h0)/(h1-h0)
}
