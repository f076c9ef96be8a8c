package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/seed-8025779b/shakedown/reports"
)

// faultScenario has a fault of 2 s, in which every request fails, and gates that fail for it.
const faultScenario = `version: 1
name: fault
objective: {p99: 3s, error_rate: 1%%, window: 1s}
topology:
  listeners: [{address: 127.0.0.1:0, rules: [{forward: web}]}]
  groups:
    web:
      health: {interval: 10s, timeout: 5s, healthy: 1, unhealthy: 5}
      targets: {count: 1, run: builtin}
      service: {time: {kind: constant, mean: 5ms}, concurrency: 64}
load:
  requests: [{get: /}]
  phases: [{name: a, %s, for: 10s}]
faults:
  - {id: err, at: 3s, for: 2s, kind: error, target: {group: web, count: 1}, share: 100%%, status: 503}
gates: [error_rate < 8%%, lost(err) < 50]
`

// validityOfFaults freezes the load generator while a fault is in force, so that requests miss it. A run that passes is
// wrong: undisturbed both gates fail.
func validityOfFaults(binary, only string) error {
	const format = "%-22s  %-20s  %-7s  %-7s  %s\n"
	fmt.Printf(format, "with a fault of 2 s", "disturbance", "failed", "invalid", "passed, which is wrong")
	for _, load := range []struct{ name, phase string }{
		{"open loop, 50/s", "rate: 50/s"}, {"closed loop, 8 users", "users: 8, think_time: 100ms"},
	} {
		for _, frozen := range []time.Duration{0, 500 * time.Millisecond, 2100 * time.Millisecond} {
			name := fmt.Sprintf("frozen for %d ms", frozen.Milliseconds())
			if !strings.Contains(load.name+", with a fault: "+name, only) {
				continue
			}
			verdicts, judged := map[reports.Verdict]int{}, []reports.Verdict{reports.Failed, reports.Invalid, reports.Passed}
			for i := range repeats {
				// What starts before the load takes 0.1 to 0.5 s: the freeze begins 2.8 to 3.6 s after the load, each time a
				// little later.
				v, err := playFault(binary, load.phase, 3300*time.Millisecond+time.Duration(i)*100*time.Millisecond, frozen)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", load.name, name, err)
				}
				if !slices.Contains(judged, v) {
					return fmt.Errorf("%s, %s: the verdict is %q", load.name, name, v)
				}
				verdicts[v]++
			}
			row := []any{load.name, name}
			for _, v := range judged {
				row = append(row, fmt.Sprint(verdicts[v]))
			}
			fmt.Printf(format, row...)
		}
	}
	return nil
}

// playFault plays the scenario once, and freezes the generator for a while after a time.
func playFault(binary, phase string, after, frozen time.Duration) (reports.Verdict, error) {
	dir, err := os.MkdirTemp("", "shakedown-bench-*")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	cmd := exec.Command(binary, "run", "-", "--quiet", "--format", "json", "--out", dir)
	cmd.Stdin = strings.NewReader(fmt.Sprintf(faultScenario, phase))
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		return "", err
	}
	if frozen > 0 {
		time.Sleep(after)
		if cmd.Process.Signal(syscall.SIGSTOP) == nil {
			time.Sleep(frozen)
			_ = cmd.Process.Signal(syscall.SIGCONT)
		}
	}
	_ = cmd.Wait() // its exit code is the verdict, which stands in the result
	text, err := os.ReadFile(filepath.Join(dir, "result.json"))
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, stderr.String())
	}
	var r reports.Result
	err = json.Unmarshal(text, &r)
	return r.Verdict, err
}
