// Package chart draws figures as inline SVG: gonum/plot on a canvas of our own.
//
// A Figure is plain data. Colours are Inks, which a page's stylesheet may override by class, so that one
// figure serves light and dark pages; without a stylesheet it still reads well. The legend is the page's to
// show: Keys lists what it must explain.
package chart

import (
	"fmt"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Point is one point of a series. A Y that is not a number leaves a gap: nothing is drawn across it.
type Point struct{ X, Y float64 }

// Series is one line, or one layer of a stack.
type Series struct {
	Name   string
	Ink    Ink
	Points []Point
	Dashed bool
}

// Band is something that lasted for one or more stretches of the x axis. They are shaded, and shown as strips above the
// plot, where bands that overlap stand below each other with their labels.
type Band struct {
	Label string
	Inks  BandInks
	Spans []Span
}

// Span is a stretch of the x axis.
type Span struct{ From, To float64 }

// Figure is one chart.
type Figure struct {
	Title, Desc string
	Unit        Unit // of the y axis
	XUnit       Unit
	XMin, XMax  float64
	LogX, LogY  bool
	Stacked     bool // the series are layers, each with the same X values; the y axis is never logarithmic then
	Steps       bool // a value holds until the next point
	Marks       []Mark
	Bands       []Band
	Series      []Series
}

// Mark is a horizontal line, such as an objective.
type Mark struct {
	Y     float64
	Label string
}

// Width and height of the two sizes a figure is drawn in, in pixels.
const (
	WideWidth, WideHeight     = 1000, 260
	NarrowWidth, NarrowHeight = 360, 230
)

// SVG draws the figure at a size in pixels; the bands' strips make it higher.
func (f *Figure) SVG(width, height float64) string {
	if f.Stacked && f.LogY {
		linear := *f
		linear.LogY = false
		f = &linear
	}
	narrow := width < 600
	p := plot.New()
	style(p)
	p.X.Min, p.X.Max = f.XMin, f.XMax
	low, high := f.yRange()
	p.Y.Min, p.Y.Max = low, high
	p.X.Tick.Marker = ticker{f.XUnit, f.LogX, map[bool]int{true: 5, false: 10}[narrow]}
	p.Y.Tick.Marker = ticker{f.Unit, f.LogY, 5}
	if f.LogY {
		p.Y.Scale = plot.LogScale{}
	}
	if f.LogX {
		p.X.Scale = plot.LogScale{}
	}
	for _, b := range f.Bands {
		p.Add(&band{b})
	}
	grid := plotter.NewGrid()
	grid.Vertical.Width = 0
	grid.Horizontal = draw.LineStyle{Color: Grid, Width: 1}
	p.Add(grid)
	for _, m := range f.Marks {
		if m.Y > low && m.Y < high {
			p.Add(&mark{m})
		}
	}
	if f.Stacked {
		f.addLayers(p)
	} else {
		f.addLines(p)
	}
	strips, lanes := f.layOut(p, area(newCanvas(width, height), 0))
	c := newCanvas(width, height+float64(lanes*laneHeight))
	inside := area(c, lanes)
	p.Draw(inside)
	drawStrips(p.DataCanvas(inside), strips)
	return c.svg(f.Title, f.Desc)
}

// area is where the plot is drawn, below so many lanes of strips. The margin keeps the last tick's label inside.
func area(c *canvas, lanes int) draw.Canvas {
	return draw.Crop(draw.New(c), 0, -14, 2, -4-vg.Length(lanes*laneHeight))
}

func style(p *plot.Plot) {
	sans := font.Font{Typeface: "Liberation", Variant: "Sans", Size: 11}
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.LineStyle = draw.LineStyle{Color: Axis, Width: 1}
		a.Tick.LineStyle = draw.LineStyle{Color: Axis, Width: 1}
		a.Tick.Label.Font, a.Tick.Label.Color = sans, Ink{"soft", "#57606a"}
		a.Tick.Length = 4
		a.Padding = 0
	}
	p.Y.LineStyle.Width, p.Y.Tick.LineStyle.Width, p.Y.Tick.Length = 0, 0, 0
	p.Y.Padding = 6 // keeps the labels off the plot
	p.BackgroundColor = nil
}

// markRoom is up to how many times the data's maximum the y axis is stretched to show a mark.
const markRoom = 4

// nothing is what counts as zero on an axis: a thousandth of the least that any figure here measures, and
// far above where the scales' arithmetic breaks down.
const nothing = 1e-9

// yRange is the range of the y axis: from zero, or for a logarithmic one around the data.
func (f *Figure) yRange() (low, high float64) {
	low, high = math.Inf(1), 0
	sums := map[int]float64{}
	for _, s := range f.Series {
		for i, p := range s.Points {
			y := p.Y
			if math.IsNaN(y) || (f.LogY && y < nothing) {
				continue
			}
			if f.Stacked {
				sums[i] += y
				y = sums[i]
			}
			low, high = min(low, y), max(high, y)
		}
	}
	for _, m := range f.Marks { // a mark is shown while it does not flatten what it marks
		if high > 0 && m.Y > high && m.Y < markRoom*high {
			high = m.Y
		}
	}
	if f.LogY {
		if high == 0 {
			return .1, 10
		}
		// Whole thirds of a decade, so that a flat line has room and the ticks a place.
		low, high = math.Pow(10, math.Floor(3*math.Log10(low)-.2)/3), math.Pow(10, math.Ceil(3*math.Log10(high)+.2)/3)
		return low, high
	}
	if high < nothing {
		return 0, 1
	}
	if f.Unit == Share && high > .5 && high <= 1 {
		return 0, 1
	}
	return 0, high * 1.08
}

func (f *Figure) addLines(p *plot.Plot) {
	for _, s := range f.Series {
		for _, run := range f.runs(s.Points) {
			line := &plotter.Line{XYs: run, LineStyle: draw.LineStyle{Color: s.Ink, Width: 1.6}}
			if s.Dashed {
				line.LineStyle.Dashes = []vg.Length{5, 4}
			}
			if f.Steps {
				line.StepStyle = plotter.PostStep
			}
			if len(run) == 1 { // a single point would not show as a line
				line.XYs = append(line.XYs, plotter.XY{X: run[0].X + (f.XMax-f.XMin)/400, Y: run[0].Y})
			}
			p.Add(line)
		}
	}
}

// runs splits points at gaps.
func (f *Figure) runs(points []Point) (runs []plotter.XYs) {
	var run plotter.XYs
	for _, pt := range points {
		if math.IsNaN(pt.Y) || (f.LogY && pt.Y < nothing) || (f.LogX && pt.X < nothing) {
			if run != nil {
				runs, run = append(runs, run), nil
			}
			continue
		}
		run = append(run, plotter.XY{X: pt.X, Y: pt.Y})
	}
	if run != nil {
		runs = append(runs, run)
	}
	return runs
}

func (f *Figure) addLayers(p *plot.Plot) {
	if len(f.Series) == 0 {
		return
	}
	below := make([]float64, len(f.Series[0].Points))
	for _, s := range f.Series {
		l := &layer{ink: s.Ink}
		for i, pt := range s.Points {
			y := pt.Y
			if math.IsNaN(y) {
				y = 0
			}
			l.low = append(l.low, Point{pt.X, below[i]})
			below[i] += y
			l.high = append(l.high, Point{pt.X, below[i]})
		}
		p.Add(l)
	}
}

// Keys lists the series for a legend.
func (f *Figure) Keys() []Series { return f.Series }

// describedSpans is how many stretches of a band a description tells one by one.
const describedSpans = 3

// Describe makes the figure's description from what it shows.
func (f *Figure) Describe() string {
	s := f.Title + ":"
	for i, x := range f.Series {
		if i > 0 {
			s += ","
		}
		s += " " + x.Name
	}
	for _, b := range f.Bands {
		for i, x := range b.Spans {
			if i == describedSpans {
				s += fmt.Sprintf(" and %d times more", len(b.Spans)-i)
				break
			}
			s += fmt.Sprintf("; %s from %s to %s", b.Label, f.XUnit.format(x.From), f.XUnit.format(x.To))
		}
	}
	return s + "."
}
