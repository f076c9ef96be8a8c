package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/seed-8025779b/shakedown/reports"
)

// validity disturbs the load generator itself — freezes it, takes its processor away, throttles it — and looks
// whether its verdict notices: which runs are invalid, how wrong the figures of the others are, and whether a gate
// ever came out other than it does undisturbed. The server is a sample backend of known service times, on the other
// core, and is never disturbed. only, when it is not empty, is a part of
// "LOAD: DISTURBANCE", as the table calls them.
func validity(binary string, length time.Duration, only string) error {
	if err := validityOfLoads(binary, length, only); err != nil {
		return err
	}
	return validityOfFaults(binary, only)
}

func validityOfLoads(binary string, length time.Duration, only string) error {
	b, err := startBackend(binary)
	if err != nil {
		return err
	}
	defer b.stop()
	for _, load := range []struct {
		name string
		args []string
	}{
		{"open loop, 500/s", []string{"--rate", "500/s"}},
		{"open loop, 500/s, 16 connections", []string{"--rate", "500/s", "--connections", "16"}},
		{"closed loop, 8 users", []string{"--users", "8"}},
	} {
		matching := slices.DeleteFunc(disturbances(length), func(d disturbance) bool { return !strings.Contains(load.name+": "+d.name, only) })
		if len(matching) == 0 {
			continue
		}
		t := trial{binary: binary, url: b.url, args: load.args, length: length, closed: load.args[0] == "--users"}
		truth, err := t.truth()
		if err != nil {
			return err
		}
		fmt.Printf("%s\n"+rowFormat, load.name, "disturbance", "invalid without gates", "largest error, valid runs", "largest error, invalid runs", "gates turned", "gates not judged")
		for _, d := range matching {
			err := t.play(d, truth)
			if errors.Is(err, errNotHere) {
				fmt.Printf(rowFormat, d.name, err.Error(), "", "", "", "")
			} else if err != nil {
				return fmt.Errorf("%s: %w", d.name, err)
			}
		}
	}
	return nil
}

// rowFormat is a row of the table; each is printed when it is there, since each takes its time.
const rowFormat = "%-26s  %-21s  %-26s  %-26s  %-12s  %s\n"

// repeats is how often a disturbance is tried, with gates and without.
const repeats = 5

// backend is a sample backend on the second core.
type backend struct {
	cmd *exec.Cmd
	url string
}

func startBackend(binary string) (*backend, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := l.Addr().String()
	l.Close()
	// Exponential service times of 20 ms in the mean and slots for all: p99 is 92 ms.
	b := &backend{exec.Command(binary, "backend", "--listen", address, "--mean", "20ms", "--concurrency", "1000"), "http://" + address}
	if err := pinned(b.cmd, 1); err != nil {
		return nil, err
	}
	for range 100 {
		if r, err := http.Get(b.url + "/health"); err == nil {
			return b, r.Body.Close()
		}
		time.Sleep(20 * time.Millisecond)
	}
	b.stop()
	return nil, errors.New("the sample backend does not answer")
}

func (b *backend) stop() {
	_ = b.cmd.Process.Kill()
	_ = b.cmd.Wait()
}

// disturbance is something that is done to a generator while it runs; undo ends it.
type disturbance struct {
	name string
	lost time.Duration // for so long it stops the generator altogether
	do   func(pid int) (undo func(), err error)
}

var errNotHere = errors.New("not to be had here")

func disturbances(length time.Duration) []disturbance {
	out := []disturbance{{name: "none", do: func(int) (func(), error) { return func() {}, nil }}}
	for _, ms := range []int{75, 200, 350, 3000} {
		out = append(out, disturbance{name: fmt.Sprintf("frozen for %d ms", ms), lost: time.Duration(ms) * time.Millisecond, do: freeze(time.Duration(ms)*time.Millisecond, length)})
	}
	for _, n := range []int{1, 2} {
		out = append(out, disturbance{name: fmt.Sprintf("busy loops on its core: %d", n), do: busy(n)})
	}
	for _, share := range []int{50, 10, 5, 2} {
		out = append(out, disturbance{name: fmt.Sprintf("quota of %d %% of a CPU", share), do: quota(share)})
	}
	return out
}

// freeze stops the process in the middle of its load.
func freeze(d, length time.Duration) func(int) (func(), error) {
	return func(pid int) (func(), error) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			// Somewhere in the load, another place each time; what starts before it takes some 0.5 s.
			time.Sleep(time.Second + time.Duration(time.Now().UnixNano()%int64(length/2)))
			if syscall.Kill(pid, syscall.SIGSTOP) == nil {
				time.Sleep(d)
				_ = syscall.Kill(pid, syscall.SIGCONT)
			}
		}()
		return func() { <-done }, nil
	}
}

// busy runs loops that do nothing on the generator's core.
func busy(n int) func(int) (func(), error) {
	return func(int) (func(), error) {
		var loops []*exec.Cmd
		stop := func() {
			for _, c := range loops {
				_ = c.Process.Kill()
				_ = c.Wait()
			}
		}
		for range n {
			c := exec.Command("sh", "-c", "while :; do :; done")
			if err := pinned(c, 0); err != nil {
				stop()
				return nil, err
			}
			loops = append(loops, c)
		}
		return stop, nil
	}
}

// quota puts the process into a control group with a share of a CPU, in periods of 100 ms.
func quota(percent int) func(int) (func(), error) {
	return func(pid int) (func(), error) {
		for _, v := range []struct{ root, file, text string }{
			{"/sys/fs/cgroup/cpu", "cpu.cfs_quota_us", fmt.Sprint(percent * 1000)},
			{"/sys/fs/cgroup", "cpu.max", fmt.Sprintf("%d 100000", percent*1000)},
		} {
			dir := filepath.Join(v.root, fmt.Sprintf("shakedown-bench-%d", os.Getpid()))
			if os.Mkdir(dir, 0o755) != nil {
				continue
			}
			err := os.WriteFile(filepath.Join(dir, v.file), []byte(v.text), 0o644)
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(fmt.Sprint(pid)), 0o644)
			}
			if err != nil {
				_ = os.Remove(dir)
				continue
			}
			return func() { _ = os.Remove(dir) }, nil // the process has ended
		}
		return nil, errNotHere
	}
}

// trial is a load that is played again and again.
type trial struct {
	binary, url string
	args        []string
	length      time.Duration
	closed      bool // a closed loop, which sends nothing while it is stopped
}

// run plays the load once under a disturbance.
func (t *trial) run(d disturbance, gates ...string) (*reports.Result, error) {
	dir, err := os.MkdirTemp("", "shakedown-bench-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	// With its number a request takes the same service time in every run.
	length := t.length
	if t.closed { // as many requests as undisturbed: the p99 of fewer is another one
		length += d.lost
	}
	args := append([]string{"attack", t.url, "--for", length.String(), "--quiet", "--format", "json", "--out", dir, "--set", "client.identify=true"}, t.args...)
	for _, g := range gates {
		args = append(args, "--gate", g)
	}
	cmd := exec.Command(t.binary, args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := pinned(cmd, 0); err != nil {
		return nil, err
	}
	undo, err := d.do(cmd.Process.Pid)
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return nil, err
	}
	_ = cmd.Wait() // its exit code is the verdict, which stands in the result
	undo()
	text, err := os.ReadFile(filepath.Join(dir, "result.json"))
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, stderr.String())
	}
	var r reports.Result
	return &r, json.Unmarshal(text, &r)
}

// values are the figures that are compared: all that have enough requests behind them.
func values(r *reports.Result) map[string]float64 {
	l := r.Latency.Response
	return map[string]float64{"mean": l.Mean, "p50": l.P50, "p90": l.P90, "p95": l.P95, "p99": l.P99, "rate": r.Rates.Succeeded, "service p99": r.Latency.Service.P99}
}

// truth is the median of each figure over undisturbed runs.
func (t *trial) truth() (map[string]float64, error) {
	seen := map[string][]float64{}
	for range repeats {
		r, err := t.run(disturbances(t.length)[0])
		if err != nil {
			return nil, err
		}
		for name, v := range values(r) {
			seen[name] = append(seen[name], v)
		}
	}
	out := map[string]float64{}
	for name, list := range seen {
		slices.Sort(list)
		out[name] = list[len(list)/2]
	}
	return out, nil
}

// play tries a disturbance, and prints a row of the table.
func (t *trial) play(d disturbance, truth map[string]float64) error {
	// Gates that stand clear of the truth by more than chance moves it: the first of each pair passes, the second fails.
	gate := func(format string, v float64) string { return fmt.Sprintf(format, v) }
	gates := []string{
		gate("p50 < %.3fms", 1.2*truth["p50"]), gate("p50 < %.3fms", .8*truth["p50"]),
		gate("p99 < %.3fms", 1.3*truth["p99"]), gate("p99 < %.3fms", .7*truth["p99"]),
		gate("rate > %.3f/s", .9*truth["rate"]), gate("rate > %.3f/s", 1.1*truth["rate"]),
		"error_rate < 1%",
	}
	invalid, turned, open, judged := 0, 0, 0, 0
	var valid, distrusted worst
	for range repeats {
		r, err := t.run(d)
		if err != nil {
			return err
		}
		if r.Verdict == reports.Invalid {
			invalid++
			distrusted.add(values(r), truth)
		} else {
			valid.add(values(r), truth)
		}
		if r, err = t.run(d, gates...); err != nil {
			return err
		}
		for i, g := range r.Gates {
			judged++
			switch {
			case !g.Judged:
				open++
			case g.Passed != (i%2 == 0):
				turned++
				fmt.Printf("turned: %s, observed %s, %v\n", g.Expr, g.ObservedText(), r.Validity.Bracket)
			}
		}
	}
	of := func(n, all int) string { return fmt.Sprintf("%d of %d", n, all) }
	fmt.Printf(rowFormat, d.name, of(invalid, repeats), valid.String(), distrusted.String(), of(turned, judged), of(open, judged))
	return nil
}

// worst is the figure that was furthest from the truth.
type worst struct {
	off  float64
	name string
}

func (w *worst) add(values, truth map[string]float64) {
	for name, v := range values {
		if off := math.Abs(v/truth[name] - 1); off >= w.off {
			w.off, w.name = off, name
		}
	}
}

func (w *worst) String() string {
	if w.name == "" {
		return "-"
	}
	return fmt.Sprintf("%.1f %% (%s)", w.off*100, w.name)
}
