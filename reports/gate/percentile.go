package gate

import (
	"regexp"
	"strconv"
)

// percentileRule says how percentiles are written, for messages and references.
const percentileRule = "pN is the N-th percentile, N from 1 to 100, with decimals if need be (p50, p99, p99.9); p999, p9999 and p99999 stand for p99.9, p99.99 and p99.999; p100 is the maximum"

var percentile = regexp.MustCompile(`^p([1-9][0-9]?(?:\.[0-9]{1,3})?|100|99(9{1,3}))$`)

// quantile returns the quantile in (0, 1] of a metric such as p99, by percentileRule.
func quantile(name string) (float64, bool) {
	m := percentile.FindStringSubmatch(name)
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
