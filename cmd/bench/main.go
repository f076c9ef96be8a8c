// Command bench compares shakedown's load generator and its balancer with whichever peers are installed, side by
// side in one run, pinned to a core each.
//
//	go run ./cmd/bench loadgen --shakedown ./shakedown
//	go run ./cmd/bench balancer --shakedown ./shakedown
//	go run ./cmd/bench validity --shakedown ./shakedown
//
// loadgen, beside wrk, wrk2, vegeta, hey, ab, fortio and k6: CPU per request at full rate, and how evenly a thousand
// requests a second arrive. balancer, beside HAProxy, nginx and Caddy: CPU per request, large answers, added latency,
// idle connections. validity: the generator is disturbed, and its verdicts are compared with the truth. Read the ratios, not the figures: machines differ, and this one may be busy.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
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
	benches := map[string]func(binary string, length time.Duration) error{"loadgen": loadgen, "balancer": balancers, "validity": validity}
	if len(os.Args) < 2 || benches[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: bench loadgen|balancer|validity [--shakedown PATH] [--for 5s]")
		os.Exit(2)
	}
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	binary := flags.String("shakedown", "./shakedown", "the binary under test")
	length := flags.Duration("for", 5*time.Second, "how long each measurement takes")
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
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "full rate, %d connections\tCPU µs a request\tof wrk's\trequests a second\t\n", connections)
	reference := 0.
	for _, t := range fullRate(binary, server.url, length) {
		m, err := server.measure(t)
		if err != nil {
			return err
		}
		if m.requests == 0 {
			continue
		}
		cpu := m.cpu.Seconds() * 1e6 / float64(m.requests)
		if t.name == "wrk" {
			reference = cpu
		}
		ratio := "-"
		if reference > 0 {
			ratio = fmt.Sprintf("%.2f", cpu/reference)
		}
		fmt.Fprintf(w, "%s\t%.2f\t%s\t%.0f\t\n", t.name, cpu, ratio, float64(m.requests)/m.wall.Seconds())
	}
	fmt.Fprintf(w, "\t\t\t\t\n%d/s, arrival lag at the server\tp50 µs\tp99 µs\trequests\t\n", pacedRate)
	for _, t := range paced(binary, server.url, length) {
		m, err := server.measure(t)
		if err != nil {
			return err
		}
		if m.requests > 0 {
			fmt.Fprintf(w, "%s\t%.0f\t%.0f\t%d\t\n", t.name, m.lag50, m.lag99, m.requests)
		}
	}
	return w.Flush()
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
