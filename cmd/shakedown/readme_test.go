package main

import (
	"os"
	"strings"
	"testing"

	"github.com/seed-8025779b/shakedown/scenarios"
)

// The README's example of a balancer is a scenario's topology.
func TestReadmeExample(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	const begins = "    topology:\n      balancer: {profile: haproxy}"
	_, example, found := strings.Cut(string(text), begins)
	example, _, whole := strings.Cut(example, "\n\n- ")
	if !found || !whole {
		t.Fatal("the example is not there")
	}
	example = strings.ReplaceAll(begins+example, "\n    ", "\n")
	example = strings.Replace(example, "tls: {ca: ca.pem}", "tls: {insecure: true}", 1) // there is no such file here
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	scenario := "version: 1\nname: readme\nload: {phases: [{name: a, rate: 1/s, for: 1s}]}\n" + strings.TrimPrefix(example, "    ") + "\n"
	if _, err := scenarios.Decode(scenarios.Source{Name: "README.md", Text: []byte(scenario)}); err != nil {
		t.Error(err)
	}
}
