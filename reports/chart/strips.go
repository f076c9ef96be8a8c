package chart

import (
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Sizes of the lanes above a plot in which bands are shown, in pixels: a label, and below it the strip.
const (
	laneHeight  = 17
	stripHeight = 3
	labelDrop   = 12 // from the lane's top to the label's baseline
)

// maxLanes bounds the lanes: bands that find no room for their label are shown without it, and the figure's
// description names them all the same.
const maxLanes = 8

// fontSlack is how much wider than Liberation Sans a reader's font may be: labels must not touch with it either.
const fontSlack = 1.2

// strip is a band as it stands above the plot.
type strip struct {
	band   Band
	lane   int
	spans  []interval
	label  string // as much of it as fits
	labelX vg.Length
}

// interval is a stretch of the figure, in pixels.
type interval struct{ from, to vg.Length }

// laneGap is the least distance of two things in a lane.
const laneGap = 4

func (a interval) touches(b interval) bool { return a.from < b.to+laneGap && b.from < a.to+laneGap }

// layOut puts each band into the first lane where neither its strips nor its label meet those of another, and returns
// how many lanes there are. The canvas needs to have the figure's width only.
func (f *Figure) layOut(p *plot.Plot, c draw.Canvas) (strips []strip, lanes int) {
	inside := p.DataCanvas(c)
	var taken [maxLanes][]interval
	for _, b := range f.Bands {
		s := newStrip(b, inside, p)
		if len(s.spans) == 0 {
			continue
		}
		s.lane = freeLane(&taken, s.occupied())
		if s.lane < 0 { // without its label there may be room; else it shares the last lane
			s.label = ""
			if s.lane = freeLane(&taken, s.occupied()); s.lane < 0 {
				s.lane = maxLanes - 1
			}
		}
		taken[s.lane] = append(taken[s.lane], s.occupied()...)
		lanes = max(lanes, s.lane+1)
		strips = append(strips, s)
	}
	return strips, lanes
}

func newStrip(b Band, inside draw.Canvas, p *plot.Plot) strip {
	s := strip{band: b}
	for _, x := range b.Spans {
		if left, right, ok := edges(inside, p, x); ok {
			s.spans = append(s.spans, interval{left, right})
		}
	}
	if len(s.spans) > 0 {
		s.label = shorten(b.Label, inside.Max.X-inside.Min.X)
		s.labelX = max(inside.Min.X, min(s.spans[0].from, inside.Max.X-slackWidth(s.label)))
	}
	return s
}

func slackWidth(label string) vg.Length { return labelWidth(label) * fontSlack }

// shorten cuts a label that is wider than the plot.
func shorten(label string, room vg.Length) string {
	if slackWidth(label) <= room {
		return label
	}
	runes := []rune(label)
	for len(runes) > 0 && slackWidth(string(runes)+"…") > room {
		runes = runes[:len(runes)-1]
	}
	return string(runes) + "…"
}

// occupied is what a strip takes of its lane.
func (s *strip) occupied() []interval {
	out := append([]interval(nil), s.spans...)
	if s.label != "" {
		out = append(out, interval{s.labelX, s.labelX + slackWidth(s.label)})
	}
	return out
}

// freeLane returns the first lane with room, or -1.
func freeLane(taken *[maxLanes][]interval, want []interval) int {
	for lane := range taken {
		if !meets(taken[lane], want) {
			return lane
		}
	}
	return -1
}

func meets(a, b []interval) bool {
	for _, x := range a {
		for _, y := range b {
			if x.touches(y) {
				return true
			}
		}
	}
	return false
}

// drawStrips draws the strips above the plot, the first lane at the top.
func drawStrips(inside draw.Canvas, strips []strip) {
	lanes := 0
	for _, s := range strips {
		lanes = max(lanes, s.lane+1)
	}
	for _, s := range strips {
		top := inside.Max.Y + vg.Length((lanes-s.lane)*laneHeight)
		label(inside, vg.Point{X: s.labelX, Y: top - labelDrop}, s.label, s.band.Inks.Strip)
		inside.SetColor(s.band.Inks.Strip)
		for _, x := range s.spans {
			low := vg.Point{X: x.from, Y: top - laneHeight}
			inside.Fill(vg.Rectangle{Min: low, Max: vg.Point{X: x.to, Y: low.Y + stripHeight}}.Path())
		}
	}
}
