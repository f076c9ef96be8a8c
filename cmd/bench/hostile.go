package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/seed-8025779b/shakedown/reports"
)

const (
	innocentRate = "500/s"
	// quietFor is how long the innocent clients are alone before the attack, to have something to compare with.
	quietFor = 30 * time.Second
	// settleFor is how long the balancer has after the attack to let go of what the attackers left behind. Without traffic Go
	// collects every two minutes; what pools keep is free the second time, and goes back to the system after that.
	settleFor = 5 * time.Minute
	// settleEvery is how often it is told meanwhile what the balancer holds.
	settleEvery = 30 * time.Second
	// settledAt is how much of its former memory the balancer may hold to count as back: by then it has loaded more of its own code,
	// and the system has made it threads.
	settledAt = 1.25
	// reloadEvery is how often the balancer's configuration changes.
	reloadEvery = time.Second
)

// hostile attacks a balancer with clients and targets that misbehave and reloads it each second, while innocent
// clients send 500 requests a second. It prints what the innocent ones met before and during the attack, what the
// balancer held of memory and descriptors before it and at its end, and how long it took until that was back, if it was
// within five minutes. The attackers are bounded in number and end with the given time; everything is on loopback.
func hostile(binary string, length time.Duration) error {
	dir, err := os.MkdirTemp("", "shakedown-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s, err := startAttackedBalancer(binary, dir)
	if err != nil {
		return err
	}
	defer s.stop()
	quiet, err := s.innocents(quietFor)
	if err != nil {
		return err
	}
	before := s.held()
	ctx, cancel := context.WithTimeout(context.Background(), length)
	defer cancel()
	var work sync.WaitGroup
	work.Go(func() { s.reload(ctx) })
	counts := attackAll(ctx, &work, s.address)
	during, err := s.innocents(length)
	cancel()
	work.Wait()
	if err != nil {
		return err
	}
	end := s.held()
	after, took, back := s.settle(before)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "innocent clients, %s\tsent\tfailed\tp50 ms\tp99 ms\tmax ms\tverdict\terrors\t\n", innocentRate)
	for _, x := range []struct {
		name string
		r    *reports.Result
	}{{"alone", quiet}, {"under attack", during}} {
		l := x.r.Latency.Response
		fmt.Fprintf(w, "%s\t%d\t%d\t%.1f\t%.1f\t%.1f\t%s\t%v\t\n", x.name, x.r.Totals.Sent, x.r.Totals.Failed+x.r.Totals.Dropped, l.P50, l.P99, l.Max, x.r.Verdict, x.r.Errors)
	}
	fmt.Fprintf(w, "\t\t\t\t\t\t\t\t\nthe balancer holds\tKiB resident\tdescriptors\t\t\t\t\t\t\n")
	last := fmt.Sprintf("%v later, when it is back", took)
	if !back {
		last = fmt.Sprintf("%v later, NOT back", took)
	}
	for _, x := range []struct {
		when string
		held
	}{{"before", before}, {"at the attack's end", end}, {last, after}} {
		fmt.Fprintf(w, "%s\t%d\t%d\t\t\t\t\t\t\n", x.when, x.resident, x.descriptors)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Println("attacks:", counts)
	return nil
}

// attackedBalancer is a balancer in front of three sample backends and a group of hostile targets.
type attackedBalancer struct {
	binary, dir, config, address string
	backends                     []*backend
	targets                      []string // of the hostile group
	cmd                          *exec.Cmd
	close                        func()
}

func startAttackedBalancer(binary, dir string) (s *attackedBalancer, err error) {
	s = &attackedBalancer{binary: binary, dir: dir, config: filepath.Join(dir, "balance.yaml"), close: func() {}}
	defer func() {
		if err != nil {
			s.stop()
		}
	}()
	for range upstreams {
		b, err := startBackend(binary)
		if err != nil {
			return s, err
		}
		s.backends = append(s.backends, b)
	}
	if s.targets, s.close, err = hostileTargets(); err != nil {
		return s, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return s, err
	}
	s.address = l.Addr().String()
	l.Close()
	if err := s.configure(0); err != nil {
		return s, err
	}
	s.cmd = exec.Command(binary, "balance", s.config)
	log, err := os.Create(filepath.Join(dir, "balance.log"))
	if err != nil {
		return s, err
	}
	defer log.Close()
	s.cmd.Stderr = log
	if err := s.cmd.Start(); err != nil {
		return s, err
	}
	for range 100 {
		if c, err := net.Dial("tcp", s.address); err == nil {
			time.Sleep(time.Second) // the checks' first round
			return s, c.Close()
		}
		time.Sleep(50 * time.Millisecond)
	}
	return s, errors.New("the balancer does not answer")
}

// configure writes the n-th configuration: one of the three backends comes and goes, and weights change.
func (s *attackedBalancer) configure(n int) error {
	var web []string
	for i, b := range s.backends {
		if i > 0 && i == n%(2*upstreams) {
			continue
		}
		web = append(web, fmt.Sprintf("%q", strings.TrimPrefix(b.url, "http://")))
	}
	text := fmt.Sprintf(`version: 1
topology:
  listeners:
    - address: %s
      limits: {body: 4000000, connections: 4000}
      rules:
        - {path: /hostile/*, forward: hostile}
        - {path: /limited/*, forward: web, limit: {rate: %d/s, burst: 10, by: address}}
        - {forward: web}
  groups:
    web:
      strategy: least_requests
      health: {interval: 500ms}
      outliers: {consecutive: 5}
      retry: {attempts: 1, on: error}
      targets: {addresses: [%s]}
    hostile:
      strategy: round_robin
      health: off
      outliers: {consecutive: 3, eject_for: 100ms}
      retry: {attempts: 2, on: 5xx}
      timeouts: {connect: 1s, response: 1s}
      targets: {addresses: ["%s"]}
`, s.address, 5+n%3, strings.Join(web, ", "), strings.Join(s.targets, `", "`))
	fresh := s.config + ".new"
	if err := os.WriteFile(fresh, []byte(text), 0o644); err != nil {
		return err
	}
	return os.Rename(fresh, s.config)
}

// reload changes the configuration again and again.
func (s *attackedBalancer) reload(ctx context.Context) {
	tick := time.NewTicker(reloadEvery)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if s.configure(n) == nil {
			_ = s.cmd.Process.Signal(syscall.SIGHUP) // when it has ended, the innocent clients tell
		}
	}
}

// innocents sends ordinary requests for a while.
func (s *attackedBalancer) innocents(length time.Duration) (*reports.Result, error) {
	out := filepath.Join(s.dir, "innocents")
	cmd := exec.Command(s.binary, "attack", "http://"+s.address+"/", "--rate", innocentRate, "--for", length.String(), "--quiet", "--format", "json", "--out", out)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	_ = cmd.Run() // its exit code is the verdict, which stands in the result
	text, err := os.ReadFile(filepath.Join(out, "result.json"))
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, stderr.String())
	}
	var r reports.Result
	return &r, json.Unmarshal(text, &r)
}

// held is what the balancer's process holds.
type held struct{ resident, descriptors int }

func (s *attackedBalancer) held() (h held) {
	proc := fmt.Sprintf("/proc/%d", s.cmd.Process.Pid)
	status, _ := os.ReadFile(filepath.Join(proc, "status")) // nothing is held by a process that has ended
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			_, _ = fmt.Sscan(rest, &h.resident)
		}
	}
	files, _ := os.ReadDir(filepath.Join(proc, "fd"))
	h.descriptors = len(files)
	return h
}

// settle waits until the balancer holds about what it held before the attack, up to settleFor. It returns what it holds then,
// and how long that took. One that has ended holds nothing, and is not back.
func (s *attackedBalancer) settle(before held) (h held, took time.Duration, back bool) {
	began, told := time.Now(), time.Duration(0)
	for {
		h, took = s.held(), time.Since(began).Round(time.Second)
		back = h.resident > 0 && h.descriptors <= before.descriptors && float64(h.resident) <= settledAt*float64(before.resident)
		if back || took >= settleFor {
			return h, took, back
		}
		if took >= told {
			fmt.Printf("%v after the attack the balancer holds %d KiB and %d descriptors\n", took, h.resident, h.descriptors)
			told += settleEvery
		}
		time.Sleep(time.Second)
	}
}

func (s *attackedBalancer) stop() {
	if s.cmd != nil && s.cmd.Process != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
	}
	for _, b := range s.backends {
		b.stop()
	}
	s.close()
}
