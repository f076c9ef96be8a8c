package main

import (
	"bufio"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// overlapScenario has a slow target and a killed one at the same time, whose requests time out or are refused, then errors of
// all targets, and two phases that are not judged, one of them in the midst of a fault.
const overlapScenario = `
version: 1
name: overlap
seed: 7
objective: {p99: 300ms, error_rate: 5%, window: 500ms}
topology:
  groups:
    web:
      strategy: round_robin
      health: {interval: 200ms, timeout: 150ms, healthy: 1, unhealthy: 2}
      outliers: off
      retry: off
      targets: {count: 3}
      service: {time: {kind: exponential, mean: 15ms}, concurrency: 8, queue: 64}
client: {timeout: 400ms}
load:
  requests: [{get: /, weight: 3}, {post: /orders, body: abc}]
  phases:
    - {name: warm-up, rate: 100/s, for: 500ms, discard: true}
    - {name: main, rate: 300/s, for: 2s}
    - {name: pause, rate: 200/s, for: 700ms, discard: true}
    - {name: after, rate: 200/s, for: 1800ms}
faults:
  - {id: slow, at: main+400ms, for: 1900ms, kind: latency, delay: 420ms, jitter: 100ms, share: 50%, probes: false, target: {group: web, id: web-1}}
  - {id: gone, at: main+800ms, kind: kill, target: {group: web, id: web-2}, restart_after: 600ms}
  - {id: bad, at: after+500ms, for: 400ms, kind: error, status: 503, share: 30%, probes: false, target: {group: web, all: true}}
validity: {lag: 10s}
gates:
  - p99 < 500ms
  - error_rate[main] < 20%
  - lost(slow) < 500
  - recover(gone) < 6s
  - residual(slow) < 1ms
  - status(503)[bad] < 90%
  - rate[after] > 100/s
  - p90_all[gone] < 1s
  - p99[GET /] < 400ms
  - imbalance < 2
`

// triedScenario has clients that try again: what times out, is refused or is answered an error, with a budget that runs out.
const triedScenario = `
version: 1
name: tried
seed: 11
objective: {p99: 500ms, error_rate: 10%, window: 500ms}
topology:
  groups:
    web:
      strategy: round_robin
      retry: off
      outliers: off
      health: {interval: 200ms, timeout: 150ms, healthy: 1, unhealthy: 2}
      targets: {count: 3}
      service: {time: {kind: exponential, mean: 15ms}, concurrency: 8, queue: 64}
client: {timeout: 1s, retry: {attempts: 2, timeout: 200ms, backoff: 20ms, budget: 60%}}
load:
  requests: [{get: /, weight: 3}, {post: /orders, body: abc}]
  phases:
    - {name: warm-up, rate: 100/s, for: 500ms, discard: true}
    - {name: main, rate: 200/s, for: 2s}
    - {name: after, rate: 150/s, for: 1s}
faults:
  - {id: slow, at: main+200ms, for: 800ms, kind: latency, delay: 300ms, share: 50%, probes: false, target: {group: web, id: web-1}}
  - {id: gone, at: main+600ms, kind: kill, target: {group: web, id: web-2}, restart_after: 600ms}
  - {id: bad, at: main+1300ms, for: 500ms, kind: error, status: 503, share: 60%, probes: false, target: {group: web, all: true}}
validity: {lag: 10s}
gates:
  - p99 < 900ms
  - error_rate < 20%
  - amplification < 2
  - amplification[bad] < 3
  - resent < 5%
  - lost(bad) < 500
`

// fewScenario has more requests than its six connections carry to a slow backend: they wait, time out and are dropped.
const fewScenario = `
version: 1
name: few
seed: 3
objective: {p99: 500ms, error_rate: 10%, window: 500ms}
topology:
  groups:
    web:
      retry: off
      outliers: off
      health: {interval: 500ms, timeout: 400ms}
      targets: {count: 1}
      service: {time: {kind: exponential, mean: 100ms}, concurrency: 6, queue: unlimited}
client: {timeout: 300ms, connections: 6, min_attempt: 30ms}
load:
  requests: [{get: /}, {post: /x, body: abcdef}]
  phases:
    - {name: calm, rate: 30/s, for: 1s}
    - {name: short, rate: 120/s, for: 100ms, discard: true}
    - {name: burst, rate: 150/s, for: 1s}
    - {name: after, rate: 20/s, for: 1s}
validity: {lag: 10s}
gates: [p99 < 2s, "dropped[burst] < 1000", failed < 1000, error_rate < 90%, "mean_all[short] < 1s", status(2xx) > 10%, "max[calm] < 1ms"]
`

// drainScenario ends with the requests that a single target has not served yet; the other one was killed and stays away.
const drainScenario = `
version: 1
name: drain
seed: 1
objective: {p99: 100ms, error_rate: 1%, window: 500ms}
topology:
  groups:
    web: {targets: {count: 2}, retry: {attempts: 1, on: error}, outliers: off, service: {time: 50ms, concurrency: 4, queue: unlimited}}
load:
  arrivals: even
  phases: [{name: main, rate: 140/s, for: 3s}]
faults:
  - {id: dead, at: 1s, kind: kill, target: {group: web, id: web-1}}
gates: ["rate[main] > 10/s", "rate[dead] > 85/s", "recover(dead) < 1s"]
`

// edgeScenario has a request that ends in the very instant in which its phase does.
const edgeScenario = `
version: 1
name: edge
seed: 1
topology:
  groups:
    web: {targets: {count: 1}, service: {time: 15ms, concurrency: 8}}
load:
  arrivals: even
  phases:
    - {name: main, rate: 100/s, for: 1s}
    - {name: rest, rate: 50/s, for: 500ms, discard: true}
gates: ["rate[main] > 10/s", "rate > 10/s"]
`

// halvesScenario has half a request more than fits in its first open phase: it is due when the phase of users begins.
const halvesScenario = `
version: 1
name: halves
seed: 1
topology:
  groups:
    web: {targets: {count: 2}, service: {time: 5ms, concurrency: 8}}
load:
  arrivals: even
  phases:
    - {name: open, rate: 905/s, for: 500ms}
    - {name: closed, users: 4, think_time: 5ms, for: 500ms}
    - {name: again, rate: 205/s, for: 500ms}
gates: [error_rate < 1%]
`

// longScenario has so many windows that neighbours merge, but for those after a fault.
const longScenario = `
version: 1
name: long
seed: 2
objective: {p99: 200ms, error_rate: 5%, window: 400ms}
topology:
  groups:
    web:
      retry: off
      outliers: off
      health: {interval: 200ms, timeout: 150ms, healthy: 1, unhealthy: 2}
      targets: {count: 2}
      service: {time: {kind: exponential, mean: 20ms}, concurrency: 4, queue: 64}
client: {timeout: 1s}
load:
  phases:
    - {name: first, rate: 30/s, for: 10110ms}
    - {name: second, rate: {kind: ramp, from: 20/s, to: 40/s}, for: 40s}
faults:
  - {id: gone, at: second+28s, kind: kill, target: {group: web, id: web-2}, restart_after: 2s}
  - {id: slow, at: second+33s, for: 4s, kind: latency, delay: 300ms, share: 40%, target: {group: web, id: web-1}}
gates: ["p99[second] < 2s", "rate[slow] > 1/s", "recover(gone) < 20s"]
`

// backlogScenario has a fault from which a queue of requests keeps the system late for long: the objective holds again
// when windows elsewhere are wide, and those that follow the fault closely are over.
const backlogScenario = `
version: 1
name: backlog
seed: 6
objective: {p50: 200ms, error_rate: 5%, window: 400ms}
topology:
  groups:
    web:
      strategy: round_robin
      retry: off
      outliers: off
      health: off
      targets: {count: 1}
      service: {time: {kind: constant, mean: 40ms}, concurrency: 1, queue: unlimited}
client: {timeout: 30s}
load:
  arrivals: even
  phases:
    - {name: quiet, rate: 2/s, for: 290s}
    - {name: flood, rate: 60/s, for: 4s}
    - {name: busy, rate: 20/s, for: 40s}
    - {name: still, rate: 2/s, for: 30s}
faults:
  - {id: slow, at: flood+130ms, for: 5s, kind: latency, delay: 20ms, target: {group: web, count: 1}}
gates: ["recover(slow) < 60s", "rate[slow] > 1/s", "p99[slow] < 60s", "error_rate[slow] < 90%"]
`

// againScenario breaks its objective, meets it, and breaks it again while a fault is in force, and again when another one
// without an end is: of the first one the last recovery counts, of the second one the first.
const againScenario = `
version: 1
name: again
seed: 1
objective: {p99: 300ms, error_rate: 1%, window: 400ms}
topology:
  groups:
    web:
      strategy: round_robin
      health: off
      outliers: {consecutive: 1, eject_for: 900ms, max_eject_for: 900ms}
      targets: {count: 2}
      service: {time: 5ms}
client: {timeout: 1s}
load:
  arrivals: even
  phases: [{name: main, rate: 200/s, for: 12s}]
faults:
  - {id: ends, at: 1s, for: 3s, kind: error, status: 503, probes: false, target: {group: web, id: web-1}}
  - {id: stays, at: 6030ms, kind: error, status: 503, probes: false, target: {group: web, id: web-1}}
gates: [recover(ends) > 2s, residual(ends) < 1s, recover(stays) < 1s]
`

// haltedScenario is stopped in the midst of a fault.
const haltedScenario = `
version: 1
name: halted
seed: 9
objective: {p99: 300ms, error_rate: 5%, window: 400ms}
topology:
  groups:
    web:
      retry: off
      targets: {count: 2}
      service: {time: {kind: exponential, mean: 20ms}, concurrency: 4, queue: 64}
client: {timeout: 2s, connections: 8}
load:
  requests: [{get: /, weight: 3}, {post: /orders, body: abc}]
  phases:
    - {name: warm-up, rate: 50/s, for: 300ms, discard: true}
    - {name: main, rate: 150/s, for: 20s}
    - {name: late, rate: 100/s, for: 5s}
faults:
  - {id: slow, at: main+200ms, for: 10s, kind: latency, delay: 150ms, jitter: 50ms, share: 50%, probes: false, target: {group: web, id: web-1}}
  - {id: never, at: late+500ms, for: 1s, kind: error, target: {group: web, id: web-2}}
validity: {lag: 10s}
gates: [p99 < 2s, error_rate < 50%, "rate[main] > 1/s", "p99[late] < 1s", recover(slow) < 5s, lost(never) < 5]
`

// stalledScenario has a client that gives up sooner than its generator is stopped for.
const stalledScenario = `
version: 1
name: stalled
seed: 4
topology:
  groups:
    web:
      retry: off
      outliers: off
      targets: {count: 2}
      service: {time: {kind: exponential, mean: 15ms}, concurrency: 16, queue: unlimited}
client: {timeout: 200ms}
load:
  arrivals: even
  phases: [{name: main, rate: 200/s, for: 3s}]
gates: [p50 < 1s, p99_all < 2s, error_rate < 30%, failed < 1000, dropped < 1000, mean < 1s, rate > 10/s, status(200) > 10%]
`

// rehearsal is a run that is recomputed.
type rehearsal struct {
	name  string
	play  func(t *testing.T) *played
	needs []string // figures that must not be 0, or the run does not show what it is for
}

func rehearsals() []rehearsal {
	sim := func(text string) func(*testing.T) *played {
		return func(t *testing.T) *played { return playScenario(t, text, nil, "--world", "sim") }
	}
	live := func(text string, act func(*testing.T, *exec.Cmd)) func(*testing.T) *played {
		return func(t *testing.T) *played { return playScenario(t, text, act) }
	}
	file := func(name string, args ...string) func(*testing.T) *played {
		return func(t *testing.T) *played {
			text, err := os.ReadFile(filepath.Join("testdata", name))
			if err != nil {
				t.Fatal(err)
			}
			return playScenario(t, string(text), nil, args...)
		}
	}
	return []rehearsal{
		{"simulated first run", func(t *testing.T) *played {
			return playCommand(t, command(t, "run", "first-run", "--world", "sim", "--seed", "4"), nil)
		}, []string{"totals.succeeded", "faults[0].charged"}},
		{"simulated overlap", sim(overlapScenario), []string{"faults[0].charged", "faults[1].charged", "faults[2].charged", "faults[0].recover_ms"}},
		{"simulated closed loop", file("closed.yaml", "--world", "sim"), []string{"totals.succeeded"}},
		{"simulated few connections", sim(fewScenario), []string{"totals.dropped", "totals.failed", "parts.wait.count"}},
		{"simulated scale-out", file("everything.yaml", "--world", "sim"), []string{"faults[2].charged"}},
		{"simulated limits", file("limits.yaml", "--world", "sim"), []string{"statuses.429"}},
		{"simulated drain", sim(drainScenario), []string{"drain_ms", "totals.retries"}},
		{"simulated edge", sim(edgeScenario), []string{"totals.succeeded"}},
		{"simulated halves", sim(halvesScenario), []string{"totals.succeeded"}},
		{"simulated long run", sim(longScenario), []string{"faults[0].charged", "faults[1].recover_ms"}},
		{"simulated again", sim(againScenario), []string{"faults[0].recover_ms", "faults[0].charged", "faults[1].recover_ms"}},
		{"simulated backlog", sim(backlogScenario), []string{"faults[0].recover_ms", "faults[0].residual_ms"}},
		{"simulated client retries", sim(triedScenario), []string{"retried.first_byte_timeout", "retried.status_5xx", "errors.status_5xx"}},
		{"live client retries", live(triedScenario, nil), []string{"retried.first_byte_timeout", "retried.status_5xx", "errors.status_5xx"}},
		{"live overlap", live(overlapScenario, nil), []string{"faults[0].charged", "faults[1].charged", "faults[2].charged", "parts.connect.count"}},
		{"live closed loop", file("closed.yaml"), []string{"totals.succeeded"}},
		{"live few connections", live(fewScenario, nil), []string{"totals.dropped", "totals.failed", "parts.wait.count"}},
		{"live interrupt", live(haltedScenario, interruptRun), []string{"totals.cancelled", "totals.succeeded"}},
		{"live stall", live(stalledScenario, stallGenerator), []string{"validity.stalled_requests", "totals.failed"}},
		{"live TLS", attackServer((*httptest.Server).StartTLS, "--rate", "200/s", "--insecure", "--requests-per-connection", "7", "--method", "POST", "--body", "hello"),
			[]string{"parts.tls.count", "bytes.in", "bytes.out", "totals.failed"}},
		{"live vegeta", attackServer((*httptest.Server).Start, "--rate", "200/s", "--engine", "vegeta"), []string{"bytes.in", "totals.failed", "statuses.999"}},
		{"live users", attackServer((*httptest.Server).Start, "--users", "5", "--think-time", idle.String()), []string{"bytes.in", "totals.failed", "statuses.999"}},
	}
}

// playScenario plays a scenario; act is called when its load has gone on for a second.
func playScenario(t *testing.T, text string, act func(*testing.T, *exec.Cmd), args ...string) *played {
	t.Helper()
	path := filepath.Join(t.TempDir(), "scenario.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return playCommand(t, command(t, append([]string{"run", path}, args...)...), act)
}

// playCommand runs a command that plays something, and reads what it wrote.
func playCommand(t *testing.T, cmd *exec.Cmd, act func(*testing.T, *exec.Cmd)) *played {
	t.Helper()
	cmd.Args = append(cmd.Args, "--out", "out", "--format", "json,samples")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := ""
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		said += lines.Text() + "\n"
		if act != nil && strings.Contains(lines.Text(), " under way") { // the first line of progress
			act(t, cmd)
			act = nil
		}
	}
	_ = cmd.Wait() // the verdict is part of what is recomputed
	out := filepath.Join(cmd.Dir, "out")
	d, err := readDocument(filepath.Join(out, "result.json"))
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	rows, err := readRows(filepath.Join(out, "samples.csv"))
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	return &played{d, rows}
}

func interruptRun(t *testing.T, cmd *exec.Cmd) {
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Error(err)
	}
}

// stallGenerator stops the load generator for a while, and nothing else.
func stallGenerator(t *testing.T, cmd *exec.Cmd) {
	const length = 300 * time.Millisecond // what is tested, not a wait for something
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Error(err)
	}
	time.Sleep(length)
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Error(err)
	}
}

// idle is how long the server of attackServer keeps a connection that is idle. Users who pause as long find theirs closed
// now and then, and the request is sent again.
const idle = 12 * time.Millisecond

// attackServer returns a run against a server that answers with a body, now and then with an error, and at times not
// at all.
func attackServer(start func(*httptest.Server), args ...string) func(*testing.T) *played {
	return func(t *testing.T) *played {
		var n atomic.Int64
		srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			switch i := n.Add(1); {
			case i%19 == 0:
				panic(http.ErrAbortHandler)
			case i%17 == 0:
				w.WriteHeader(999)
			case i%13 == 0:
				http.Error(w, "not now", http.StatusServiceUnavailable)
			default:
				_, _ = w.Write([]byte("an answer"))
			}
		}))
		srv.Config.IdleTimeout = idle
		srv.Config.ErrorLog = log.New(io.Discard, "", 0) // connections that are closed on purpose
		start(srv)
		defer srv.Close()
		args := append([]string{"attack", srv.URL, "--for", "1s", "--gate", "p99 < 1s", "--gate", "status(5xx) < 50%"}, args...)
		return playCommand(t, command(t, args...), nil)
	}
}
