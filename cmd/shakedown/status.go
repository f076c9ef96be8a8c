package main

import (
	"os"
	"strings"
	"unicode"

	"golang.org/x/term"
	"golang.org/x/text/width"
)

// terminalColumns is how many columns a terminal has now; 0 when it does not tell.
func terminalColumns(f *os.File) int {
	columns, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return columns
}

// fit cuts a line to a terminal's width, with an ellipsis where something is missing. The last column stays free: many
// terminals wrap a line that fills it.
func fit(line string, columns int) string {
	line = oneLine(line)
	if columns <= 0 {
		return line
	}
	room := columns - 1
	used, end := 0, 0 // end: where the line ends if an ellipsis must follow
	for i, r := range line {
		w := runeColumns(r)
		if used+w > room {
			if room == 0 {
				return ""
			}
			return line[:end] + "…"
		}
		if used += w; used < room {
			end = i + len(string(r))
		}
	}
	return line
}

// runeColumns is how many columns a rune takes on a terminal.
func runeColumns(r rune) int {
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
		return 0 // it combines with what stands before it
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// oneLine makes one line of a text, without what would move the cursor.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}
