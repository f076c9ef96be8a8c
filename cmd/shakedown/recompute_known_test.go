package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
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
	{regexp.MustCompile(`^(duration_ms|objective\..*|validity\.lag_limit_ms)$`), "recomputed from, not recomputed", nil},
	{regexp.MustCompile(`^(phases|windows|gates|faults)\.length$|^phases\[\d+\]\.(name|end_ms|discarded)$|^windows\[\d+\]\.(end_ms|discarded)$|^requests\[\d+\]\.name$`), "recomputed from, not recomputed", nil},
	{regexp.MustCompile(`^gates\[\d+\]\.(expr|limit|unit|note)$`), "recomputed from, not recomputed", nil},
	{regexp.MustCompile(`^validity\.(valid|reasons|generator_cpu|ceiling|stalled_ms|stalls)\b`), "what the generator noticed of itself", nil},
	{regexp.MustCompile(`^faults\[\d+\]\.(id|kind|targets|injected_ms|reverted_ms|hits|detect_ms|eject_ms|last_routed_ms)\b`), "what the balancer and the player noticed", nil},
	{regexp.MustCompile(`^balancer\.`), "counts of what has no request of the generator", nil},
	{regexp.MustCompile(`^targets\.length$|^targets\[\d+\]\.(expected|id|group|address|generations|state_changes)\b`), "what the balancer and the processes said", nil},
	{regexp.MustCompile(`^targets\[\d+\]\.(requests|discarded|share)$`), "attempts: more than one a request, or unknown to the generator", nil},
	{regexp.MustCompile(`^faults\[\d+\]\.(lost|charged|expected|recover_ms|residual_ms|window)$`), "never injected", nil},
	{regexp.MustCompile(`^gates\[\d+\]\.lower$`), "of a fault, of the system or of a closed loop, in a run whose generator stood still: without that time", nil},
}

// disputed lists figures that a result holds otherwise than its documents define them. They are recomputed by the
// documents; a difference is logged and fails nothing. Once a figure is right its line here has no effect and can go.
var disputed = []known{
	{regexp.MustCompile(`^(phases|requests|windows)\[\d+\]\.totals\.retries$|^faults\[\d+\]\.window\.totals\.retries$`), "always 0: retries are not counted by period", nil},
	{regexp.MustCompile(`^totals\.retries$`), "counted by the balancer, which knows of attempts whose client had gone", silentAttempts},
	{regexp.MustCompile(`^(faults\[\d+\]\.window\.rates\.succeeded|gates\[\d+\]\.observed)$`), "successes after the end of a window that the load's end cut off count as within it", cutOff},
	{regexp.MustCompile(`^(rates\.succeeded|requests\[\d+\]\.rates\.succeeded|gates\[\d+\]\.observed)$`), "an end in the very instant in which a judged phase gives way to a discarded one is within the phase, but not within what is judged", onTheEdge},
	{regexp.MustCompile(`^faults\[\d+\]\.window\.rates\.succeeded$`), "an end in the very instant in which a fault's window ends is within no fault's window, but within a phase", onAFaultsEdge},
	{regexp.MustCompile(`^((phases|windows)\[\d+\]\.|faults\[\d+\]\.window\.)?(totals|rates)\.planned$|^targets\[\d+\]\.`), "a request of the schedule that is due when a phase of users begins is counted twice: by the schedule, and as one of the closed loop", countedTwice},
	{regexp.MustCompile(`^((phases|windows)\[\d+\]\.|faults\[\d+\]\.window\.)?totals\.planned$`), "requests that were due between the stop and the end of a fault in force then are planned, and have no outcome", stoppedRun},
	{regexp.MustCompile(`^phases\[\d+\]\.rates\.`), "over the phase as planned, where gates take it as long as it lasted until the run was stopped", stoppedRun},
	{regexp.MustCompile(`^(rates|faults\[\d+\]\.window\.rates)\.planned$`), "requests of the whole plan over the time until the run was stopped", stoppedRun},
}

func stoppedRun(x *played, _ string) bool { return x.stopped() }

// silentAttempts reports whether the balancer told nothing of a request that was sent.
func silentAttempts(x *played, _ string) bool {
	return countRows(x.rows, func(r *sampleRow) bool { return r.sent.set && r.attempts == 0 }) > 0
}

// ratesWindow returns the window of a gate on a rate; ok is false for another gate.
func (x *played) ratesWindow(path string) (window string, ok bool) {
	gate, _, _ := strings.Cut(path, ".")
	return x.d.text(gate + ".window"), x.d.text(gate+".metric") == "rate"
}

// cutOff reports whether a path tells of a fault's window that runs to the end of the load.
func cutOff(x *played, path string) bool {
	window, gate := x.ratesWindow(path)
	return slices.ContainsFunc(x.faults(), func(f *injectedFault) bool {
		return f.window.end == noEnd && (strings.HasPrefix(path, f.path+".") || gate && window == f.id)
	})
}

// onTheEdge reports whether a request that is judged ended where a judged phase gives way to one that is not, and
// whether a path tells of all judged phases.
func onTheEdge(x *played, path string) bool {
	window, gate := x.ratesWindow(path)
	if strings.HasPrefix(path, "gates") && (!gate || slices.ContainsFunc(x.phases(), func(p playedPhase) bool { return p.name == window })) {
		return false
	}
	return slices.ContainsFunc(x.phases(), func(p playedPhase) bool {
		return !p.discarded && countRows(x.rows, func(r *sampleRow) bool { return r.succeeded && r.done.at == p.end }) > 0
	})
}

// onAFaultsEdge reports whether a request ended in the very instant in which the window did that a path tells of.
func onAFaultsEdge(x *played, path string) bool {
	end := x.d.instant(strings.TrimSuffix(path, "rates.succeeded") + "end_ms")
	return countRows(x.rows, func(r *sampleRow) bool { return r.succeeded && r.done.at == end }) > 0
}

// countedTwice reports whether a request of the schedule is due in a phase of users.
func countedTwice(x *played, _ string) bool {
	users := map[string]bool{}
	for i := range x.rows {
		users[x.rows[i].phase] = users[x.rows[i].phase] || x.rows[i].seq >= closedNumbers
	}
	return countRows(x.rows, func(r *sampleRow) bool { return r.seq < closedNumbers && users[r.phase] }) > 0
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
		text := fmt.Sprintf("%s is %v: %s", path, shorten(got, there), problem)
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
