package chart

import (
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// layer is one layer of a stack.
type layer struct {
	ink       Ink
	low, high []Point
}

func (l *layer) Plot(c draw.Canvas, p *plot.Plot) {
	if len(l.high) == 0 {
		return
	}
	tx, ty := p.Transforms(&c)
	var path vg.Path
	path.Move(vg.Point{X: tx(l.high[0].X), Y: ty(l.high[0].Y)})
	for _, q := range l.high[1:] {
		path.Line(vg.Point{X: tx(q.X), Y: ty(q.Y)})
	}
	for i := len(l.low) - 1; i >= 0; i-- {
		path.Line(vg.Point{X: tx(l.low[i].X), Y: ty(l.low[i].Y)})
	}
	path.Close()
	c.SetColor(l.ink)
	c.Fill(path)
}

// band shades a band's stretches in the plot; shades that overlap mix.
type band struct{ Band }

func (b *band) Plot(c draw.Canvas, p *plot.Plot) {
	for _, x := range b.Spans {
		left, right, ok := edges(c, p, x)
		if !ok {
			continue
		}
		c.SetColor(shade{b.Inks.Shade})
		c.Fill(vg.Rectangle{Min: vg.Point{X: left, Y: c.Min.Y}, Max: vg.Point{X: right, Y: c.Max.Y}}.Path())
	}
}

// leastWidth is the width in pixels at which the shortest stretch still shows.
const leastWidth = 1.5

// edges returns where a stretch begins and ends in the plot; false when it lies outside.
func edges(c draw.Canvas, p *plot.Plot, x Span) (left, right vg.Length, ok bool) {
	from, to := max(x.From, p.X.Min), min(x.To, p.X.Max)
	if !(from <= to) {
		return 0, 0, false
	}
	tx, _ := p.Transforms(&c)
	left, right = tx(from), tx(to)
	if right-left < leastWidth {
		left = min(left, c.Max.X-leastWidth)
		right = left + leastWidth
	}
	return left, right, true
}

// mark is a dashed horizontal line with a label.
type mark struct{ Mark }

func (m *mark) Plot(c draw.Canvas, p *plot.Plot) {
	_, ty := p.Transforms(&c)
	y := ty(m.Y)
	c.StrokeLine2(draw.LineStyle{Color: Objective, Width: 1, Dashes: []vg.Length{2, 3}}, c.Min.X, y, c.Max.X, y)
	label(c, vg.Point{X: c.Max.X - slackWidth(m.Label) - 2, Y: y + 3}, m.Label, Objective)
}

// labelSize is the size of labels inside a figure, in pixels.
const labelSize = 10.5

func labelStyle(ink Ink) text.Style {
	return text.Style{
		Color: ink, Font: font.Font{Typeface: "Liberation", Variant: "Sans", Size: labelSize},
		Handler: plot.DefaultTextHandler,
	}
}

func labelWidth(s string) vg.Length { return labelStyle(Objective).Width(s) }

func label(c draw.Canvas, at vg.Point, s string, ink Ink) {
	if s != "" {
		c.FillText(labelStyle(ink), at, s)
	}
}
