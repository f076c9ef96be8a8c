//go:build linux

package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
)

// Whoever lists the machine's processes sees no secret of a command line, and the process still has it.
func TestTheProcessTitleHidesSecrets(t *testing.T) {
	asked, looked := make(chan string), make(chan struct{})
	var once sync.Once
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			once.Do(func() { asked <- r.Header.Get("Authorization") })
		}
		<-looked
	}))
	defer server.Close()
	cmd := command(t, "attack", server.URL, "--header", "Authorization: Bearer "+secretWord, "--header", "accept: x", "--for", "100ms", "--out", "out", "--quiet")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	header := <-asked
	title, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", cmd.Process.Pid))
	close(looked)
	_ = cmd.Wait() // its verdict is not what is tested
	if err != nil || bytes.Contains(title, []byte(secretWord)) || !bytes.Contains(title, []byte("Authorization: ***")) || !bytes.Contains(title, []byte("accept: x")) {
		t.Errorf("%q, %v", title, err)
	}
	if !strings.HasSuffix(header, secretWord) {
		t.Errorf("sent %q", header)
	}
}
