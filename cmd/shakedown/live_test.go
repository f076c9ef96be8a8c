package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/balancer/autoscale"
	"github.com/seed-8025779b/shakedown/reports"
	"github.com/seed-8025779b/shakedown/scenarios"
)

func readResult(t testing.TB, dir string) *reports.Result {
	t.Helper()
	r, err := reports.Read(filepath.Join(dir, "result.json"))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// playFile plays a scenario of testdata and returns its result and exit code.
func playFile(t testing.TB, file string, args ...string) (*reports.Result, int, string) {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	cmd := command(t, append([]string{"run", path, "--out", "out"}, args...)...)
	out, err := cmd.CombinedOutput()
	if exit, ok := err.(*exec.ExitError); err != nil && !ok {
		t.Fatalf("%v", exit)
	}
	return readResult(t, filepath.Join(cmd.Dir, "out")), cmd.ProcessState.ExitCode(), string(out)
}

// checkSums checks what always holds between the counts of a result.
func checkSums(t *testing.T, r *reports.Result) {
	t.Helper()
	check := func(where string, x reports.Totals) {
		if x.Planned != x.Sent+x.Dropped+x.Cancelled || x.Sent != x.Succeeded+x.Failed {
			t.Errorf("%s: %+v", where, x)
		}
	}
	check("totals", r.Totals)
	var phases, windows, all uint64
	for _, p := range r.Phases {
		check("phase "+p.Name, p.Totals)
		all += p.Totals.Planned
		if !p.Discarded {
			phases += p.Totals.Planned
		}
	}
	for _, w := range r.Windows {
		check("window "+w.Name, w.Totals)
		windows += w.Totals.Planned
	}
	if phases != r.Totals.Planned || windows != all {
		t.Errorf("planned: %d in judged phases, %d in totals; %d in all phases, %d in windows", phases, r.Totals.Planned, all, windows)
	}
	if n := r.Histograms.Response.Count(); uint64(n) != r.Totals.Succeeded {
		t.Errorf("the histogram holds %d of %d successes", n, r.Totals.Succeeded)
	}
}

// checkAttempts checks that the balancer's counts agree with the generator's, in a run in which the
// balancer lived and always had a target.
func checkAttempts(t *testing.T, r *reports.Result) {
	t.Helper()
	var attempts uint64
	for _, x := range r.Targets {
		attempts += x.Requests
	}
	if r.Balancer == nil || r.Balancer.Unrouted != 0 || attempts != r.Totals.Sent+r.Totals.Retries {
		t.Errorf("the balancer counted %d attempts, of %d sent and %d retries: %+v", attempts, r.Totals.Sent, r.Totals.Retries, r.Balancer)
	}
}

// checkEverything checks the result of testdata/everything.yaml, whichever world it was played in.
func checkEverything(t *testing.T, r *reports.Result) {
	t.Helper()
	checkSums(t, r)
	checkAttempts(t, r)
	fault := func(id string) reports.Fault {
		for _, f := range r.Faults {
			if f.ID == id {
				return f
			}
		}
		t.Fatalf("no fault %s", id)
		return reports.Fault{}
	}
	kill := fault("kill-one")
	if kill.Hits != 1 || kill.DetectMS == nil || kill.EjectMS == nil || kill.RecoverMS == nil || kill.RevertedMS == nil {
		t.Errorf("kill: %+v", kill)
	}
	if f := fault("slow"); f.Hits == 0 || f.RevertedMS == nil {
		t.Errorf("slow: %+v", f)
	}
	if f := fault("errors"); f.Hits == 0 || f.RevertedMS == nil || f.Lost == 0 {
		t.Errorf("errors: %+v", f)
	}
	// The killed process was really gone, and the next generation took traffic.
	victim := r.Targets[slices.IndexFunc(r.Targets, func(x reports.Target) bool { return x.ID == kill.Targets[0] })]
	if len(victim.Generations) != 2 || victim.Generations[0].Exit != "signal: killed" || victim.Generations[1].Served == nil || *victim.Generations[1].Served == 0 {
		t.Errorf("victim: %+v", victim.Generations)
	}
	if !slices.ContainsFunc(r.Events, func(e reports.Event) bool {
		return e.Kind == "exited" && e.Target == victim.ID && e.Fault == "kill-one" && strings.Contains(e.Detail, "signal: killed")
	}) {
		t.Error("its exit is not in the events")
	}
	// The scale-out really happened, stage by stage.
	if len(r.Scaling) != 1 || len(r.Scaling[0].Waterfall) == 0 {
		t.Fatalf("scaling: %+v", r.Scaling)
	}
	w := r.Scaling[0].Waterfall[0]
	last := -1.
	for i, stage := range []*float64{w.BreachMS, w.DecidedMS, w.LaunchedMS, w.BootedMS, w.InServiceMS, w.FirstRequest} {
		if stage == nil || *stage < last {
			t.Fatalf("stage %d of %+v", i, w)
		}
		last = *stage
	}
	// The scale-in drained a server that then ended by itself.
	if !slices.ContainsFunc(r.Targets, func(x reports.Target) bool {
		n := len(x.Changes)
		return n > 1 && x.Changes[n-2].To == "draining" && x.Changes[n-1].To == "gone" && x.Generations[len(x.Generations)-1].Exit == "exit status 0"
	}) {
		t.Error("no server was drained and stopped")
	}
	for _, p := range r.Phases {
		if p.Name == "quiet" && p.Totals.Failed+p.Totals.Dropped > 0 {
			t.Errorf("the scale-in lost requests: %+v", p.Totals)
		}
	}
	replay(t, r)
}

// replay makes a run's scaling decisions again from its recorded signals.
func replay(t *testing.T, r *reports.Result) {
	t.Helper()
	d, err := scenarios.Decode(scenarios.Source{Name: "resolved", Text: r.Scenario})
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range r.Scaling {
		var signals []autoscale.Signal
		for _, x := range s.Decisions {
			signals = append(signals, x.Signal)
		}
		again, err := autoscale.Replay(d.Scenario.Scaling[i].Policy, signals)
		if err != nil {
			t.Fatal(err)
		}
		if len(again) == 0 {
			t.Fatal("no decision was recorded")
		}
		for j := range again {
			if again[j] != s.Decisions[j].Decision {
				t.Errorf("decision %d was %+v, replayed %+v", j, s.Decisions[j].Decision, again[j])
			}
		}
	}
}

func TestEverythingLive(t *testing.T) {
	r, code, out := playFile(t, "everything.yaml")
	if code != exitPassed || r.Verdict != reports.Passed {
		t.Fatalf("exit code %d, %s %v\n%s", code, r.Verdict, r.Reasons, out)
	}
	checkEverything(t, r)
	// What the targets served themselves agrees with what the balancer counted.
	for _, x := range r.Targets {
		if len(x.Generations) == 1 && *x.Generations[0].Served > x.Requests+x.Discarded {
			t.Errorf("%s served %d of %d", x.ID, *x.Generations[0].Served, x.Requests+x.Discarded)
		}
	}
}

func TestEverythingSimulated(t *testing.T) {
	r, code, out := playFile(t, "everything.yaml", "--world", "sim")
	if code != exitPassed {
		t.Fatalf("exit code %d, %s %v\n%s", code, r.Verdict, r.Reasons, out)
	}
	checkEverything(t, r)
	again, _, _ := playFile(t, "everything.yaml", "--world", "sim")
	other, _, _ := playFile(t, "everything.yaml", "--world", "sim", "--seed", "8")
	if a, b := bare(t, r), bare(t, again); a != b {
		t.Error("one seed gave two results")
	}
	if a, b := bare(t, r), bare(t, other); a == b {
		t.Error("two seeds gave one result")
	}
}

// bare is a result without its environment.
func bare(t *testing.T, r *reports.Result) string {
	t.Helper()
	r.Environment = reports.Environment{}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Closed loops count what they sent, in both worlds: four users with 10 ms of service and 10 ms of thought
// make at most 200 requests a second, and the system's eight slots at most 800.
func TestClosedLoop(t *testing.T) {
	for _, world := range []string{"live", "sim"} {
		r, code, out := playFile(t, "closed.yaml", "--world", world)
		if code != exitPassed {
			t.Fatalf("%s: exit code %d\n%s", world, code, out)
		}
		checkSums(t, r)
		checkAttempts(t, r)
		for _, tc := range []struct {
			phase int
			most  float64
		}{{2, 200}, {3, 800}} {
			p := r.Phases[tc.phase]
			// One more for each user than the rate allows: those on their way at the end.
			if n := float64(p.Totals.Succeeded); n > tc.most+20 || n < tc.most/20 || p.Totals.Planned != p.Totals.Succeeded {
				t.Errorf("%s, %s: %+v", world, p.Name, p.Totals)
			}
			if world == "sim" && math.Abs(float64(p.Totals.Succeeded)-tc.most) > 20 {
				t.Errorf("simulated %s: %d requests, want %v", p.Name, p.Totals.Succeeded, tc.most)
			}
		}
		if !strings.Contains(strings.Join(r.Warnings, " "), "throughput") {
			t.Errorf("%s: the report does not say what a closed loop measures", world)
		}
	}
}

// A generator that was stopped for a second can't be trusted where that may have turned a gate, or where no gate
// says what matters. A gate that comes out the same either way is judged, and the report tells of the stop.
func TestStoppedGenerator(t *testing.T) {
	for name, tc := range map[string]struct {
		gate, says string
		code       int
	}{
		"a gate that it may have turned": {"p99 < 200ms", "gate p99 < 200ms can't be judged", exitInvalid},
		"no gate":                        {"", "the generator itself was late or stood still", exitInvalid},
		"a gate that it does not touch":  {"error_rate < 1%", "the generator itself delayed", exitPassed},
		"a gate that fails either way":   {"rate > 1000/s", "the generator itself delayed", exitFailed},
	} {
		t.Run(name, func(t *testing.T) {
			var seen atomic.Int64
			srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { seen.Add(1) }))
			defer srv.Close()
			args := []string{"attack", srv.URL, "--rate", "200/s", "--for", "3s", "--out", "out", "--quiet"}
			if tc.gate != "" {
				args = append(args, "--gate", tc.gate)
			}
			cmd := command(t, args...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			await(t, "requests", func() bool { return seen.Load() > 50 })
			_ = cmd.Process.Signal(syscall.SIGSTOP)
			time.Sleep(time.Second) // the length of the stall is what is tested
			_ = cmd.Process.Signal(syscall.SIGCONT)
			_ = cmd.Wait()
			r := readResult(t, filepath.Join(cmd.Dir, "out"))
			told := strings.Join(append(r.Reasons, r.Warnings...), " ")
			if cmd.ProcessState.ExitCode() != tc.code || !strings.Contains(told, tc.says) {
				t.Fatalf("exit code %d, %s %v, %v", cmd.ProcessState.ExitCode(), r.Verdict, r.Reasons, r.Warnings)
			}
			checkSums(t, r)
			// The stall is in the response time, from the due time on, and the bracket tells how much of it.
			b := r.Validity.Bracket
			if r.Latency.Response.Max < 900 || b == nil || b.UpperMS < 500 || r.Validity.StalledMS < 900 || len(r.Validity.Stalls) == 0 {
				t.Errorf("response %+v, bracket %+v, stalled for %v ms", r.Latency.Response, b, r.Validity.StalledMS)
			}
		})
	}
}

func TestInterruptStillReports(t *testing.T) {
	var seen atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { seen.Add(1) }))
	defer srv.Close()
	cmd := command(t, "attack", srv.URL, "--rate", "100/s", "--for", "60s", "--out", "out")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, "requests", func() bool { return seen.Load() > 30 })
	_ = cmd.Process.Signal(os.Interrupt)
	_ = cmd.Wait()
	r := readResult(t, filepath.Join(cmd.Dir, "out"))
	if cmd.ProcessState.ExitCode() != exitInterrupted || r.Verdict != reports.Interrupted {
		t.Fatalf("exit code %d, %s\n%s", cmd.ProcessState.ExitCode(), r.Verdict, stderr.String())
	}
	checkSums(t, r)
	if r.Totals.Cancelled == 0 || r.Totals.Succeeded == 0 || r.DurationMS >= 60_000 {
		t.Errorf("%+v after %v ms", r.Totals, r.DurationMS)
	}
	if !strings.Contains(strings.Join(r.Reasons, " "), "interrupted after") || !strings.Contains(stderr.String(), "interrupt again to leave at once") {
		t.Errorf("reasons %v\n%s", r.Reasons, stderr.String())
	}
}

// await waits until a condition holds. It is bounded; the bound decides nothing but how long a failing
// test takes.
func await(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !cond(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// proc is a process that carries a test's mark in its environment.
type proc struct {
	pid  int
	args string
}

// processes lists the processes that carry the mark.
func processes(mark string) (out []proc) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		env, err := os.ReadFile(filepath.Join(dir, "environ"))
		if err != nil || !strings.Contains("\x00"+string(env), "\x00"+mark+"\x00") {
			continue
		}
		args, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		pid, _ := strconv.Atoi(filepath.Base(dir))
		if len(args) > 0 {
			out = append(out, proc{pid, strings.ReplaceAll(string(args), "\x00", " ")})
		}
	}
	return out
}

// Whatever is killed in mid-run, nothing is left two seconds later, and a run that survives says what
// happened. The targets have children of their own, one of which has left their process group.
func TestKilledInMidRun(t *testing.T) {
	for _, tc := range []struct {
		victim string // in the command line
		code   int
		says   string
	}{
		{"run ", -1, ""},
		{"balance ", exitFailed, "the balancer"},
		{"guardian ", exitPassed, "the guardian"},
	} {
		t.Run(strings.TrimSpace(tc.victim), func(t *testing.T) {
			t.Parallel()
			path, err := filepath.Abs("testdata/with-children.yaml")
			if err != nil {
				t.Fatal(err)
			}
			exe, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			cmd := command(t, "run", path, "--out", "out")
			mark := fmt.Sprintf("SHAKEDOWN_TEST=%s-%d", strings.TrimSpace(tc.victim), os.Getpid())
			// The scenario's shell script starts this binary under the name by which it answers as shakedown.
			bin := t.TempDir()
			if err := os.Symlink(exe, filepath.Join(bin, "shakedown")); err != nil {
				t.Fatal(err)
			}
			cmd.Env = append(os.Environ(), mark, "PATH="+bin+":"+os.Getenv("PATH"))
			stderr, err := cmd.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = cmd.Process.Kill() }()
			lines := bufio.NewScanner(stderr)
			said := ""
			for lines.Scan() && !strings.Contains(lines.Text(), " under way") { // the first line of progress
				said += lines.Text() + "\n"
			}
			running := processes(mark)
			sleeps := 0
			for _, p := range running {
				if strings.HasPrefix(p.args, "sleep 4") {
					sleeps++
				}
			}
			if sleeps != 4 {
				t.Fatalf("%d of 4 grandchildren run: %v\n%s", sleeps, running, said)
			}
			i := slices.IndexFunc(running, func(p proc) bool { return strings.Contains(p.args, "shakedown "+tc.victim) })
			if i < 0 {
				t.Fatalf("no %s among %v", tc.victim, running)
			}
			if err := syscall.Kill(running[i].pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			rest := ""
			for lines.Scan() {
				rest += lines.Text() + "\n"
			}
			_ = cmd.Wait()
			ended := time.Now()
			for len(processes(mark)) > 0 {
				if time.Since(ended) > 2*time.Second { // what is promised, not a guess
					t.Fatalf("left behind: %v", processes(mark))
				}
				time.Sleep(20 * time.Millisecond)
			}
			if tc.code < 0 {
				return // the player is dead: there is nobody to report
			}
			r := readResult(t, filepath.Join(cmd.Dir, "out"))
			if got := cmd.ProcessState.ExitCode(); got != tc.code {
				t.Errorf("exit code %d, want %d: %s %v\n%s", got, tc.code, r.Verdict, r.Reasons, rest)
			}
			if said := strings.Join(append(r.Reasons, r.Warnings...), "\n"); !strings.Contains(said, tc.says) {
				t.Errorf("the result does not say what happened: %s", said)
			}
			checkSums(t, r)
		})
	}
}

func TestAttackAServerOfAnyKind(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != "POST" || r.Header.Get("X-Test") != "yes" || r.Header.Get("Shakedown-Seq") != "" {
			http.Error(w, "wrong request", 400)
		}
	}))
	defer srv.Close()
	cmd := command(t, "attack", srv.URL+"/x", "--rate", "200/s", "--for", "1s", "--method", "POST", "--header", "X-Test: yes", "--body", "hello", "--out", "out")
	out, err := cmd.CombinedOutput()
	r := readResult(t, filepath.Join(cmd.Dir, "out"))
	checkSums(t, r)
	if r.Totals.Planned != 200 || r.Totals.Succeeded != 200 {
		t.Fatalf("%+v %v\n%s", r.Totals, err, out)
	}
	if _, err := os.Stat(filepath.Join(cmd.Dir, "out", "report.html")); err != nil {
		t.Error(err)
	}
}

// A keyed strategy sends the same requests to the same targets in both worlds: one decision code.
func TestKeysGoTheSameWayInBothWorlds(t *testing.T) {
	var counts [2][]uint64
	for i, world := range []string{"live", "sim"} {
		r, code, out := playFile(t, "keyed.yaml", "--world", world)
		if code != 0 {
			t.Fatalf("%s: exit code %d\n%s", world, code, out)
		}
		for _, x := range r.Targets {
			counts[i] = append(counts[i], x.Requests)
		}
	}
	if !slices.Equal(counts[0], counts[1]) {
		t.Errorf("requests by target, live %v, simulated %v", counts[0], counts[1])
	}
	// Weights 3, 1, 3, 1: by the ring's definition the heavy ones get three times as much, give or take the spread.
	heavy, light := counts[0][0]+counts[0][2], counts[0][1]+counts[0][3]
	if ratio := float64(heavy) / float64(light); ratio < 2.2 || ratio > 4 {
		t.Errorf("the heavy targets have %.2f times as much as the light ones: %v", ratio, counts[0])
	}
}

// Requests come from as many client addresses as the scenario says: by one, all of them go to one target, and the result
// warns of it; by many, each target has about its share.
func TestClientAddressesInBothWorlds(t *testing.T) {
	for _, world := range []string{"live", "sim"} {
		for name, tc := range map[string]struct {
			set               []string
			targets, warnings int
		}{
			"200 addresses": {[]string{"client.addresses=200"}, 4, 0},
			"1 address":     {[]string{"client.addresses=1"}, 1, 1},
			"a proxy that is believed": {[]string{"client.addresses=1", `topology.listeners=[{headers: {trusted_proxies: [127.0.0.1]}, rules: [{forward: web}]}]`,
				`load.requests=[{get: /, headers: {x-forwarded-for: "203.0.113.9, 10.0.{{int 0 9}}.{{int 0 255}}"}}]`}, 4, 0},
			"a proxy that is not": {[]string{"client.addresses=1", `load.requests=[{get: /, headers: {x-forwarded-for: "10.0.{{int 0 9}}.{{int 0 255}}"}}]`}, 1, 1},
		} {
			args := []string{"--world", world}
			for _, set := range tc.set {
				args = append(args, "--set", set)
			}
			r, code, out := playFile(t, "addresses.yaml", args...)
			if code != 0 {
				t.Fatalf("%s, %s: exit code %d\n%s", world, name, code, out)
			}
			used, warnings := 0, 0
			for _, x := range r.Targets {
				if x.Requests > 0 {
					used++
				}
				if share := float64(x.Requests) / float64(r.Totals.Planned); tc.targets > 1 && (share < .15 || share > .35) {
					t.Errorf("%s, %s: %s has %.2f of the requests", world, name, x.ID, share)
				}
			}
			for _, text := range r.Warnings {
				if strings.Contains(text, "client address") {
					warnings++
				}
			}
			if used != tc.targets || warnings != tc.warnings {
				t.Errorf("%s, %s: %d targets are used, want %d; warnings %q", world, name, used, tc.targets, r.Warnings)
			}
		}
	}
}

// Rules of every kind send the same requests the same way in both worlds.
func TestRulesInBothWorlds(t *testing.T) {
	var counts [2]map[string]uint64
	for i, world := range []string{"live", "sim"} {
		r, _, out := playFile(t, "rules.yaml", "--world", world)
		counts[i] = map[string]uint64{}
		for _, x := range r.Targets {
			counts[i][x.ID] += x.Requests
		}
		if r.Balancer.Unrouted != 0 || (world == "live" && r.Totals.Failed > 0) {
			t.Errorf("%s: %+v, %d unrouted\n%s", world, r.Totals, r.Balancer.Unrouted, out)
		}
	}
	if !maps.Equal(counts[0], counts[1]) || counts[0]["api-1"] < 300 || counts[0]["web-1"] < 100 {
		t.Errorf("requests by target, live %v, simulated %v", counts[0], counts[1])
	}
}

// A target that dies under load costs no idempotent request anything when broken exchanges are retried and the target
// is ejected; without either, failures end once the checks have failed often enough.
func TestATargetKilledUnderLoad(t *testing.T) {
	r, code, out := playFile(t, "kill.yaml")
	if code != 0 || r.Totals.Failed != 0 || r.Totals.Retries == 0 {
		t.Errorf("with retries: exit code %d, %d failed, %d retries\n%s", code, r.Totals.Failed, r.Totals.Retries, out)
	}
	r, code, out = playFile(t, "kill.yaml", "--set", "topology.groups.web.retry=off", "--set", "topology.groups.web.outliers=off")
	if code != 1 || r.Totals.Failed == 0 {
		t.Fatalf("without: exit code %d, %d failed\n%s", code, r.Totals.Failed, out)
	}
	const limit = 500*2 + 300 // ms: interval × unhealthy + timeout
	f := r.Faults[0]
	if f.EjectMS == nil || *f.EjectMS > limit {
		t.Fatalf("ejected after %v ms, the checks promise %d", f.EjectMS, limit)
	}
	for _, w := range r.Windows {
		if w.StartMS > *f.InjectedMS+limit && w.Totals.Failed > 0 {
			t.Errorf("%d requests failed in %s, %v ms after the kill", w.Totals.Failed, w.Name, w.StartMS-*f.InjectedMS)
		}
	}
	t.Logf("ejected after %.0f ms, %d of %d failed", *f.EjectMS, r.Totals.Failed, r.Totals.Planned)
}

// Rate limits, limits of targets and their queue do the same in both worlds, up to what instants differ by.
func TestLimitsInBothWorlds(t *testing.T) {
	type seen struct{ limited, served, shed float64 }
	var worlds [2]seen
	for i, world := range []string{"live", "sim"} {
		r, _, out := playFile(t, "limits.yaml", "--world", world)
		s := &worlds[i]
		for class, n := range r.Errors {
			switch class {
			case "status_4xx":
				s.limited = float64(n)
			case "status_5xx":
				s.shed = float64(n)
			default:
				t.Errorf("%s: %d of class %s\n%s", world, n, class, out)
			}
		}
		s.served = float64(r.Totals.Succeeded)
		if b := r.Balancer; float64(b.Limited) != s.limited || float64(b.Overflow) > s.shed || b.Overflow == 0 || b.Waited == 0 {
			t.Errorf("%s: the balancer counted %+v, the clients %+v", world, b, s)
		}
		for _, x := range r.Targets {
			// The bucket lets 10 pass at once and then 15/s over 4 s.
			if x.Group == "free" && (x.Requests < 66 || x.Requests > 71) {
				t.Errorf("%s: the limit let %d pass", world, x.Requests)
			}
		}
	}
	// In the burst some 200/s come for two slots of 30 ms, which serve 67/s, and 20 may wait.
	if s := worlds[1].shed; s < 90 || s > 140 {
		t.Errorf("simulated: %v found the queue full", s)
	}
	near := func(what string, a, b, within float64) {
		if math.Abs(a-b) > within*b {
			t.Errorf("%s: live %v, simulated %v", what, a, b)
		}
	}
	near("limited", worlds[0].limited, worlds[1].limited, .1)
	near("served", worlds[0].served, worlds[1].served, .1)
	near("shed", worlds[0].shed, worlds[1].shed, .25)
}
