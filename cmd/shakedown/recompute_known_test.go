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
	when  func(*played) bool // nil: always
}

func (k *known) is(x *played, path string) bool {
	return k.paths.MatchString(path) && (k.when == nil || k.when(x))
}

// elsewhere lists what does not follow from the requests.
var elsewhere = []known{
	{regexp.MustCompile(`^(schema|name|about|world|seed|reasons|warnings|environment|events|timeline|scaling)\b`), "names, texts and what the player did", nil},
	{regexp.MustCompile(`^(duration_ms|objective\..*|validity\.lag_limit_ms)$`), "recomputed from, not recomputed", nil},
	{regexp.MustCompile(`^(phases|windows|gates|faults)\.length$|^phases\[\d+\]\.(name|end_ms|discarded)$|^windows\[\d+\]\.end_ms$|^requests\[\d+\]\.name$`), "recomputed from, not recomputed", nil},
	{regexp.MustCompile(`^gates\[\d+\]\.(expr|limit|unit|note)$`), "recomputed from, not recomputed", nil},
	{regexp.MustCompile(`^validity\.(valid|reasons|generator_cpu|ceiling|stalled_ms|stalls)\b`), "what the generator noticed of itself", nil},
	{regexp.MustCompile(`^faults\[\d+\]\.(id|kind|targets|injected_ms|reverted_ms|hits|detect_ms|eject_ms|last_routed_ms)\b`), "what the balancer and the player noticed", nil},
	{regexp.MustCompile(`^balancer\.`), "counts of what has no request of the generator", nil},
	{regexp.MustCompile(`^targets\.length$|^targets\[\d+\]\.(id|group|address|generations|state_changes)\b`), "what the balancer and the processes said", nil},
	{regexp.MustCompile(`^targets\[\d+\]\.(requests|discarded|share)$`), "attempts: more than one a request, or unknown to the generator", nil},
	{regexp.MustCompile(`^faults\[\d+\]\.(lost|charged|expected|recover_ms|residual_ms|window)$`), "never injected", nil},
	{regexp.MustCompile(`^gates\[\d+\]\.lower$`), "of a fault or of the system, in a run whose generator stood still", nil},
}

// disputed lists figures that a result holds otherwise than its documents define them. They are recomputed by the
// documents, and a difference is told but does not fail: whoever mends one takes its line out.
var disputed = []known{
	{regexp.MustCompile(`^(phases|requests|windows)\[\d+\]\.totals\.retries$|^faults\[\d+\]\.window\.totals\.retries$`), "always 0: retries are not counted by period", nil},
	{regexp.MustCompile(`^totals\.retries$`), "counted by the balancer, which knows of attempts whose client had gone", silentAttempts},
	{regexp.MustCompile(`^faults\[\d+\]\.window\.rates\.succeeded$|^gates\[\d+\]\.observed$`), "in a window that the load's end cut off, successes after that end count as within it", (*played).windowCutOff},
	{regexp.MustCompile(`^(rates|requests\[\d+\]\.rates)\.succeeded$`), "what ends in the very instant in which a judged phase ends and a discarded one begins is within the phase, but not within the judged phases", nil},
	{regexp.MustCompile(`^phases\[\d+\]\.rates\.`), "of a stopped run: over the phase as planned, where gates take it as long as it lasted", (*played).stopped},
	{regexp.MustCompile(`^(rates|faults\[\d+\]\.window\.rates)\.planned$`), "of a stopped run: the whole plan's requests over the time until the stop", (*played).stopped},
	{regexp.MustCompile(`^requests\[\d+\]\.totals\.(planned|cancelled)$`), "of a stopped run: without the requests that were never offered, unlike everything else", (*played).stopped},
}

// silentAttempts reports whether the balancer told nothing of a request that was sent.
func silentAttempts(x *played) bool {
	return count(x.rows, func(r *row) bool { return r.sent.set && r.attempts == 0 }) > 0
}

// windowCutOff reports whether a fault's window runs to the end of the load.
func (x *played) windowCutOff() bool {
	return slices.ContainsFunc(x.faults(), func(f *fault) bool { return f.window.end == forever })
}

func knownIn(list []known, x *played, path string) (why string, ok bool) {
	for i := range list {
		if list[i].is(x, path) {
			return list[i].why, true
		}
	}
	return "", false
}

// compare compares a result with what it should be. Every leaf must have been recomputed or be listed as one that can't
// be, and every recomputed figure must be there. It returns what is wrong, and apart from that what is disputed.
func compare(x *played) (problems, differences []string, compared int) {
	c := x.recompute()
	for path, expect := range c {
		got, there := x.d[path]
		problem := expect(got)
		if problem == "" {
			continue
		}
		text := fmt.Sprintf("%s is %v: %s", path, brief(got, there), problem)
		if why, ok := knownIn(disputed, x, path); ok {
			differences = append(differences, text+" ("+why+")")
			continue
		}
		problems = append(problems, text)
	}
	for path := range x.d {
		if _, ok := c[path]; ok {
			continue
		}
		if _, ok := knownIn(elsewhere, x, path); !ok {
			problems = append(problems, path+" was not recomputed")
		}
	}
	slices.Sort(problems)
	slices.Sort(differences)
	return problems, differences, len(c)
}

// brief shows a leaf in few characters.
func brief(v any, there bool) any {
	const most = 40
	if text, ok := v.(string); ok && len(text) > most {
		return text[:most] + "…"
	}
	if !there {
		return "absent"
	}
	return v
}
