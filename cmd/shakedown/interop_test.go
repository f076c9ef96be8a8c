package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// interopRow is a request, what the target does with it, and what comes of it: the status that the client gets and,
// behind it, the first line that the target saw, or +name: and -name: for a header that it saw or did not see. An empty
// text stands for "not looked at". real is what the program itself does; ours, where it is not empty, is what the profile
// does instead, and why says for what reason.
type interopRow struct {
	name, target, request string
	real, ours, why       string
}

const (
	okTarget   = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
	interopGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
)

// target's further answers.
const (
	refuses = "refuses" // nothing listens there: only in the last rows
	resets  = "resets"
	closes  = "closes"
	hangs   = "hangs"
)

// stricter is why a request is refused that the real program lets pass.
const stricter = "malformed or ambiguous by RFC 9112; the balancer refuses such in every profile"

func interopRows(program string) []interopRow {
	get := func(target string) string { return "GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n" }
	with := func(headers string) string { return "GET / HTTP/1.1\r\nHost: a\r\n" + headers + "\r\n" }
	post := func(headers, body string) string { return "POST / HTTP/1.1\r\nHost: a\r\n" + headers + "\r\n" + body }
	status := func(n int) string { return strings.Replace(okTarget, "200", fmt.Sprint(n), 1) }
	many := strings.Repeat("B: c\r\n", 120)
	switch program {
	case "haproxy": // 2.6, by configuration.txt and tried
		return []interopRow{
			{"answers", okTarget, interopGet, "200 GET / HTTP/1.1", "", ""},
			{"500", status(500), interopGet, "500", "", ""},
			{"503", status(503), interopGet, "503", "", ""},
			{"reset before the head", resets, interopGet, "502", "", ""},
			{"closed before the head", closes, interopGet, "502", "", ""},
			{"a POST, closed before the head", closes, post("Content-Length: 2\r\n", "ab"), "502", "", ""},
			{"no answer in time", hangs, interopGet, "504", "", ""},
			{"no answer of HTTP", "what?\r\n\r\n", interopGet, "502", "", ""},
			{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok1", interopGet, "502", "", ""},
			{"a head of 70 KB", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 70_000) + "\r\n\r\n", interopGet, "502", "", ""},
			{"a request's head of 20 KB", okTarget, with("X: " + strings.Repeat("x", 20_000) + "\r\n"), "400", "", ""},
			{"a target of 20 KB", okTarget, get("/" + strings.Repeat("x", 20_000)), "400", "", ""},
			{"120 headers", okTarget, with(many), "400", "", ""},
			{"a body of 2 MB", okTarget, post("Content-Length: 2000000\r\n", strings.Repeat("x", 2_000_000)), "200", "", ""},
			{"dot segments", okTarget, get("/a/../b"), "200 GET /a/../b HTTP/1.1", "", ""},
			{"slashes", okTarget, get("/a//b"), "200 GET /a//b HTTP/1.1", "", ""},
			{"unusual characters", okTarget, get("/{a}|b^c`d\"<e>\\"), "200 GET /{a}|b^c`d\"<e>\\ HTTP/1.1", "", ""},
			{"underscores", okTarget, with("X_Under: 1\r\n"), "200 +x_under:", "", ""},
			{"a coding before chunked", okTarget, post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), "422", "", ""},
			{"a coding without chunked", okTarget, post("Transfer-Encoding: gzip\r\n", ""), "400", "422", "one status for codings that are not known"},
			{"TRACE", okTarget, "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", "200 TRACE / HTTP/1.1", "405", "RFC 9110, 9.3.8: it would show the headers that the balancer adds"},
			{"a later minor version", okTarget, "GET / HTTP/1.2\r\nHost: a\r\n\r\n", "200 GET / HTTP/1.1", "505", stricter},
			{"no Host", okTarget, "GET / HTTP/1.1\r\n\r\n", "200", "400", stricter},
			{"two lengths of a request", okTarget, post("Content-Length: 2\r\nContent-Length: 3\r\n", "ab"), "400", "", ""},
			{"a length and chunks", okTarget, post("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), "200", "400", stricter},
			{"a line that ends with LF", okTarget, "GET / HTTP/1.1\nHost: a\n\n", "200", "400", stricter},
			{"dot segments above the root", okTarget, get("/../b"), "200", "400", "targets differ in what they make of it"},
			{"nothing listens", refuses, interopGet, "503", "", ""},
		}
	case "nginx": // 1.22, by its documentation and tried
		return []interopRow{
			{"answers", okTarget, interopGet, "200 GET / HTTP/1.1", "", ""},
			{"500", status(500), interopGet, "500", "", ""},
			{"503", status(503), interopGet, "503", "", ""},
			{"500 once more: the sole server is never taken out", status(500), interopGet, "500", "", ""},
			{"reset before the head", resets, interopGet, "502", "", ""},
			{"the sole server after a reset", okTarget, interopGet, "200", "", ""},
			{"closed before the head", closes, interopGet, "502", "", ""},
			{"a POST, closed before the head", closes, post("Content-Length: 2\r\n", "ab"), "502 POST / HTTP/1.1", "", ""},
			{"no answer in time", hangs, interopGet, "504", "", ""},
			{"a head of 70 KB", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 70_000) + "\r\n\r\n", interopGet, "502", "", ""},
			{"a request's header of 9 KB", okTarget, with("X: " + strings.Repeat("x", 9_000) + "\r\n"), "400", "", ""},
			{"a target of 9 KB", okTarget, get("/" + strings.Repeat("x", 9_000)), "414", "", ""},
			{"120 headers", okTarget, with(many), "200", "", ""},
			{"a body of 2 MB", okTarget, post("Content-Length: 2000000\r\n", strings.Repeat("x", 2_000_000)), "413", "", ""},
			{"dot segments", okTarget, get("/a/../b"), "200 GET /a/../b HTTP/1.1", "", ""},
			{"dot segments above the root", okTarget, get("/../b"), "400", "", ""},
			{"no escape", okTarget, get("/a%zz"), "400", "", ""},
			{"unusual characters", okTarget, get("/{a}|b^c`d\"<e>\\"), "200 GET /{a}|b^c`d\"<e>\\ HTTP/1.1", "", ""},
			{"underscores", okTarget, with("X_Under: 1\r\n"), "200 -x_under:", "", ""},
			{"a coding before chunked", okTarget, post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), "501", "", ""},
			{"TRACE", okTarget, "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", "405", "", ""},
			{"a later minor version", okTarget, "GET / HTTP/1.2\r\nHost: a\r\n\r\n", "200", "505", stricter},
			{"no Host", okTarget, "GET / HTTP/1.1\r\n\r\n", "400", "", ""},
			{"two lengths of a request", okTarget, post("Content-Length: 2\r\nContent-Length: 3\r\n", "ab"), "400", "", ""},
			{"a length and chunks", okTarget, post("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), "400", "", ""},
			{"a line that ends with LF", okTarget, "GET / HTTP/1.1\nHost: a\n\n", "200", "400", stricter},
			{"nothing listens", refuses, interopGet, "502", "", ""},
		}
	}
	return nil
}

// Each profile answers as the program that it is called after, but where a row says why it does not.
func TestProfilesBehaveAsTheirPrograms(t *testing.T) {
	for _, program := range []string{"haproxy", "nginx"} {
		t.Run(program, func(t *testing.T) {
			target := newScripted(t)
			config := filepath.Join(t.TempDir(), "balance.yaml")
			text := "version: 1\ntopology:\n  balancer: {profile: " + program + "}\n  listeners: [{address: \"127.0.0.1:0\", rules: [{forward: web}]}]\n" +
				"  groups: {web: {health: \"off\", targets: {addresses: [\"" + target.address() + "\"]}, timeouts: {response: 500ms}}}\n"
			if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			address := spawn(t, "balance", config).await(t, `balancing http://([0-9.:]+)`)
			for _, row := range interopRows(program) {
				want := row.real
				if row.ours != "" {
					want = row.ours
				}
				target.check(t, address, row, want)
			}
		})
	}
}

// With SHAKEDOWN_INTEROP=1, which `make interop` sets, the real programs play the same rows.
func TestProgramsBehaveAsTheirProfiles(t *testing.T) {
	if os.Getenv("SHAKEDOWN_INTEROP") == "" {
		if len(interopRows("haproxy")) == 0 || len(interopRows("nginx")) == 0 {
			t.Error("there are no rows to play")
		}
		return
	}
	for program, start := range map[string]func(dir, listen, target string) (config string, args []string){
		"haproxy": func(dir, listen, target string) (string, []string) {
			return "defaults\n mode http\n timeout connect 5s\n timeout client 5s\n timeout server 500ms\nfrontend f\n bind " + listen +
				"\n default_backend b\nbackend b\n server s " + target + "\n", []string{"-db", "-f", dir + "/config"}
		},
		"nginx": func(dir, listen, target string) (string, []string) {
			return "worker_processes 1; daemon off; pid " + dir + "/pid; error_log " + dir + "/errors;\nevents {}\nhttp { access_log off; client_body_temp_path " + dir +
				"; proxy_temp_path " + dir + "; upstream u { server " + target + "; } server { listen " + listen +
				"; location / { proxy_pass http://u; proxy_read_timeout 500ms; proxy_http_version 1.1; proxy_set_header Connection \"\"; } } }\n", []string{"-c", dir + "/config"}
		},
	} {
		t.Run(program, func(t *testing.T) {
			target := newScripted(t)
			dir, listen := t.TempDir(), freeAddress(t)
			config, args := start(dir, listen, target.address())
			if err := os.WriteFile(filepath.Join(dir, "config"), []byte(config), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(program, args...)
			var said bytes.Buffer
			cmd.Stderr = &said
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				_ = cmd.Process.Signal(os.Interrupt)
				_ = cmd.Wait()
			})
			for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
				if c, err := net.Dial("tcp", listen); err == nil {
					c.Close()
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("%s does not listen: %s", program, said.String())
				}
			}
			for _, row := range interopRows(program) {
				target.check(t, listen, row, row.real)
			}
		})
	}
}

func freeAddress(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// scripted is a target that does what the row in play says, and keeps the head that it saw.
type scripted struct {
	l      net.Listener
	script atomic.Pointer[string]
	mu     sync.Mutex
	seen   string
}

func newScripted(t *testing.T) *scripted {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &scripted{l: l}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go s.serve(c)
		}
	}()
	return s
}

func (s *scripted) address() string { return s.l.Addr().String() }

var lengthPattern = regexp.MustCompile(`(?i)\r\ncontent-length: *(\d+)\r\n`)

func (s *scripted) serve(c net.Conn) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	r := bufio.NewReader(c)
	var head strings.Builder
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		head.WriteString(line)
		if line == "\r\n" {
			break
		}
	}
	s.mu.Lock()
	s.seen = head.String()
	s.mu.Unlock()
	if m := lengthPattern.FindStringSubmatch(head.String()); m != nil {
		n := int64(0)
		_, _ = fmt.Sscan(m[1], &n)
		_, _ = io.CopyN(io.Discard, r, n)
	}
	switch script := *s.script.Load(); script {
	case resets:
		_ = c.(*net.TCPConn).SetLinger(0)
	case closes:
	case hangs:
		_, _ = io.Copy(io.Discard, r) // until the balancer gives up
	default:
		_, _ = io.WriteString(c, script)
	}
}

// check plays a row at an address.
func (s *scripted) check(t *testing.T, address string, row interopRow, want string) {
	t.Helper()
	if row.target == refuses {
		s.l.Close()
	}
	s.script.Store(&row.target)
	s.mu.Lock()
	s.seen = ""
	s.mu.Unlock()
	got := statusOf(t, address, row.request)
	s.mu.Lock()
	defer s.mu.Unlock()
	status, saw, _ := strings.Cut(want, " ")
	line, _, _ := strings.Cut(s.seen, "\r\n")
	header := "\r\n" + strings.TrimLeft(saw, "+-")
	switch {
	case got != status:
		t.Errorf("%s: status %s, want %s", row.name, got, status)
	case strings.HasPrefix(saw, "+") && !strings.Contains(strings.ToLower(s.seen), header):
		t.Errorf("%s: the target did not see %s", row.name, saw[1:])
	case strings.HasPrefix(saw, "-") && (s.seen == "" || strings.Contains(strings.ToLower(s.seen), header)):
		t.Errorf("%s: the target saw %q", row.name, s.seen)
	case saw != "" && saw[0] != '+' && saw[0] != '-' && line != saw:
		t.Errorf("%s: the target saw %q, want %q", row.name, line, saw)
	}
}

// statusOf sends a request and returns the status of its answer.
func statusOf(t *testing.T, address, request string) string {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	go func() { _, _ = io.WriteString(c, request) }() // the answer may come before the end of a large body
	line, err := bufio.NewReader(c).ReadString('\n')
	if fields := strings.Fields(line); len(fields) > 1 {
		return fields[1]
	}
	return fmt.Sprintf("%q, %v", line, err)
}
