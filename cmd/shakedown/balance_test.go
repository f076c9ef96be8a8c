package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/reports"
)

// process is a child of the test that tells what it does on stderr.
type process struct {
	*exec.Cmd
	mu   sync.Mutex
	said strings.Builder
	done chan error
}

func spawn(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{Cmd: command(t, args...), done: make(chan error, 1)}
	stderr, err := p.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			p.mu.Lock()
			fmt.Fprintln(&p.said, lines.Text())
			p.mu.Unlock()
		}
		p.done <- p.Wait()
	}()
	t.Cleanup(func() { _ = p.Process.Kill() })
	return p
}

// await waits until the process has said something that matches, and returns the match.
func (p *process) await(t *testing.T, pattern string) string {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		p.mu.Lock()
		said := p.said.String()
		p.mu.Unlock()
		if m := regexp.MustCompile(pattern).FindStringSubmatch(said); m != nil {
			return m[len(m)-1]
		}
	}
	t.Fatalf("never said %s:\n%s", pattern, p.said.String())
	return ""
}

func (p *process) ended(t *testing.T) {
	t.Helper()
	select {
	case err := <-p.done:
		if err != nil {
			t.Errorf("%v\n%s", err, p.said.String())
		}
	case <-time.After(30 * time.Second):
		t.Fatalf("still running:\n%s", p.said.String())
	}
}

// Under load a target is drained, one is added, a second process takes the sockets over, the first one ends, and
// the second is ended by SIGTERM once the load is over: no request fails, by the generator's count, and the
// backends have served exactly what was sent.
func TestChangesUnderLoadLoseNothing(t *testing.T) {
	var backends []*process
	var addresses []string
	for range 3 {
		b := spawn(t, "backend", "--listen", "127.0.0.1:0", "--mean", "1ms", "--concurrency", "64")
		backends = append(backends, b)
		addresses = append(addresses, b.await(t, `serving http://([0-9.:]+)`))
	}
	socket := filepath.Join(t.TempDir(), "handover")
	args := []string{"balance", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--handover", socket, "--health-interval", "50ms", "--retry", "off"}
	old := spawn(t, append(args, "--targets", addresses[0]+","+addresses[1])...)
	url := "http://" + old.await(t, `balancing http://([0-9.:]+)`)
	api := old.await(t, `admin at (http://\S+)/targets`)
	old.await(t, regexp.QuoteMeta(addresses[1])+`: initial → healthy`)
	old.await(t, regexp.QuoteMeta(addresses[0])+`: initial → healthy`)

	load := spawn(t, "attack", url, "--rate", "2000/s", "--for", "6s", "--connections", "200", "--out", "out", "--format", "json", "--set", "validity.lag=10s", "--gate", "failed <= 0", "--gate", "dropped <= 0")
	load.await(t, "under way")
	call := func(method, path, body string) {
		t.Helper()
		req, err := http.NewRequest(method, api+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if b, _ := io.ReadAll(res.Body); res.StatusCode/100 != 2 {
			t.Fatalf("%s %s: %s", method, path, b)
		}
	}
	call("POST", "/groups/targets/targets", `{"address": "`+addresses[2]+`"}`)
	old.await(t, regexp.QuoteMeta(addresses[2])+`: initial → healthy`)
	call("DELETE", "/groups/targets/targets/"+addresses[0], "")
	old.await(t, regexp.QuoteMeta(addresses[0])+`: draining → gone`)
	backends[0].Process.Signal(syscall.SIGTERM) // nothing is sent there any more
	backends[0].ended(t)

	successor := spawn(t, append(args, "--takeover", "--targets", addresses[1]+","+addresses[2])...)
	successor.await(t, "balancing")
	old.await(t, "a successor has taken over")
	old.ended(t)
	load.ended(t)
	r, err := reports.Read(filepath.Join(load.Dir, "out", "result.json"))
	if err != nil {
		t.Fatal(err)
	}
	if r.Totals.Failed+r.Totals.Dropped+r.Totals.Cancelled > 0 || r.Totals.Succeeded < 11900 {
		t.Errorf("%+v, %v", r.Totals, r.Examples)
	}
	var targets map[string][]struct {
		ID       string
		Requests uint64
	}
	res, err := http.Get(successor.await(t, `admin at (http://\S+)`))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&targets); err != nil {
		t.Fatal(err)
	}
	if n := targets["targets"][0].Requests + targets["targets"][1].Requests; n == 0 {
		t.Error("the successor has answered nothing: it took over too late for this test to tell")
	}
	http.DefaultClient.CloseIdleConnections()
	successor.Process.Signal(syscall.SIGTERM)
	successor.ended(t)
	for _, b := range backends[1:] {
		b.Process.Signal(syscall.SIGTERM)
		b.ended(t)
	}
	servedAll(t, backends, r.Totals.Sent)
}

// servedAll sees to it that the backends, which have ended, served just what was sent, by their own count.
func servedAll(t *testing.T, backends []*process, sent uint64) {
	t.Helper()
	served := uint64(0)
	for _, b := range backends {
		n, err := strconv.ParseUint(b.await(t, `served ([0-9]+), rejected 0`), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		served += n
	}
	if served != sent {
		t.Errorf("the backends served %d of %d", served, sent)
	}
}

// Under load the configuration is read again: rules, targets and weights change and no request fails; a file with
// mistakes is told and changes nothing.
func TestReloadUnderLoad(t *testing.T) {
	var addresses []string
	var backends []*process
	for range 3 {
		b := spawn(t, "backend", "--listen", "127.0.0.1:0", "--mean", "1ms", "--concurrency", "64", "--queue=-1") // a machine that stands still must not decide
		backends = append(backends, b)
		addresses = append(addresses, b.await(t, `serving http://([0-9.:]+)`))
	}
	file := filepath.Join(t.TempDir(), "balancer.yaml")
	write := func(rules, health string, targets ...string) {
		t.Helper()
		text := fmt.Sprintf(`version: 1
topology:
  listeners: [{rules: [%s{forward: web}]}]
  groups: {web: {strategy: weighted_round_robin, health: {interval: %s}, targets: {addresses: [%s], weights: [1, 3]}}}
`, rules, health, `"`+strings.Join(targets, `", "`)+`"`)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("", "50ms", addresses[0], addresses[1])
	p := spawn(t, "balance", file, "--admin", "127.0.0.1:0")
	url := "http://" + p.await(t, `balancing http://([0-9.:]+)`)
	for _, a := range addresses[:2] {
		p.await(t, regexp.QuoteMeta(a)+`: initial → healthy`)
	}
	status := func(path string) int {
		t.Helper()
		res, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	load := spawn(t, "attack", url, "--rate", "2000/s", "--for", "4s", "--connections", "200", "--out", "out", "--format", "json", "--set", "validity.lag=10s", "--gate", "failed <= 0", "--gate", "dropped <= 0")
	load.await(t, "under way")
	write("{path: /teapot, respond: {status: 418}}, ", "50ms", addresses[1], addresses[2])
	p.Process.Signal(syscall.SIGHUP)
	p.await(t, "reloaded .*balancer.yaml")
	p.await(t, regexp.QuoteMeta(addresses[2])+`: initial → healthy`)
	p.await(t, regexp.QuoteMeta(addresses[0])+`: .* → gone`)
	if got := status("/teapot"); got != 418 {
		t.Errorf("the new rule answers %d", got)
	}
	write("{path: nonsense, forward: web}, ", "50ms", addresses[1])
	p.Process.Signal(syscall.SIGHUP)
	p.await(t, `(?s)does not start with a slash.*the old configuration stays in use`)
	write("{path: /teapot, respond: {status: 418}}, ", "70ms, timeout: 2s", addresses[1], addresses[2])
	p.Process.Signal(syscall.SIGHUP)
	p.await(t, `(?s)reloaded .*balancer.yaml.*reloaded .*balancer.yaml`)
	write("", "50ms}, host: target, retry: {on: error", addresses[1])
	p.Process.Signal(syscall.SIGHUP)
	p.await(t, `group web: how its targets are spoken to can't change while it runs`)
	if got := status("/teapot"); got != 418 {
		t.Errorf("after a reload that was refused the rule answers %d", got)
	}
	load.ended(t)
	r, err := reports.Read(filepath.Join(load.Dir, "out", "result.json"))
	if err != nil {
		t.Fatal(err)
	}
	if r.Totals.Failed+r.Totals.Dropped > 0 || r.Totals.Succeeded < 7900 {
		t.Errorf("%+v, %v", r.Totals, r.Examples)
	}
	http.DefaultClient.CloseIdleConnections()
	p.Process.Signal(syscall.SIGTERM)
	p.ended(t)
	for _, b := range backends {
		b.Process.Signal(syscall.SIGTERM)
		b.ended(t)
	}
	servedAll(t, backends, r.Totals.Sent)
}

// A successor without a predecessor says so, and so does one that nobody needs.
func TestTakeoverWithoutAPredecessor(t *testing.T) {
	p := spawn(t, "balance", "--listen", "127.0.0.1:0", "--targets", "127.0.0.1:1", "--handover", filepath.Join(t.TempDir(), "none"), "--takeover")
	p.await(t, "nobody offers sockets at")
	if err := <-p.done; err == nil || p.ProcessState.ExitCode() != 5 {
		t.Errorf("%v", err)
	}
}
