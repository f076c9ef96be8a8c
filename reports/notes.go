package reports

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// DelayedWarning begins the warning that the generator itself delayed requests. In result.json it stands among the
// warnings; an output for a person leaves it out where stallText says the same in more detail.
const DelayedWarning = "the generator itself delayed "

// notes are what a person has to keep in mind beside the figures and stallText: the run's warnings, and what follows
// from the figures alone.
func (r *Result) notes() (notes []string) {
	told := r.stallText() != ""
	for _, warning := range r.Warnings {
		if !told || !strings.HasPrefix(warning, DelayedWarning) {
			notes = append(notes, warning)
		}
	}
	if note := r.reconnectNote(); note != "" {
		notes = append(notes, note)
	}
	return notes
}

// reconnectShare is the share of the sent requests above which it is worth a note that they had to be sent again.
const reconnectShare = .01

// reconnectNote says that many requests had to be sent again; it is empty when they were few. Such requests look like
// single ones in every other figure, but a client that does not repeat them sees them fail.
func (r *Result) reconnectNote() string {
	t := &r.Totals
	if float64(t.Reconnects) <= reconnectShare*float64(t.Sent) {
		return ""
	}
	return fmt.Sprintf("%d of the %d requests that were sent (%s) had to be sent again, because the server closed the connection just as they were sent: a client that does not send again sees errors; gate resent < %.0f%% judges this",
		t.Reconnects, t.Sent, percent(float64(t.Reconnects)/float64(t.Sent)), 100*reconnectShare)
}

// attemptsText says how often the client tried, and after which failures again; "" when it tried each request once.
func (r *Result) attemptsText() string {
	t := &r.Totals
	if len(r.Retried) == 0 || t.Sent == 0 {
		return ""
	}
	var after []string
	for _, c := range slices.Sorted(maps.Keys(r.Retried)) {
		after = append(after, fmt.Sprintf("%d %s", r.Retried[c], c))
	}
	return fmt.Sprintf("%d, %.2f for each request; again after %s", t.Attempts, float64(t.Attempts)/float64(t.Sent), strings.Join(after, ", "))
}
