package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/seed-8025779b/shakedown/loadgen/socket"
)

// TestMain makes the test binary answer to the name shakedown, for scripts and for the children of runs.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"shakedown": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			// A port that is taken for as long as the script runs, and one where nobody listens.
			taken, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			e.Defer(func() { taken.Close() })
			free, release, err := socket.Refuse()
			if err != nil {
				return err
			}
			e.Defer(release)
			echo := httptest.NewServer(http.HandlerFunc(echo))
			e.Defer(echo.Close)
			e.Setenv("URL", echo.URL)
			e.Setenv("TAKEN", taken.Addr().String())
			e.Setenv("FREE", free)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "envsubst": envsubst, "closedpipe": closedPipe, "fulldevice": fullDevice,
		},
	})
}

// echo answers with what it was asked, a query's status, and a redirect from /away.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client has gone
	}
	if r.URL.Path == "/away" {
		http.Redirect(w, r, "/there", http.StatusFound)
		return
	}
	if status, err := strconv.Atoi(r.URL.Query().Get("status")); err == nil {
		w.WriteHeader(status)
	}
	fmt.Fprintf(w, "%s %s %s x=%s %s\n", r.Proto, r.Method, r.URL, r.Header.Get("X"), body)
}

// exits runs a command and checks its exit code: exits CODE shakedown run …
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND ARG…")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := "0"
	if err != nil {
		exit, ok := err.(*exec.ExitError)
		if !ok {
			ts.Fatalf("%v", err)
		}
		code = strconv.Itoa(exit.ExitCode())
	}
	if code != args[0] {
		ts.Fatalf("exit code %s, want %s", code, args[0])
	}
}

// closedPipe runs a command whose standard output nobody reads any more: closedpipe CODE COMMAND ARG….
func closedPipe(ts *testscript.TestScript, neg bool, args []string) {
	r, w, err := os.Pipe()
	ts.Check(err)
	ts.Check(r.Close())
	defer w.Close()
	writeTo(ts, neg, args, w)
}

// fullDevice runs a command whose standard output takes nothing: fulldevice CODE COMMAND ARG….
func fullDevice(ts *testscript.TestScript, neg bool, args []string) {
	f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	ts.Check(err)
	defer f.Close()
	writeTo(ts, neg, args, f)
}

// writeTo runs a command with its standard output in a file, and hands its stderr to the script.
func writeTo(ts *testscript.TestScript, neg bool, args []string, stdout *os.File) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: CODE COMMAND ARG…")
	}
	var stderr strings.Builder
	exe, err := os.Executable()
	ts.Check(err)
	cmd := exec.Command(exe)
	cmd.Args = args[1:] // the name decides what the test binary is
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = ts.Getenv("WORK"), os.Environ(), stdout, &stderr
	err = cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		ts.Fatalf("%v", err)
	}
	fmt.Fprint(ts.Stderr(), stderr.String())
	if code := strconv.Itoa(cmd.ProcessState.ExitCode()); code != args[0] {
		ts.Fatalf("exit code %s (%v), want %s; stderr: %s", code, cmd.ProcessState, args[0], &stderr)
	}
}

// command returns a command that runs the binary under test.
func command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Args = append([]string{"shakedown"}, args...)
	cmd.Dir = t.TempDir()
	return cmd
}

// envsubst puts the script's variables into a file: envsubst FILE.
func envsubst(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: envsubst FILE")
	}
	path := ts.MkAbs(args[0])
	ts.Check(os.WriteFile(path, []byte(strings.ReplaceAll(ts.ReadFile(args[0]), "$URL", ts.Getenv("URL"))), 0o600))
}
