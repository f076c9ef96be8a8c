package chart

import (
	"fmt"
	"math"
	"strconv"

	"gonum.org/v1/plot"
)

// Unit is what an axis measures; it decides how its ticks are written.
type Unit uint8

// The units of axes.
const (
	Number       Unit = iota // a count
	PerSecond                // requests a second
	Seconds                  // since the load began
	Milliseconds             // of latency
	Share                    // 1 is 100 %
	Percentile               // 1/(1−p)
)

func (u Unit) format(v float64) string {
	n := func(f float64) string { return strconv.FormatFloat(math.Round(f*1000)/1000, 'f', -1, 64) }
	switch u {
	case PerSecond:
		return n(v) + "/s"
	case Seconds:
		switch {
		case v >= 120 && math.Mod(v, 60) == 0:
			return n(v/60) + "m"
		case v >= 60:
			return fmt.Sprintf("%dm%02.0fs", int(v)/60, math.Mod(v, 60))
		}
		return n(v) + "s"
	case Milliseconds:
		if v >= 1000 {
			return n(v/1000) + " s"
		}
		return n(v) + " ms"
	case Share:
		return n(v*100) + "%"
	case Percentile:
		return "p" + n(100-100/v)
	}
	return n(v)
}

// timeSteps are the distances of ticks that read well, for times.
var timeSteps = [...]float64{.1, .2, .5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400}

// ticker places at most about n ticks at round values.
type ticker struct {
	unit Unit
	log  bool
	n    int
}

// Ticks implements plot.Ticker.
func (t ticker) Ticks(low, high float64) []plot.Tick {
	var out []plot.Tick
	add := func(v float64) {
		v += 0 // a negative zero would be written with its sign
		out = append(out, plot.Tick{Value: v, Label: t.unit.format(v)})
	}
	if t.log {
		// 1, 2, 5 in each decade while that is not too many; else the decades, which must be a few.
		decades := math.Log10(high / low)
		factors := []float64{1, 2, 5}
		if decades*3 > float64(t.n)+2 || t.unit == Percentile {
			factors = []float64{1}
		}
		for d := math.Pow(10, math.Floor(math.Log10(low))); d <= high*1.0001; d *= 10 {
			for _, f := range factors {
				if v := d * f; v >= low*.9999 && v <= high*1.0001 {
					add(v)
				}
			}
		}
		return out
	}
	step := t.step(high - low)
	for i := math.Ceil(low/step - 1e-9); i*step <= high+step*1e-9; i++ {
		add(i * step)
	}
	return out
}

func (t ticker) step(span float64) float64 {
	if span <= 0 || math.IsInf(span, 0) || math.IsNaN(span) {
		return 1
	}
	if t.unit == Seconds {
		for _, s := range timeSteps {
			if span/s <= float64(t.n) {
				return s
			}
		}
	}
	rough := span / float64(t.n)
	if t.unit == Number { // half a server is none
		rough = max(rough, 1)
	}
	base := math.Pow(10, math.Floor(math.Log10(rough)))
	for _, f := range []float64{1, 2, 5} {
		if f*base >= rough {
			return f * base
		}
	}
	return 10 * base
}
