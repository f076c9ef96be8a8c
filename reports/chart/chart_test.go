package chart

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// parse reads an SVG strictly and returns its elements' names.
func parse(t interface{ Fatalf(string, ...any) }, svg string) (names []string) {
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatalf("not XML: %v\n%s", err, svg)
		}
		if e, ok := tok.(xml.StartElement); ok {
			names = append(names, e.Name.Local)
			for _, a := range e.Attr {
				if a.Name.Local == "style" || strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") {
					t.Fatalf("attribute %s=%q", a.Name.Local, a.Value)
				}
			}
		}
	}
}

// No data, however odd, may hang the ticks, panic the scales or write nonsense.
func TestAnyDataDraws(t *testing.T) {
	value := rapid.OneOf(rapid.Just(0.), rapid.Just(math.NaN()), rapid.Just(1.), rapid.Float64Range(0, 1e9), rapid.Float64Range(0, 1e-9))
	rapid.Check(t, func(t *rapid.T) {
		f := &Figure{
			Title: "a <title> & more", Unit: Unit(rapid.IntRange(0, 5).Draw(t, "unit")), XUnit: Seconds, XMax: rapid.Float64Range(.001, 1e6).Draw(t, "xmax"),
			LogY: rapid.Bool().Draw(t, "log"), Steps: rapid.Bool().Draw(t, "steps"), Stacked: rapid.Bool().Draw(t, "stacked"),
			Bands: []Band{{From: .1, To: .5, Label: "kill <one>", Ink: BandColor(0)}, {From: 2e6, To: 3e6, Label: "outside", Ink: BandColor(1)}},
			Marks: []Mark{{Y: 1, Label: "objective"}},
		}
		n := rapid.IntRange(0, 20).Draw(t, "n")
		for i := range rapid.IntRange(0, 3).Draw(t, "series") {
			s := Series{Name: "s", Ink: Color(i)}
			for k := range n {
				s.Points = append(s.Points, Point{f.XMax * float64(k) / 20, value.Draw(t, "y")})
			}
			f.Series = append(f.Series, s)
		}
		f.Desc = f.Describe()
		for _, w := range []float64{WideWidth, NarrowWidth} {
			if svg := f.SVG(w, 200); len(svg) > 200_000 {
				t.Fatalf("%d bytes", len(svg))
			} else {
				parse(t, svg)
			}
		}
	})
}

func TestSeriesCarryTheirInkAndGaps(t *testing.T) {
	f := &Figure{Title: "t", XMax: 10, Series: []Series{{Name: "p99", Ink: Tail, Points: []Point{{0, 1}, {1, 2}, {2, math.NaN()}, {3, 2}, {4, 1}}}}}
	svg := f.SVG(WideWidth, WideHeight)
	if n := strings.Count(svg, `class="l-tail"`); n != 2 {
		t.Errorf("%d lines: a gap was drawn across\n%s", n, svg)
	}
}

func TestTicks(t *testing.T) {
	for _, tc := range []struct {
		t         ticker
		low, high float64
		want      string
	}{
		{ticker{Seconds, false, 10}, 0, 34, "0s 5s 10s 15s 20s 25s 30s"},
		{ticker{Seconds, false, 5}, 0, 600, "0s 2m 4m 6m 8m 10m"},
		{ticker{PerSecond, false, 5}, 0, 800, "0/s 200/s 400/s 600/s 800/s"},
		{ticker{Share, false, 5}, 0, 1, "0% 20% 40% 60% 80% 100%"},
		{ticker{Milliseconds, true, 5}, 10, 500, "10 ms 20 ms 50 ms 100 ms 200 ms 500 ms"},
		{ticker{Milliseconds, true, 5}, .1, 100000, "0.1 ms 1 ms 10 ms 100 ms 1 s 10 s 100 s"},
		{ticker{Percentile, true, 5}, 1, 10000, "p0 p90 p99 p99.9 p99.99"},
		{ticker{Number, false, 5}, 0, 0, "0"},
	} {
		var got []string
		for _, tick := range tc.t.Ticks(tc.low, tc.high) {
			got = append(got, tick.Label)
		}
		if s := strings.Join(got, " "); s != tc.want {
			t.Errorf("%v to %v: %s, want %s", tc.low, tc.high, s, tc.want)
		}
	}
}
