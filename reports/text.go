package reports

import "fmt"

// Quantity writes a gate's number with its unit, to three digits or so.
func Quantity(v float64, unit string) string {
	switch unit {
	case "ms":
		switch {
		case v >= 1000:
			return fmt.Sprintf("%.2f s", v/1000)
		case v >= 10:
			return fmt.Sprintf("%.0f ms", v)
		case v == 0:
			return "0 ms"
		case v < .1:
			return fmt.Sprintf("%.0f µs", v*1000)
		}
		return fmt.Sprintf("%.2f ms", v)
	case "%":
		return fmt.Sprintf("%.2f %%", v)
	case "/s":
		return fmt.Sprintf("%.1f/s", v)
	}
	return fmt.Sprintf("%.4g", v)
}
