package reports

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Quantity writes a number with its unit for a person, to three digits or so. Counts, which have no unit, are written in
// full.
func Quantity(v float64, unit string) string {
	switch unit {
	case "ms":
		switch size := math.Abs(v); {
		case size >= 1000:
			return fmt.Sprintf("%.2f s", v/1000)
		case size >= 10:
			return fmt.Sprintf("%.0f ms", v)
		case v == 0:
			return "0 ms"
		case size < .1:
			return fmt.Sprintf("%.0f µs", v*1000)
		}
		return fmt.Sprintf("%.2f ms", v)
	case "%":
		return fmt.Sprintf("%.2f %%", v)
	case "/s":
		return fmt.Sprintf("%.1f/s", v)
	}
	return number(v)
}

// leastNumber is the least number that is told from 0: the rounding of sums leaves less.
const leastNumber = 1e-9

// number writes a number without a unit: a whole one, and the whole part of a large one, with every digit.
func number(v float64) string {
	if math.Abs(v) < leastNumber {
		return "0"
	}
	if v == math.Trunc(v) || math.Abs(v) >= 1000 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return fmt.Sprintf("%.4g", v)
}

// percent writes a share.
func percent(share float64) string { return Quantity(share*100, "%") }

// at writes an instant of the run.
func at(ms float64) string { return fmt.Sprintf("%.2f s", ms/1000) }

// duration writes how long something took: in whole seconds where it took some.
func duration(ms float64) string {
	switch {
	case ms >= 10_000:
		return fmt.Sprintf("%.0f s", ms/1000)
	case ms >= 1000:
		return strconv.FormatFloat(math.Round(ms/100)/10, 'f', -1, 64) + " s"
	}
	return Quantity(ms, "ms")
}

// short writes a duration as a person would: 2 s, 400 ms.
func short(d time.Duration) string {
	if d >= time.Second && d < time.Minute {
		return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + " s"
	}
	if d < time.Second && d >= time.Millisecond {
		return strconv.FormatFloat(MS(d), 'f', -1, 64) + " ms"
	}
	return d.String()
}

// size writes a number of bytes.
func size(n int64) string {
	v := float64(n)
	for _, unit := range []string{"B", "kB", "MB", "GB"} {
		if v < 1000 {
			return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0") + " " + unit
		}
		v /= 1000
	}
	return fmt.Sprintf("%.1f TB", v)
}

// count writes a number with thin spaces between thousands.
func count(n uint64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}

// Plural writes a number with a noun, for texts that are read by programs too.
func Plural(n int64, noun string) string {
	s := fmt.Sprintf("%d %s", n, noun)
	if n != 1 {
		s += "s"
	}
	return s
}
