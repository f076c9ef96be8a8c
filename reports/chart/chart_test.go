package chart

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"gonum.org/v1/plot"
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
			Bands: []Band{
				{Label: "kill <one>", Inks: BandColor(0), Spans: []Span{{.1, .5}, {.2, .3}, {math.NaN(), 1}}}, {Label: "outside", Inks: BandColor(1), Spans: []Span{{2e6, 3e6}}},
			},
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

// Bands that overlap stand in lanes of their own, with labels that do not meet; what has room shares a lane.
func TestOverlappingBandsCanEachBeSeen(t *testing.T) {
	f := &Figure{Title: "t", XMax: 100, Series: []Series{{Name: "x", Ink: Tail, Points: []Point{{0, 1}, {100, 2}}}}, Bands: []Band{
		{Label: "load generator paused", Inks: Stalled, Spans: []Span{{10, 11}, {30, 31}, {99.9, 100}}},
		{Label: "kill-one", Inks: BandColor(0), Spans: []Span{{10, 40}}},
		{Label: "slow", Inks: BandColor(1), Spans: []Span{{20, 50}}},
		{Label: "later", Inks: BandColor(2), Spans: []Span{{60, 70}}},
		{Label: "at the very end of the run, and with a long name", Inks: BandColor(3), Spans: []Span{{99, 100}}},
	}}
	for _, width := range []float64{WideWidth, NarrowWidth} {
		p := plot.New()
		p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = 0, 100, 0, 2
		c := area(newCanvas(width, 200), 0)
		strips, lanes := f.layOut(p, c)
		if len(strips) != len(f.Bands) {
			t.Fatalf("%d strips", len(strips))
		}
		for i, a := range strips {
			if a.label == "" || a.lane >= lanes || a.labelX < 0 || float64(a.labelX+labelWidth(a.label)) > width {
				t.Errorf("%v: %+v of %d lanes", width, a, lanes)
			}
			for _, b := range strips[:i] {
				if a.lane == b.lane && meets(a.occupied(), b.occupied()) {
					t.Errorf("%v: %s and %s meet in lane %d", width, a.label, b.label, a.lane)
				}
			}
		}
		if width == WideWidth && (strips[3].lane != 0 || lanes != 3) {
			t.Errorf("later stands in lane %d of %d", strips[3].lane, lanes)
		}
		if n := strings.Count(f.SVG(width, 200), `fill-opacity="0.6"`); n != 7 {
			t.Errorf("%d shades", n)
		}
	}
}

// Beyond the lanes there are, bands are shown without a label.
func TestManyBands(t *testing.T) {
	f := &Figure{Title: "t", XMax: 100, Series: []Series{{Name: "x", Ink: Tail, Points: []Point{{0, 1}, {100, 2}}}}}
	for range 30 {
		f.Bands = append(f.Bands, Band{Label: "the same time for all", Inks: BandColor(0), Spans: []Span{{1, 90}}})
	}
	svg := f.SVG(WideWidth, 200)
	if n := strings.Count(svg, ">the same time for all<"); n != maxLanes {
		t.Errorf("%d labels", n)
	}
	if !strings.Contains(svg, `viewBox="0 0 1000 `+number(200+maxLanes*laneHeight)+`"`) {
		t.Error("the figure has not grown by its lanes")
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
		{ticker{Number, false, 5}, 0, 2.16, "0 1 2"},
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
