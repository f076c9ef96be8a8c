package chart

// The inks of figures. A page's stylesheet has a rule for each name in both its colour schemes.
var (
	Grid      = Ink{"grid", "#e6e8eb"}
	Axis      = Ink{"axis", "#9aa4ae"}
	Objective = Ink{"objective", "#8c6d1f"}

	Planned  = Ink{"planned", "#8b949e"}
	Offered  = Ink{"offered", "#0969da"}
	Attempts = Ink{"attempts", "#bc4c00"}
	Good     = Ink{"good", "#1a7f37"}
	Median   = Ink{"median", "#0969da"}
	Tail     = Ink{"tail", "#bc4c00"}
	Extreme  = Ink{"extreme", "#a3a9b1"}
)

// palette is for series without a meaning of their own: targets, error classes.
var palette = [...]Ink{
	{"c0", "#0969da"}, {"c1", "#1a7f37"}, {"c2", "#bc4c00"}, {"c3", "#8250df"}, {"c4", "#bf3989"},
	{"c5", "#0e7490"}, {"c6", "#9a6700"}, {"c7", "#57606a"},
}

// errorPalette is for classes of failure: all of them warm.
var errorPalette = [...]Ink{
	{"e0", "#cf222e"}, {"e1", "#bc4c00"}, {"e2", "#9a6700"}, {"e3", "#bf3989"}, {"e4", "#8250df"}, {"e5", "#57606a"},
}

// BandInks are the inks of a band: of its shade in the plot, and of its strip and label above it.
type BandInks struct{ Shade, Strip Ink }

// Stalled is for stretches in which the load generator itself did not run.
var Stalled = BandInks{Ink{"stalled", "#d8dde3"}, Ink{"stalled-strip", "#57606a"}}

// bands are the inks of faults.
var bands = [...]BandInks{
	{Ink{"b0", "#fff1cc"}, Ink{"b0-strip", "#9a6700"}}, {Ink{"b1", "#ffe3d3"}, Ink{"b1-strip", "#bc4c00"}},
	{Ink{"b2", "#efe3ff"}, Ink{"b2-strip", "#8250df"}}, {Ink{"b3", "#dff0ff"}, Ink{"b3-strip", "#0969da"}},
}

// Color returns the i-th ink of the palette, around the end.
func Color(i int) Ink { return palette[i%len(palette)] }

// ErrorColor returns the i-th ink for classes of failure.
func ErrorColor(i int) Ink { return errorPalette[i%len(errorPalette)] }

// BandColor returns the i-th inks for faults, around the end.
func BandColor(i int) BandInks { return bands[i%len(bands)] }
