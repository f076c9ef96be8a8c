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
		{"planned", fmt.Sprint(t.Planned), "p50", l.Milliseconds(l.P50)},
		{"succeeded", fmt.Sprint(t.Succeeded), "p99", l.Milliseconds(l.P99)},
		{"failed", fmt.Sprint(t.Failed), "p99.9", l.Milliseconds(l.P999)},
		{"dropped", fmt.Sprint(t.Dropped), "max", l.Milliseconds(l.Max)},
	} {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", row[0], row[1], row[2], row[3])
	}
	for _, warning := range r.Warnings {
		fmt.Fprintf(&b, "\n> %s\n", warning)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
