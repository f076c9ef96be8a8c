package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A successor takes the API's address over as well: whoever asks there is always answered, by the old process and then by
// the new one.
func TestTakeoverOfTheAdminAddress(t *testing.T) {
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer target.Close()
	args := []string{
		"balance", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--handover", filepath.Join(t.TempDir(), "handover"),
		"--targets", target.Listener.Addr().String(), "--health-interval", "50ms",
	}
	old := spawn(t, args...)
	api := old.await(t, `admin at (http://\S+)`)
	seed := old.await(t, `(?m)^seed ([0-9]+)$`)
	old.await(t, "initial → healthy")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}
	ask := func() {
		t.Helper()
		res, err := client.Get(api)
		if err != nil {
			t.Fatal(err)
		}
		if res.Body.Close(); res.StatusCode != http.StatusOK {
			t.Fatalf("%d", res.StatusCode)
		}
	}
	ask()
	stop, asked := make(chan struct{}), make(chan error, 1)
	go func() {
		var err error
		for err == nil {
			select {
			case <-stop:
				asked <- nil
				return
			default:
			}
			var res *http.Response
			if res, err = client.Get(api); err == nil {
				res.Body.Close()
			}
		}
		asked <- err
	}()
	successor := spawn(t, append(args, "--takeover")...)
	if got := successor.await(t, `admin at (http://\S+)`); got != api {
		t.Errorf("the successor's API is at %s, the predecessor's was at %s", got, api)
	}
	if got := successor.await(t, `(?m)^seed ([0-9]+)$`); got != seed {
		t.Errorf("the successor's seed is %s, the predecessor's was %s", got, seed)
	}
	old.await(t, "a successor has taken over")
	old.ended(t)
	ask()
	close(stop)
	if err := <-asked; err != nil {
		t.Errorf("meanwhile: %v", err)
	}
	third := spawn(t, append(args, "--takeover", "--admin", strings.NewReplacer("http://127.0.0.1", "localhost", "/targets", "").Replace(api))...)
	if got := third.await(t, `admin at (http://\S+)`); got != api {
		t.Errorf("the same address in other words, and yet it is %s", got)
	}
	successor.ended(t)
	ask()
	other := spawn(t, append(args, "--takeover", "--admin", "localhost:0")...) // an address of its own, and no longer the old one
	if got := other.await(t, `admin at (http://\S+)`); got == api {
		t.Errorf("another address, and yet it is %s", got)
	}
	third.ended(t)
	if res, err := client.Get(api); err == nil {
		res.Body.Close()
		t.Error("nobody has that address any more, and it answers")
	}
	other.Process.Signal(syscall.SIGTERM)
	other.ended(t)
}

// What stands at the path of --handover and is no socket is not removed.
func TestHandoverPathThatIsAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(file, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := spawn(t, "balance", "--listen", "127.0.0.1:0", "--targets", "127.0.0.1:1", "--handover", file)
	p.await(t, "precious is there already and is no socket")
	if err := <-p.done; err == nil || p.ProcessState.ExitCode() != exitCannotRun {
		t.Errorf("%v", err)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "text" {
		t.Errorf("%q, %v", text, err)
	}
}

// The seed of every draw is logged: the one that was given, or one that is different each time.
func TestTheSeedIsLogged(t *testing.T) {
	file := filepath.Join(t.TempDir(), "balancer.yaml")
	write := func(seed string) {
		t.Helper()
		text := "version: 1\n" + seed + "topology:\n  listeners: [{address: \"127.0.0.1:0\", rules: [{forward: web}]}]\n  groups: {web: {targets: {addresses: [\"127.0.0.1:1\"]}}}\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	seed := func(args ...string) string {
		t.Helper()
		p := spawn(t, append([]string{"balance"}, args...)...)
		seed := p.await(t, `(?m)^seed ([0-9]+)$`)
		p.await(t, "balancing")
		p.Process.Signal(syscall.SIGTERM)
		p.ended(t)
		return seed
	}
	flags := []string{"--listen", "127.0.0.1:0", "--targets", "127.0.0.1:1"}
	if got := seed(append(flags, "--seed", "7")...); got != "7" {
		t.Errorf("--seed 7: %s", got)
	}
	if a, b := seed(flags...), seed(flags...); a == b {
		t.Errorf("without a seed it is %s twice", a)
	}
	write("seed: 8\n")
	if got := seed(file); got != "8" {
		t.Errorf("seed: 8 in the file: %s", got)
	}
	if got := seed(file, "--seed", "9"); got != "9" {
		t.Errorf("--seed 9 with a file: %s", got)
	}
	write("")
	if a, b := seed(file), seed(file); a == b {
		t.Errorf("without a seed in the file it is %s twice", a)
	}
}

// stuck starts a balancer whose stdout and stderr are pipes. Of stderr no more is read than up to what matches; nothing is
// read of stdout.
func stuck(t *testing.T, until string, args ...string) (cmd *exec.Cmd, found []string, rest io.Reader) {
	t.Helper()
	cmd = command(t, append([]string{"balance", "--listen", "127.0.0.1:0"}, args...)...)
	if _, err := cmd.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	said, in := "", bufio.NewReader(stderr)
	for {
		line, err := in.ReadString('\n')
		if said += line; err != nil {
			t.Fatalf("%v after %s", err, said)
		}
		if m := regexp.MustCompile(until).FindStringSubmatch(said); m != nil {
			return cmd, m[1:], in
		}
	}
}

// Logs and notes that nobody reads hold nobody up: requests and changes go on, lines are dropped and counted, and the
// process ends when it is told to.
func TestLogsThatNobodyReads(t *testing.T) {
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer target.Close()
	const where = `(?s)admin at (http://[0-9.:]+)/.*balancing (http://[0-9.:]+)`
	client := &http.Client{Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()
	do := func(t *testing.T, method, url, body string) string {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode/100 != 2 {
			t.Fatalf("%s %.80s: %d %s, %v", method, url, res.StatusCode, text, err)
		}
		return string(text)
	}
	dropped := func(t *testing.T, api, log string) string {
		t.Helper()
		m := regexp.MustCompile(`log_lines_dropped_total\{log="` + log + `"\} (\S+)`).FindStringSubmatch(do(t, "GET", api+"/metrics", ""))
		if m == nil || m[1] == "0" {
			return ""
		}
		return m[1]
	}
	t.Run("access log", func(t *testing.T) {
		cmd, found, rest := stuck(t, where, "--targets", target.Listener.Addr().String(), "--health", "off", "--admin", "127.0.0.1:0", "--access-log", "-", "--linger", "10ms")
		long := strings.Repeat("x", 8000)
		for n := 0; dropped(t, found[0], "access") == ""; n += 100 {
			if n > 10_000 {
				t.Fatal("no line was dropped: something reads them")
			}
			for range 100 {
				do(t, "GET", found[1]+"/"+long, "")
			}
		}
		do(t, "GET", found[1], "")
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(rest)
		if m := regexp.MustCompile(`access log: ([0-9]+) lines were dropped`).FindStringSubmatch(string(text)); err != nil || m == nil {
			t.Errorf("at its end it said %q, %v", text, err)
		}
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	t.Run("stderr", func(t *testing.T) {
		cmd, found, _ := stuck(t, where, "--targets", target.Listener.Addr().String(), "--health", "off", "--admin", "127.0.0.1:0", "--linger", "10ms")
		id := strings.Repeat("x", 8000)
		do(t, "POST", found[0]+"/groups/targets/targets", fmt.Sprintf(`{"id": %q, "address": %q}`, id, target.Listener.Addr()))
		for n := 0; dropped(t, found[0], "stderr") == ""; n++ {
			if n > 1000 {
				t.Fatal("no line was dropped: something reads them")
			}
			do(t, "PATCH", found[0]+"/groups/targets/targets/"+id, fmt.Sprintf(`{"maintenance": %v}`, n%2 == 0))
			do(t, "GET", found[1], "")
		}
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
}

// On SIGHUP a log is opened again under its name, so that it can be rotated; others than its owner and the owner's group
// can't read it.
func TestLogsAreOpenedAgain(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "access.log")
	p := spawn(t, "balance", "--listen", "127.0.0.1:0", "--targets", "127.0.0.1:1", "--health", "off", "--access-log", file, "--retry", "off")
	url := "http://" + p.await(t, `balancing http://([0-9.:]+)`)
	ask := func(path string) {
		t.Helper()
		res, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
	}
	holds := func(file, path string) {
		t.Helper()
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			text, _ := os.ReadFile(file)
			if strings.Contains(string(text), `"target":"`+path+`"`) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s never came to hold %s: %s", file, path, text)
			}
		}
	}
	ask("/one")
	holds(file, "/one")
	if err := os.Rename(file, file+".1"); err != nil {
		t.Fatal(err)
	}
	p.Process.Signal(syscall.SIGHUP)
	p.await(t, "nothing to reload")
	ask("/two")
	holds(file, "/two")
	for _, f := range []string{file, file + ".1"} {
		if info, err := os.Stat(f); err != nil || info.Mode().Perm()&0o027 != 0 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	p.Process.Signal(syscall.SIGTERM)
	p.ended(t)
}

// A reload to targets that are dead is refused in time and told; the old ones answer as before, and a later reload that is
// right is taken.
func TestReloadToDeadTargetsIsTold(t *testing.T) {
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer target.Close()
	file := filepath.Join(t.TempDir(), "balancer.yaml")
	write := func(rules, target string) {
		t.Helper()
		text := "version: 1\ntopology:\n  listeners: [{address: \"127.0.0.1:0\", rules: [" + rules + "{forward: web}]}]\n" +
			"  groups: {web: {health: {interval: 50ms}, targets: {addresses: [\"" + target + "\"]}}}\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("", target.Listener.Addr().String())
	p := spawn(t, "balance", file, "--ready-within", "300ms")
	url := "http://" + p.await(t, `balancing http://([0-9.:]+)`)
	p.await(t, "initial → healthy")
	ask := func(path string, want int) {
		t.Helper()
		res, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		if res.Body.Close(); res.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, res.StatusCode, want)
		}
	}
	const teapot = "{path: /teapot, respond: {status: 418}}, "
	write(teapot, "127.0.0.1:1")
	p.Process.Signal(syscall.SIGHUP)
	p.await(t, `(?s)reload: group web: none of the targets in the new configuration became healthy within 300ms: the old ones stay.*the old configuration stays in use`)
	ask("/teapot", http.StatusOK)
	write(teapot, target.Listener.Addr().String())
	p.Process.Signal(syscall.SIGHUP)
	p.await(t, "reloaded ")
	ask("/teapot", http.StatusTeapot)
	ask("/", http.StatusOK)
	http.DefaultClient.CloseIdleConnections()
	p.Process.Signal(syscall.SIGTERM)
	p.ended(t)
}

// A reload says that the seed stays when the file gives another one, and only then.
func TestReloadSaysThatTheSeedStays(t *testing.T) {
	file := filepath.Join(t.TempDir(), "balancer.yaml")
	write := func(seed, path string) {
		t.Helper()
		text := "version: 1\n" + seed + "topology:\n  listeners: [{address: \"127.0.0.1:0\", rules: [{path: /" + path + ", respond: {status: 418}}, {forward: web}]}]\n" +
			"  groups: {web: {targets: {addresses: [\"127.0.0.1:1\"]}}}\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, x := range []struct {
		first string
		flags []string
	}{{}, {first: "seed: 3\n"}, {flags: []string{"--seed", "5"}}} {
		write(x.first, "a")
		p := spawn(t, append([]string{"balance", file}, x.flags...)...)
		seed := p.await(t, `(?m)^seed ([0-9]+)$`)
		p.await(t, "balancing")
		write("", "b")
		p.Process.Signal(syscall.SIGHUP)
		said := p.await(t, `(?s)(balancing.*reloaded )`)
		if strings.Contains(said, "seed stays") {
			t.Errorf("the file gives no seed: %s", said)
		}
		write("seed: 7\n", "b")
		p.Process.Signal(syscall.SIGHUP)
		said = p.await(t, `(?s)(reloaded .*reloaded )`)
		if tells := strings.Contains(said, "seed stays "+seed+": "); tells != (x.flags == nil) { // a flag outweighs the file
			t.Errorf("%v: %s", x, said)
		}
		p.Process.Signal(syscall.SIGTERM)
		p.ended(t)
	}
}
