package reports

import (
	"fmt"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
)

// collapse is the error rate, in percent, above which a run has failed whatever is asked of it.
const collapse = 50

// Collapse is the reason why a run with such requests has failed, unless a gate on error_rate passes; it is empty when
// at most half of them failed.
func Collapse(t *measure.Tally) string {
	rate := measure.Percent(t.Failed+t.Dropped, t.Finished())
	if rate <= collapse {
		return ""
	}
	return fmt.Sprintf("%.1f %% of the requests failed: above %d %% a run has failed, unless a gate on error_rate passes", rate, collapse)
}
