// Command bench compares shakedown's load generator and its balancer with whichever peers are installed, side by
// side in one run, pinned to a core each.
//
//	go run ./cmd/bench loadgen --shakedown ./shakedown
//	go run ./cmd/bench balancer --shakedown ./shakedown
//	go run ./cmd/bench hostile --shakedown ./shakedown --for 30m
//	go run ./cmd/bench validity --shakedown ./shakedown
//
// loadgen, beside wrk, wrk2, vegeta, hey, ab, fortio and k6: CPU per request at full rate, and how evenly a thousand
// requests a second arrive. balancer, beside HAProxy, nginx and Caddy: CPU per request, large answers, added latency,
// idle connections. hostile: clients and targets that attack the balancer beside innocent ones. validity: the generator is disturbed, and its verdicts are compared with the truth. Read the
// ratios, not the figures: machines differ, and this one may be busy.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == "server" {
		size, err := strconv.Atoi(os.Args[2])
		if err != nil {
			os.Exit(2)
		}
		serve(size)
		return
	}
	only := ""
	benches := map[string]func(binary string, length time.Duration) error{
		"loadgen": loadgen, "balancer": balancers, "hostile": hostile,
		"validity": func(binary string, length time.Duration) error { return validity(binary, length, only) },
	}
	if len(os.Args) < 2 || benches[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: bench loadgen|balancer|hostile|validity [--shakedown PATH] [--for 5s] [--only TEXT]")
		os.Exit(2)
	}
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	binary := flags.String("shakedown", "./shakedown", "the binary under test")
	length := flags.Duration("for", 5*time.Second, "how long each measurement takes")
	flags.StringVar(&only, "only", "", "of validity: only what holds this text, as LOAD: DISTURBANCE")
	if err := flags.Parse(os.Args[2:]); err != nil {
		os.Exit(2)
	}
	if err := benches[os.Args[1]](*binary, *length); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// connections is how many keep-alive connections the full-rate comparison uses.
const connections = 64

// pacedRate is the rate at which evenness is compared.
const pacedRate = 1000

func loadgen(binary string, length time.Duration) error {
	server, err := startServer()
	if err != nil {
		return err
	}
	defer server.stop()
	full, err := server.inTurns(fullRate(binary, server.url, length))
	if err != nil {
		return err
	}
	paced, err := server.inTurns(paced(binary, server.url, length))
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "full rate, %d connections\tCPU µs a request\tof wrk's\trequests a second\t\n", connections)
	reference := 0.
	for _, r := range full {
		cpu := r.median(func(m measured) float64 { return m.cpu.Seconds() * 1e6 / float64(m.requests) })
		if r.name == "wrk" {
			reference = cpu
		}
		ratio := "-"
		if reference > 0 {
			ratio = fmt.Sprintf("%.2f", cpu/reference)
		}
		fmt.Fprintf(w, "%s\t%.2f\t%s\t%.0f\t\n", r.name, cpu, ratio,
			r.median(func(m measured) float64 { return float64(m.requests) / m.wall.Seconds() }))
	}
	fmt.Fprintf(w, "\t\t\t\t\n%d/s, arrival lag at the server\tp50 µs\tp99 µs\trequests\t\n", pacedRate)
	for _, r := range paced {
		fmt.Fprintf(w, "%s\t%.0f\t%.0f\t%.0f\t\n", r.name,
			r.median(func(m measured) float64 { return m.lag50 }),
			r.median(func(m measured) float64 { return m.lag99 }),
			r.median(func(m measured) float64 { return float64(m.requests) }))
	}
	return w.Flush()
}

// rounds is how often each tool is measured. The tools take turns, so that what the machine does besides hits all of
// them, and each figure is the median.
const rounds = 5

// result is what one tool did in the rounds in which it sent anything.
type result struct {
	name     string
	measured []measured
}

func (r result) median(figure func(measured) float64) float64 {
	figures := make([]float64, len(r.measured))
	for i, m := range r.measured {
		figures[i] = figure(m)
	}
	slices.Sort(figures)
	return figures[len(figures)/2]
}

// inTurns measures each tool rounds times. A tool that never sent a request is left out.
func (s *server) inTurns(tools []tool) ([]result, error) {
	results := make([]result, len(tools))
	for range rounds {
		for i, t := range tools {
			m, err := s.measure(t)
			if err != nil {
				return nil, err
			}
			results[i].name = t.name
			if m.requests > 0 {
				results[i].measured = append(results[i].measured, m)
			}
		}
	}
	return slices.DeleteFunc(results, func(r result) bool { return len(r.measured) == 0 }), nil
}

// tool is one generator's command line; stdin is fed to it.
type tool struct {
	name, stdin string
	args        []string
}

// installed keeps the tools that are there.
func installed(tools []tool) (out []tool) {
	for _, t := range tools {
		if _, err := exec.LookPath(t.args[0]); err == nil {
			out = append(out, t)
		}
	}
	return out
}

func fullRate(binary, url string, length time.Duration) []tool {
	d, c := length.String(), fmt.Sprint(connections)
	return installed([]tool{
		{"wrk", "", []string{"wrk", "-t1", "-c" + c, "-d" + d, url}},
		{"shakedown", "", []string{binary, "attack", url, "--rate", "max", "--connections", c, "--for", d, "--quiet", "--format", "json", "--out", os.TempDir() + "/shakedown-bench"}},
		{"ab", "", []string{"ab", "-q", "-k", "-c", c, "-t", fmt.Sprintf("%.0f", length.Seconds()), "-n", "100000000", url + "/"}},
		{"hey", "", []string{"hey", "-c", c, "-z", d, url}},
		{"vegeta", "GET " + url + "\n", []string{"vegeta", "attack", "-rate", "0", "-max-workers", c, "-duration", d, "-output", os.DevNull}},
		{"fortio", "", []string{"fortio", "load", "-qps", "0", "-c", c, "-t", d, "-quiet", url}},
	})
}

func paced(binary, url string, length time.Duration) []tool {
	d, c, r := length.String(), fmt.Sprint(connections), fmt.Sprint(pacedRate)
	script := "import http from 'k6/http'; export const options = {scenarios: {s: {executor: 'constant-arrival-rate', rate: " + r +
		", timeUnit: '1s', duration: '" + d + "', preAllocatedVUs: " + c + "}}}; export default function () { http.get('" + url + "'); }"
	return installed([]tool{
		{"shakedown", "", []string{binary, "attack", url, "--rate", r + "/s", "--connections", c, "--for", d, "--quiet", "--format", "json", "--out", os.TempDir() + "/shakedown-bench"}},
		{"vegeta", "GET " + url + "\n", []string{"vegeta", "attack", "-rate", r, "-duration", d, "-output", os.DevNull}},
		{"wrk2", "", []string{"wrk2", "-t1", "-c" + c, "-R" + r, "-d" + d, url}},
		{"hey", "", []string{"hey", "-c", "10", "-q", fmt.Sprint(pacedRate / 10), "-z", d, url}},
		{"fortio", "", []string{"fortio", "load", "-qps", r, "-c", c, "-t", d, "-quiet", url}},
		{"k6", script, []string{"k6", "run", "--quiet", "-"}},
	})
}

func (t tool) command() *exec.Cmd {
	cmd := exec.Command(t.args[0], t.args[1:]...)
	cmd.Stdin = strings.NewReader(t.stdin)
	return cmd
}
