package chart

// The inks of figures. A page's stylesheet has a rule for each name in both its colour schemes.
var (
	Grid      = Ink{"grid", "#e6e8eb"}
	Axis      = Ink{"axis", "#9aa4ae"}
	Objective = Ink{"objective", "#8c6d1f"}

	Planned = Ink{"planned", "#8b949e"}
	Offered = Ink{"offered", "#0969da"}
	Good    = Ink{"good", "#1a7f37"}
	Median  = Ink{"median", "#0969da"}
	Tail    = Ink{"tail", "#bc4c00"}
	Extreme = Ink{"extreme", "#a3a9b1"}
	Late    = Ink{"late", "#e3e6ea"}
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

// bands are the shades of faults.
var bands = [...]Ink{{"b0", "#fff1cc"}, {"b1", "#ffe3d3"}, {"b2", "#efe3ff"}, {"b3", "#dff0ff"}}

// Color returns the i-th ink of the palette, around the end.
func Color(i int) Ink { return palette[i%len(palette)] }

// ErrorColor returns the i-th ink for classes of failure.
func ErrorColor(i int) Ink { return errorPalette[i%len(errorPalette)] }

// BandColor returns the i-th shade for faults.
func BandColor(i int) Ink { return bands[i%len(bands)] }
