package chart

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"image"
	"image/color"
	"math"
	"strconv"

	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
)

// Ink is a colour that a stylesheet may override: it becomes a class beside its presentation attribute.
type Ink struct {
	Name string // class f-NAME where it fills, l-NAME where it strokes
	Hex  string // #rrggbb: what shows without a stylesheet
}

// RGBA implements color.Color.
func (i Ink) RGBA() (r, g, b, a uint32) {
	var x [3]uint8
	// A malformed constant shows as black; the inks are all in this package's table.
	_, _ = fmt.Sscanf(i.Hex, "#%02x%02x%02x", &x[0], &x[1], &x[2])
	return color.RGBA{x[0], x[1], x[2], 255}.RGBA()
}

// shade is the colour of an area through which another one shows.
type shade struct{ Ink }

// shadeOpacity is the opacity of shades.
const shadeOpacity = "0.6"

// canvas is a vg.Canvas that writes clean SVG: presentation attributes and classes, no style attributes,
// which a strict Content-Security-Policy would block; no prolog; pixels; the y axis flipped while writing,
// not by a transformation.
type canvas struct {
	w, h  vg.Length
	buf   bytes.Buffer
	stack []state
}

type state struct {
	ink    Ink
	shade  bool // fills let what is below them show through
	width  vg.Length
	dashes []vg.Length
	m      matrix
}

// matrix maps x, y to a·x + c·y + e, b·x + d·y + f.
type matrix struct{ a, b, c, d, e, f float64 }

func (m matrix) apply(p vg.Point) (x, y float64) {
	return m.a*float64(p.X) + m.c*float64(p.Y) + m.e, m.b*float64(p.X) + m.d*float64(p.Y) + m.f
}

// then returns the matrix that applies n first and m after.
func (m matrix) then(n matrix) matrix {
	return matrix{
		m.a*n.a + m.c*n.b, m.b*n.a + m.d*n.b, m.a*n.c + m.c*n.d, m.b*n.c + m.d*n.d,
		m.a*n.e + m.c*n.f + m.e, m.b*n.e + m.d*n.f + m.f,
	}
}

func newCanvas(w, h float64) *canvas {
	c := &canvas{w: vg.Length(w), h: vg.Length(h), stack: []state{{m: matrix{a: 1, d: 1}}}}
	vg.Initialize(c)
	return c
}

func (c *canvas) top() *state { return &c.stack[len(c.stack)-1] }

func (c *canvas) Size() (w, h vg.Length)                 { return c.w, c.h }
func (c *canvas) SetLineWidth(w vg.Length)               { c.top().width = w }
func (c *canvas) SetLineDash(d []vg.Length, _ vg.Length) { c.top().dashes = d }
func (c *canvas) Push()                                  { c.stack = append(c.stack, *c.top()) }
func (c *canvas) Pop()                                   { c.stack = c.stack[:len(c.stack)-1] }

func (c *canvas) SetColor(col color.Color) {
	s, isShade := col.(shade)
	c.top().shade = isShade
	if isShade {
		col = s.Ink
	}
	if ink, ok := col.(Ink); ok {
		c.top().ink = ink
		return
	}
	if col == nil {
		col = color.Black
	}
	r, g, b, _ := col.RGBA()
	c.top().ink = Ink{Hex: fmt.Sprintf("#%02x%02x%02x", r>>8, g>>8, b>>8)}
}

func (c *canvas) Rotate(rad float64) {
	sin, cos := math.Sincos(rad)
	c.top().m = c.top().m.then(matrix{a: cos, b: sin, c: -sin, d: cos})
}

func (c *canvas) Translate(p vg.Point) {
	c.top().m = c.top().m.then(matrix{a: 1, d: 1, e: float64(p.X), f: float64(p.Y)})
}

func (c *canvas) Scale(x, y float64) { c.top().m = c.top().m.then(matrix{a: x, d: y}) }

// number writes a coordinate to a tenth of a pixel.
func number(f float64) string { return strconv.FormatFloat(math.Round(f*10)/10, 'f', -1, 64) }

func (c *canvas) point(p vg.Point) string {
	x, y := c.top().m.apply(p)
	return number(x) + " " + number(float64(c.h)-y)
}

func (c *canvas) path(p vg.Path) string {
	var b bytes.Buffer
	for _, comp := range p {
		switch comp.Type {
		case vg.MoveComp:
			b.WriteString("M" + c.point(comp.Pos))
		case vg.LineComp:
			b.WriteString("L" + c.point(comp.Pos))
		case vg.ArcComp:
			// Arcs are drawn as chords: glyphs are the only curves in these figures, and they are small.
			const chords = 12
			for i := 0; i <= chords; i++ {
				sin, cos := math.Sincos(comp.Start + comp.Angle*float64(i)/chords)
				b.WriteString("L" + c.point(vg.Point{X: comp.Pos.X + comp.Radius*vg.Length(cos), Y: comp.Pos.Y + comp.Radius*vg.Length(sin)}))
			}
		case vg.CurveComp:
			b.WriteString([]string{"", "Q", "C"}[len(comp.Control)])
			for _, q := range comp.Control {
				b.WriteString(c.point(q) + " ")
			}
			b.WriteString(c.point(comp.Pos))
		case vg.CloseComp:
			b.WriteString("Z")
		}
	}
	s := b.String()
	if s != "" && s[0] == 'L' { // an arc without a move before it
		s = "M" + s[1:]
	}
	return s
}

func class(prefix string, i Ink) string {
	if i.Name == "" {
		return ""
	}
	return ` class="` + prefix + i.Name + `"`
}

func (c *canvas) Stroke(p vg.Path) {
	s := c.top()
	if s.width <= 0 || len(p) == 0 {
		return
	}
	dash := ""
	for i, d := range s.dashes {
		if i > 0 {
			dash += " "
		}
		dash += number(float64(d))
	}
	if dash != "" {
		dash = ` stroke-dasharray="` + dash + `"`
	}
	fmt.Fprintf(&c.buf, `<path%s fill="none" stroke="%s" stroke-width="%s"%s d="%s"/>`+"\n", class("l-", s.ink), s.ink.Hex, number(float64(s.width)), dash, c.path(p))
}

func (c *canvas) Fill(p vg.Path) {
	if len(p) == 0 {
		return
	}
	opacity := ""
	if c.top().shade {
		opacity = ` fill-opacity="` + shadeOpacity + `"`
	}
	fmt.Fprintf(&c.buf, `<path%s fill="%s"%s d="%s"/>`+"\n", class("f-", c.top().ink), c.top().ink.Hex, opacity, c.path(p))
}

func (c *canvas) FillString(f font.Face, pt vg.Point, text string) {
	if f.Font.Size == 0 || text == "" {
		return
	}
	m := c.top().m
	x, y := m.apply(pt)
	y = float64(c.h) - y
	turn := ""
	if deg := -math.Atan2(m.b, m.a) * 180 / math.Pi; math.Abs(deg) > .01 {
		turn = fmt.Sprintf(` transform="rotate(%s %s %s)"`, number(deg), number(x), number(y))
	}
	fmt.Fprintf(&c.buf, `<text%s fill="%s" x="%s" y="%s" font-size="%s"%s>%s</text>`+"\n",
		class("f-", c.top().ink), c.top().ink.Hex, number(x), number(y), number(float64(f.Font.Size)), turn, escape(text))
}

// DrawImage is not needed by any figure here.
func (c *canvas) DrawImage(vg.Rectangle, image.Image) { panic("chart: figures hold no images") }

func escape(s string) string {
	var b bytes.Buffer
	// Writing to a buffer can't fail.
	_ = xml.EscapeText(&b, []byte(s))
	return b.String()
}

// svg wraps what was drawn.
func (c *canvas) svg(title, desc string) string {
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %s %s" role="img" font-family="system-ui, sans-serif"><title>%s</title><desc>%s</desc>`+"\n%s</svg>",
		number(float64(c.w)), number(float64(c.h)), escape(title), escape(desc), c.buf.String())
}
