package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// The API asks for the token of a file and of the environment as it does for that of the flag. Nobody sees it: neither in
// the list of processes, nor in what the balancer says or logs.
func TestTheAdminTokenIsAskedFor(t *testing.T) {
	const token = "hunter2"
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		variable string
		flags    []string
	}{
		"flag": {"other", []string{"--admin-token", token}}, "flag in one": {"other", []string{"--admin-token=" + token}}, "file": {"other", []string{"--admin-token-file", file}}, "environment": {token, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(adminTokenVariable, tc.variable)
			log := filepath.Join(t.TempDir(), "log")
			p := spawn(t, append([]string{"balance", "--listen", "127.0.0.1:0", "--targets", "127.0.0.1:1", "--health", "off", "--admin", "127.0.0.1:0", "--access-log", log}, tc.flags...)...)
			url := p.await(t, `admin at (http://\S+)`)
			for given, want := range map[string]int{token: http.StatusOK, "other2": http.StatusUnauthorized, "": http.StatusUnauthorized} {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
				if err != nil {
					t.Fatal(err)
				}
				if given != "" {
					req.Header.Set("Authorization", "Bearer "+given)
				}
				res, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				res.Body.Close()
				if res.StatusCode != want {
					t.Errorf("with %q: %d, want %d", given, res.StatusCode, want)
				}
			}
			http.DefaultClient.CloseIdleConnections()
			title, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.Process.Pid))
			if err != nil {
				t.Fatal(err)
			}
			p.Process.Signal(syscall.SIGTERM)
			p.ended(t)
			logged, err := os.ReadFile(log)
			if text := string(title) + p.said.String() + string(logged); err != nil || strings.Contains(text, token) {
				t.Errorf("%v, the token shows in %q", err, text)
			}
		})
	}
}
