package reports

import (
	"fmt"
	"sort"
	"strings"
)

// errorClasses lists the classes of failure, most frequent first.
func (r *Result) errorClasses() []string { return byCount(r.Errors) }

// statusText lists how many answers had each HTTP status, most frequent first; it is empty when that is not known.
func (r *Result) statusText() string {
	var parts []string
	for _, s := range byCount(r.Statuses) {
		parts = append(parts, fmt.Sprintf("%s: %d", s, r.Statuses[s]))
	}
	return strings.Join(parts, ", ")
}

func byCount(counts map[string]uint64) (names []string) {
	for name, n := range counts {
		if n > 0 {
			names = append(names, name)
		}
	}
	sort.Slice(names, func(i, j int) bool {
		a, b := names[i], names[j]
		return counts[a] > counts[b] || (counts[a] == counts[b] && a < b)
	})
	return names
}
