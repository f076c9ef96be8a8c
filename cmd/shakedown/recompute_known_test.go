package main

import (
	"fmt"
	"regexp"
	"slices"
)

// known is a part of a result, and why its figures are not compared.
type known struct {
	paths *regexp.Regexp
	why   string
	when  func(x *played, path string) bool // nil: always
}

func (k *known) is(x *played, path string) bool {
	return k.paths.MatchString(path) && (k.when == nil || k.when(x, path))
}

// elsewhere lists what does not follow from the requests.
var elsewhere = []known{
	{regexp.MustCompile(`^(schema|name|about|world|seed|reasons|warnings|environment|events|timeline|scaling)\b`), "names, texts and what the player did", nil},
	{regexp.MustCompile(`^scenario\b`), "the plan", nil},
	{regexp.MustCompile(`^(duration_ms|objective\..*|validity\.lag_limit_ms)$`), "recomputed from, not recomputed", nil},
	{regexp.MustCompile(`^(phases|windows|gates|faults)\.length$|^phases\[\d+\]\.(name|end_ms|discarded)$|^windows\[\d+\]\.(end_ms|discarded)$|^requests\[\d+\]\.name$`), "recomputed from, not recomputed", nil},
	{regexp.MustCompile(`^gates\[\d+\]\.(expr|limit|unit|note|why)$`), "recomputed from, not recomputed", nil},
	{regexp.MustCompile(`^validity\.(valid|reasons|generator_cpu|ceiling|stalled_ms|drained_ms|stalls)\b`), "what the generator noticed of itself", nil},
	{regexp.MustCompile(`^faults\[\d+\]\.(id|kind|targets|injected_ms|reverted_ms|hits|detect_ms|eject_ms|last_routed_ms)\b`), "what the balancer and the player noticed", nil},
	{regexp.MustCompile(`^balancer\.`), "counts of what has no request of the generator", nil},
	{regexp.MustCompile(`^targets\.length$|^targets\[\d+\]\.(expected|id|group|address|generations|state_changes)\b`), "what the balancer and the processes said", nil},
	{regexp.MustCompile(`^targets\[\d+\]\.(requests|discarded|share)$`), "attempts: more than one a request, or unknown to the generator", nil},
	{regexp.MustCompile(`^faults\[\d+\]\.(lost|charged|expected|recover_ms|residual_ms|window)$`), "never injected", nil},
	{regexp.MustCompile(`^gates\[\d+\]\.lower$`), "of a fault, of the system or of a closed loop, in a run whose generator stood still: without that time", nil},
}

// unknown lists figures that the samples tell only a part of. They are not compared, though they have been recomputed.
var unknown = []known{
	{regexp.MustCompile(`^((phases|requests|windows)\[\d+\]\.|faults\[\d+\]\.window\.)?totals\.retries$`), "the balancer did not tell of every attempt", silentAttempts},
}

// silentAttempts reports whether the balancer told nothing of a request that was sent.
func silentAttempts(x *played, _ string) bool {
	return countRows(x.rows, func(r *sampleRow) bool { return r.sent.set && r.attempts == 0 }) > 0
}

func isKnown(list []known, x *played, path string) bool {
	return slices.ContainsFunc(list, func(k known) bool { return k.is(x, path) })
}

// compare compares a result with what it should be. Every leaf must have been recomputed or be listed as one that can't
// be, and every recomputed figure must be there. It returns what is wrong.
func compare(x *played) (problems []string, compared int) {
	c := x.recompute()
	for path, expect := range c {
		got, there := x.d[path]
		problem := expect(got)
		if problem == "" {
			continue
		}
		text := fmt.Sprintf("%s is %v: %s", path, shorten(got, there), problem)
		if !isKnown(unknown, x, path) {
			problems = append(problems, text)
		}
	}
	for path := range x.d {
		if _, ok := c[path]; ok {
			continue
		}
		if !isKnown(elsewhere, x, path) {
			problems = append(problems, path+" was not recomputed")
		}
	}
	slices.Sort(problems)
	return problems, len(c)
}

// brief shows a leaf in few characters.
func shorten(v any, there bool) any {
	const most = 40
	if text, ok := v.(string); ok && len(text) > most {
		return text[:most] + "…"
	}
	if !there {
		return "absent"
	}
	return v
}
