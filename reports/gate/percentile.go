package gate

import (
	"math"
	"regexp"
	"strconv"
	"strings"
)

// percentileRule says how percentiles are written, for messages and references.
const percentileRule = "pN is the N-th percentile, N from 1 to 100, with decimals if need be (p50, p99, p99.9); p999, p9999 and p99999 stand for p99.9, p99.99 and p99.999; p100 is the maximum"

var percentile = regexp.MustCompile(`^p([1-9][0-9]?(?:\.[0-9]{1,3})?|100|99(9{1,3}))$`)

// Quantile returns the quantile in (0, 1] of a percentile's name, such as .99 for p99 and p99_all; 1 is the maximum.
// ok is false for every other metric.
func Quantile(metric string) (q float64, ok bool) {
	base, _ := strings.CutSuffix(metric, "_all")
	m := percentile.FindStringSubmatch(base)
	if m == nil {
		return 0, false
	}
	text := m[1]
	if m[2] != "" {
		text = "99." + m[2]
	}
	n, err := strconv.ParseFloat(text, 64)
	return n / 100, err == nil
}

// Beyond is how many requests must lie beyond a percentile for it to be more than the luck of a few.
const Beyond = 20

// Needed returns how many requests it takes until Beyond of them lie beyond the quantile q: Beyond / (1 − q), rounded
// up. It is 0 for the maximum, q = 1, beyond which none can lie.
func Needed(q float64) uint64 {
	if q >= 1 {
		return 0
	}
	const rounding = 1e-9 // 1 − .99 is a little more than .01
	return uint64(math.Ceil(Beyond / (1 - q) * (1 - rounding)))
}
