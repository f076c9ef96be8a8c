package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/reports"
)

// secretWord stands in every secret of these tests, as it is and in Basic authorization.
const secretWord = "hunter2hunter2"

// checkNoSecret searches the output of a command and every file below a folder for the secret.
func checkNoSecret(t *testing.T, dir, output string) {
	t.Helper()
	encoded := base64.StdEncoding.EncodeToString([]byte("user:" + secretWord))
	holds := func(where string, content []byte) {
		for _, s := range []string{secretWord, encoded} {
			if i := bytes.Index(content, []byte(s)); i >= 0 {
				t.Errorf("%s shows the secret: …%s…", where, content[max(0, i-60):i+len(s)])
			}
		}
	}
	holds("the output", []byte(output))
	files := 0
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		holds(path, content)
		files++
		return err
	})
	if err != nil || files < 5 {
		t.Errorf("%d files were written: %v", files, err)
	}
}

func allFormats() string { return strings.Join(reports.FormatNames(false), ",") }

// Secrets of a scenario, and of overrides, are in no file, no message, and on no command line of a child; what is sent
// holds them.
func TestSecretsOfAScenario(t *testing.T) {
	scenario := `version: 1
mask: [x-api-key, DB_PIN]
topology:
  listeners: [{rules: [{forward: web, header: {x-api-key: "hunter2hunter2"}, set: {authorization: hunter2hunter2}}, {path: /b, forward: own}]}]
  groups:
    web: {sticky: {secret: hunter2hunter2}, targets: {count: 1}, service: {time: 1ms}}
    own: {targets: {env: {DB_PIN: hunter2hunter2, APP_TOKEN: hunter2hunter2}, command: [./server.sh, "{port}", --token, hunter2hunter2]}}
load:
  requests: [{get: /, headers: {X-Api-Key: hunter2hunter2, cookie: [a=hunter2hunter2, b]}}, {get: /b}]
  phases: [{name: main, rate: 50/s, for: 1s}]
validity: {lag: 10s}
`
	cmd := command(t, "run", "scenario.yaml", "--out", "out", "--format", allFormats(), "--json",
		"--set", `load.requests."GET /".headers.Authorization=Bearer `+secretWord)
	write := func(name, text string, mode os.FileMode) {
		if err := os.WriteFile(filepath.Join(cmd.Dir, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("scenario.yaml", scenario, 0o600)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(cmd.Dir, "shakedown")
	if err := os.Symlink(exe, link); err != nil {
		t.Fatal(err)
	}
	write("server.sh", "#!/bin/sh\ntest \"$DB_PIN\" = "+secretWord+" && echo password known\nexec "+link+" backend --listen 127.0.0.1:$1\n", 0o700)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	children := map[string]bool{}
	for running := true; running; {
		select {
		case err = <-ended:
			running = false
		case <-time.After(5 * time.Millisecond): // children live for the whole run
			for _, line := range childrenOf(t, cmd.Process.Pid) {
				children[line] = true
			}
		}
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, &output)
	}
	if len(children) < 3 {
		t.Errorf("only %d children were seen: %v", len(children), children)
	}
	for line := range children {
		if strings.Contains(line, secretWord) && !strings.Contains(line, "server.sh") { // what the user starts is the user's
			t.Errorf("a child's command line shows the secret: %q", line)
		}
	}
	checkNoSecret(t, filepath.Join(cmd.Dir, "out"), output.String())
	if log, err := os.ReadFile(filepath.Join(cmd.Dir, "out", "own-1.log")); err != nil || !strings.HasPrefix(string(log), "password known\n") {
		t.Errorf("the variable did not reach the command: %q, %v", log, err)
	}
	r := readResult(t, filepath.Join(cmd.Dir, "out"))
	if !strings.Contains(r.Environment.Command, `.headers.Authorization=***`) || !strings.Contains(string(r.Scenario), `"X-Api-Key": "***"`) {
		t.Errorf("%s\n%s", r.Environment.Command, r.Scenario)
	}
}

// childrenOf returns the command lines of a process' children.
func childrenOf(t *testing.T, pid int) (lines []string) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		if fields := strings.Fields(rest); len(fields) < 2 || fields[1] != strconv.Itoa(pid) {
			continue
		}
		line, err := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
		if err == nil && len(line) > 0 && !bytes.Contains(line, []byte("\x00run\x00")) { // between fork and exec it is the parent's
			lines = append(lines, string(line))
		}
	}
	return lines
}

// The user information of a URL is sent as Basic authorization, and shown nowhere; so are secret headers of a command line.
func TestSecretsOfAURL(t *testing.T) {
	var right, wrong atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		user, password, ok := r.BasicAuth()
		if ok && user == "user" && password == secretWord && r.Host == r.Context().Value(http.LocalAddrContextKey).(fmt.Stringer).String() {
			right.Add(1)
		} else {
			wrong.Add(1)
		}
	}))
	defer server.Close()
	url := strings.Replace(server.URL, "http://", "http://user:"+secretWord+"@", 1)
	for _, tc := range []struct {
		name string
		args []string
	}{
		{"wire", []string{url + "/{{seq}}"}},
		{"vegeta", []string{url + "/", "--engine", "vegeta"}},
		{"header", []string{server.URL, "--header", "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("user:"+secretWord))}},
		{"targets", []string{"--targets", "targets.txt"}},
		{"closed", []string{url, "--users", "2", "--think-time", "50ms"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			right.Store(0)
			wrong.Store(0)
			args := append([]string{"attack", "--set", "validity.lag=10s", "--for", "300ms", "--out", "out", "--format", allFormats(), "--json"}, tc.args...)
			cmd := command(t, args...)
			if err := os.WriteFile(filepath.Join(cmd.Dir, "targets.txt"), []byte("GET "+url+"/a\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			output, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, output)
			}
			if right.Load() < 5 || wrong.Load() > 1 { // the generator looks whether anybody answers before it begins
				t.Errorf("%d requests were authorized, %d were not", right.Load(), wrong.Load())
			}
			checkNoSecret(t, filepath.Join(cmd.Dir, "out"), string(output))
		})
	}
}

// Messages about what holds a secret do not show it.
func TestSecretsInMessages(t *testing.T) {
	for _, tc := range []struct {
		args []string
		file string
		code int
	}{
		{[]string{"attack", "ftp://user:hunter2hunter2@host"}, "", exitUsage},
		{[]string{"attack", "http://user:hunter2hunter2@host", "--insecure"}, "", exitUsage},
		{[]string{"attack", "http://user:hunter2hunter2@127.0.0.1:1", "--for", "100ms"}, "", exitCannotRun},
		{[]string{"attack", "http://user:hunter2hunter2@host?{{x}}"}, "", exitUsage},
		{[]string{"attack", "http://127.0.0.1:1", "--header", "Authorization hunter2hunter2"}, "", exitUsage},
		{[]string{"run", "x.yaml"}, "version: 1\ntarget: ftp://user:hunter2hunter2@host\nload: {phases: [{name: a, rate: 1/s, for: 1s}]}\n", exitUsage},
		{[]string{"run", "x.yaml"}, "version: 1\ntarget: http://127.0.0.1:1\nload: {requests: [{get: /, headers: {authorization: hunter2hunter2, content-length: 3}}], phases: [{name: a, rate: 1/s, for: 1s}]}\n", exitUsage},
		{[]string{"run", "x.yaml", "--set", "target=ftp://user:hunter2hunter2@host"}, "version: 1\ntarget: http://127.0.0.1:1\nload: {phases: [{name: a, rate: 1/s, for: 1s}]}\n", exitUsage},
		{[]string{"scenario", "explain", "x.yaml"}, "version: 1\nmask: [x-key]\ntarget: http://user:hunter2hunter2@127.0.0.1:1\nload: {requests: [{get: /, headers: {X-Key: hunter2hunter2}}], phases: [{name: a, rate: 1/s, for: 1s}]}\n", exitPassed},
	} {
		cmd := command(t, tc.args...)
		if err := os.WriteFile(filepath.Join(cmd.Dir, "x.yaml"), []byte(tc.file), 0o600); err != nil {
			t.Fatal(err)
		}
		output, _ := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != tc.code || len(output) == 0 {
			t.Errorf("%q: exit code %d, want %d\n%s", tc.args, code, tc.code, output)
		}
		if strings.Contains(string(output), secretWord) {
			t.Errorf("%q shows the secret:\n%s", tc.args, output)
		}
	}
}
