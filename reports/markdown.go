package reports

import (
	"fmt"
	"io"
	"strings"
)

// WriteMarkdown writes a summary for a CI job's page.
func WriteMarkdown(w io.Writer, r *Result) error {
	var b strings.Builder
	mark := map[bool]string{true: "pass", false: "**fail**"}
	fmt.Fprintf(&b, "## shakedown: %s %s\n\n", r.Name, r.Verdict)
	for _, reason := range r.Reasons {
		fmt.Fprintf(&b, "- %s\n", reason)
	}
	if len(r.Gates) > 0 {
		b.WriteString("\n| gate | observed | |\n|---|---|---|\n")
		for _, g := range r.Gates {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", g.Expr, g.ObservedText(), mark[g.Passed])
		}
	}
	b.WriteString("\n| requests | | response time | |\n|---|---|---|---|\n")
	t, l := r.Totals, r.Latency.Response
	for _, row := range [][4]string{
		{"planned", fmt.Sprint(t.Planned), "p50", Quantity(l.P50, "ms")},
		{"succeeded", fmt.Sprint(t.Succeeded), "p99", Quantity(l.P99, "ms")},
		{"failed", fmt.Sprint(t.Failed), "p99.9", Quantity(l.P999, "ms")},
		{"dropped", fmt.Sprint(t.Dropped), "max", Quantity(l.Max, "ms")},
	} {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", row[0], row[1], row[2], row[3])
	}
	for _, warning := range r.Warnings {
		fmt.Fprintf(&b, "\n> %s\n", warning)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
