package main

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

// What the balancers are compared by.
const (
	upstreams       = 3
	bigAnswer       = 1 << 20
	addedRate       = 2000 // requests a second at which added latency is compared
	idleConnections = 8000 // client connections kept open without a request: fewer than seven sixteenths of 20,000 descriptors; HAProxy takes two for each
)

// balancers compares balancers on the second core: what one request costs each, how fast large answers pass, the
// latency added, the memory of an idle connection. Load and upstreams share the first core.
func balancers(binary string, length time.Duration) error {
	dir, err := os.MkdirTemp("", "shakedown-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var small, big []string
	for range upstreams {
		for _, x := range []struct {
			size int
			into *[]string
		}{{0, &small}, {bigAnswer, &big}} {
			s, err := startServerOf(x.size, 0)
			if err != nil {
				return err
			}
			defer s.stop()
			*x.into = append(*x.into, strings.TrimPrefix(s.url, "http://"))
		}
	}
	pem, err := writeCertificate(dir)
	if err != nil {
		return err
	}
	direct, err := addedLatency(binary, "http://"+small[0], length, dir)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "\tCPU µs a request\trequests a second\tCPU µs a request, TLS\t1 MiB answers a second\tadded p99 at %d/s, µs\tKiB an idle connection\t\n", addedRate)
	for _, b := range installedBalancers(binary, dir, pem) {
		row, err := b.measure(binary, small, big, direct, length, dir)
		if err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
		fmt.Fprintf(w, "%s\t%.1f\t%.0f\t%.1f\t%.0f\t%.0f\t%.1f\t\n", b.name, row.cpu, row.rate, row.tlsCPU, row.bigRate, row.added, row.idle)
	}
	return w.Flush()
}

// contender is a balancer that can be started.
type contender struct {
	name string
	args func(listen string, secure bool, to []string) ([]string, error)
}

func installedBalancers(binary, dir, pem string) (out []contender) {
	file := func(name, text string) (string, error) {
		path := filepath.Join(dir, name)
		return path, os.WriteFile(path, []byte(text), 0o644)
	}
	all := []contender{
		{"haproxy", func(listen string, secure bool, to []string) ([]string, error) {
			if secure {
				listen += " ssl crt " + pem
			}
			cfg := "global\n maxconn 9500\n nbthread 1\ndefaults\n mode http\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n http-reuse always\n option forwardfor\n" +
				"frontend f\n bind " + listen + "\n default_backend b\nbackend b\n balance roundrobin\n option httpchk GET /\n"
			for i, a := range to {
				cfg += fmt.Sprintf(" server s%d %s check inter 2s\n", i, a)
			}
			path, err := file("haproxy.cfg", cfg)
			return []string{"haproxy", "-db", "-f", path}, err
		}},
		{"shakedown", func(listen string, secure bool, to []string) ([]string, error) {
			args := []string{binary, "balance", "--listen", listen, "--targets", strings.Join(to, ","), "--strategy", "round_robin", "--health", "/"}
			if secure {
				args = append(args, "--tls", pem)
			}
			return args, nil
		}},
		{"nginx", func(listen string, secure bool, to []string) ([]string, error) {
			if secure {
				listen += " ssl; ssl_certificate " + pem + "; ssl_certificate_key " + pem
			}
			cfg := "worker_processes 1; daemon off; pid " + dir + "/nginx.pid; error_log stderr;\nevents { worker_connections 19000; }\nhttp { access_log off; keepalive_requests 1000000000;\n upstream u { keepalive 256;"
			for _, a := range to {
				cfg += " server " + a + ";"
			}
			cfg += " }\n server { listen " + listen + "; location / { proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; } } }\n"
			path, err := file("nginx.conf", cfg)
			return []string{"nginx", "-c", path}, err
		}},
		{"caddy", func(listen string, secure bool, to []string) ([]string, error) {
			site := "http://" + listen + " {\n"
			if secure {
				site = "https://" + listen + " {\n tls " + pem + " " + pem + "\n"
			}
			cfg := "{\n admin off\n auto_https off\n}\n" + site + " reverse_proxy " + strings.Join(to, " ") + " {\n  lb_policy round_robin\n  health_uri /\n }\n}\n"
			path, err := file("Caddyfile", cfg)
			return []string{"caddy", "run", "--config", path, "--adapter", "caddyfile"}, err
		}},
	}
	for _, c := range all {
		if _, err := exec.LookPath(c.name); err == nil || c.name == "shakedown" {
			out = append(out, c)
		}
	}
	return out
}

// row is one balancer's figures.
type row struct{ cpu, rate, tlsCPU, bigRate, added, idle float64 }

func (c contender) measure(binary string, small, big []string, direct float64, length time.Duration, dir string) (r row, err error) {
	p, err := c.start(true, small)
	if err != nil {
		return r, err
	}
	r.tlsCPU, _, err = p.cost(binary, length, dir)
	p.stop()
	if err != nil {
		return r, err
	}
	if p, err = c.start(false, small); err != nil {
		return r, err
	}
	added, err := addedLatency(binary, p.url, length, dir)
	if err != nil {
		p.stop()
		return r, err
	}
	r.added = (added - direct) * 1000
	if r.cpu, r.rate, err = p.cost(binary, length, dir); err != nil {
		p.stop()
		return r, err
	}
	r.idle, err = p.idleCost()
	p.stop()
	if err != nil {
		return r, err
	}
	if p, err = c.start(false, big); err != nil {
		return r, err
	}
	defer p.stop()
	_, r.bigRate, err = fullSpeed(binary, p.url, length, dir)
	return r, err
}

// cost is the CPU time of a request at full speed, in microseconds, and how many a second there are.
func (p *running) cost(binary string, length time.Duration, dir string) (cpu, rate float64, err error) {
	before := p.cpu()
	n, rate, err := fullSpeed(binary, p.url, length, dir)
	return (p.cpu() - before).Seconds() * 1e6 / float64(max(n, 1)), rate, err
}

// running is a balancer's process.
type running struct {
	cmd *exec.Cmd
	url string
}

func (c contender) start(secure bool, to []string) (*running, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	listen := l.Addr().String()
	l.Close()
	args, err := c.args(listen, secure, to)
	if err != nil {
		return nil, err
	}
	p := &running{cmd: exec.Command(args[0], args[1:]...), url: "http://" + listen}
	if secure {
		p.url = "https://" + listen
	}
	var said strings.Builder
	p.cmd.Stdout, p.cmd.Stderr = &said, &said
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := pinned(p.cmd, 1); err != nil {
		return nil, err
	}
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if res, err := client.Get(p.url); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				time.Sleep(time.Second) // until every check has passed
				return p, nil
			}
		}
	}
	p.stop()
	return nil, fmt.Errorf("did not answer within 20 s: %s", said.String())
}

func (p *running) stop() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGTERM) // its group: nginx has a worker
	_ = p.cmd.Wait()                                      // how it ends is its own affair
}

// pids are the processes of the balancer.
func (p *running) pids() (out []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is correct
	for _, s := range stats {
		b, err := os.ReadFile(s)
		if err != nil {
			continue // it has ended
		}
		f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
		if group, _ := strconv.Atoi(f[2]); group == p.cmd.Process.Pid {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(s)))
			out = append(out, pid)
		}
	}
	return out
}

// cpu is the CPU time that the balancer has used.
func (p *running) cpu() (sum time.Duration) {
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every Linux
	for _, pid := range p.pids() {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
		user, _ := strconv.Atoi(f[11])
		system, _ := strconv.Atoi(f[12])
		sum += time.Duration(user+system) * tick
	}
	return sum
}

func (p *running) rss() (kib float64) {
	for _, pid := range p.pids() {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			continue
		}
		if m := regexp.MustCompile(`VmRSS:\s+(\d+)`).FindSubmatch(b); m != nil {
			n, _ := strconv.ParseFloat(string(m[1]), 64)
			kib += n
		}
	}
	return kib
}

// idleCost opens many connections, each of which has asked once, and returns what one of them costs.
func (p *running) idleCost() (kib float64, err error) {
	before := p.rss()
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	for range idleConnections {
		c, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
		if err != nil {
			return 0, err
		}
		conns = append(conns, c)
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
			return 0, err
		}
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			return 0, err
		}
		res.Body.Close()
	}
	time.Sleep(2 * time.Second)
	runtime.KeepAlive(conns)
	return (p.rss() - before) / idleConnections, nil
}

// fullSpeed asks as fast as 64 connections can, with wrk when it is there.
func fullSpeed(binary, url string, length time.Duration, dir string) (n int, rate float64, err error) {
	if _, err := exec.LookPath("wrk"); err != nil {
		r, err := attack(binary, url, "max", length, dir, "--insecure")
		return r.Totals.Succeeded, r.Rates.Succeeded, err
	}
	cmd := exec.Command("wrk", "-t1", fmt.Sprintf("-c%d", connections), "-d"+length.String(), url)
	out, err := output(cmd)
	if err != nil {
		return 0, 0, err
	}
	count := regexp.MustCompile(`(\d+) requests in`).FindStringSubmatch(out)
	perSecond := regexp.MustCompile(`Requests/sec:\s+([\d.]+)`).FindStringSubmatch(out)
	if count == nil || perSecond == nil || strings.Contains(out, "Non-2xx") {
		return 0, 0, fmt.Errorf("wrk: %s", out)
	}
	n, _ = strconv.Atoi(count[1])
	rate, _ = strconv.ParseFloat(perSecond[1], 64)
	return n, rate, nil
}

// attacked is what is read of a result.
type attacked struct {
	Totals  struct{ Succeeded, Failed, Dropped int }
	Rates   struct{ Succeeded float64 }
	Latency struct {
		Response struct {
			P99 float64 `json:"p99_ms"`
		}
	}
}

func attack(binary, url, rate string, length time.Duration, dir string, more ...string) (r attacked, err error) {
	out := filepath.Join(dir, "attack")
	cmd := exec.Command(binary, append([]string{
		"attack", url, "--rate", rate, "--for", length.String(), "--connections", fmt.Sprint(connections),
		"--quiet", "--format", "json", "--out", out, "--set", "validity.lag=10s",
	}, more...)...)
	if text, err := output(cmd); err != nil {
		return r, fmt.Errorf("%w: %s", err, text)
	}
	b, err := os.ReadFile(filepath.Join(out, "result.json"))
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(b, &r)
}

// addedLatency is the p99 of the response time at a moderate rate, in milliseconds: the lowest of several runs,
// because a single stall of the machine decides a p99, and stalls are not what is compared.
func addedLatency(binary, url string, length time.Duration, dir string) (p99 float64, err error) {
	const runs = 6
	var all []float64
	for range runs {
		r, err := attack(binary, url, fmt.Sprint(addedRate, "/s"), length/2, dir)
		if err != nil {
			return 0, err
		}
		if n := r.Totals.Failed + r.Totals.Dropped; n > 0 {
			return 0, fmt.Errorf("%d requests failed", n)
		}
		all = append(all, r.Latency.Response.P99)
	}
	return slices.Min(all), nil
}

// output runs a command on the first core and returns what it says.
func output(cmd *exec.Cmd) (string, error) {
	var b strings.Builder
	cmd.Stdout, cmd.Stderr = &b, &b
	if err := pinned(cmd, 0); err != nil {
		return "", err
	}
	err := cmd.Wait()
	return b.String(), err
}
