package main

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/seed-8025779b/shakedown"

// layers are the layers of the packages. Imports point down; within a layer a package may import its sub-packages and
// what the lists below allow, never its parent.
var layers = map[int][]string{
	4: {"cmd/shakedown", "cmd/bench"},
	3: {"scenarios", "scenarios/live", "scenarios/sim", "scenarios/expose", "scenarios/library", "scenarios/parity"},
	2: {"reports", "reports/gate", "reports/chart", "reports/html"},
	1: {"loadgen", "loadgen/client", "loadgen/wire", "loadgen/vegeta", "loadgen/monitor", "loadgen/pace", "loadgen/socket", "balancer", "balancer/proxy", "balancer/backend", "balancer/control", "balancer/serve", "balancer/admin", "balancer/takeover", "balancer/certs", "balancer/h2", "balancer/memnet", "chaos/inject"},
	0: {
		"loadgen/profile", "loadgen/measure", "loadgen/mix", "loadgen/attempt", "balancer/config", "balancer/http1", "balancer/proxyheader", "balancer/ratelimit", "balancer/route", "balancer/group", "balancer/pick", "balancer/health",
		"balancer/autoscale", "balancer/exchange", "balancer/backend/model", "chaos", "scenarios/plan", "scenarios/spec", "scenarios/budget", "scenarios/draw", "scenarios/mask",
	},
}

// shared are the packages of the first layer that any other of that layer may use.
var shared = []string{"loadgen/pace", "loadgen/client", "loadgen/socket", "balancer/control", "balancer/serve", "balancer/h2", "balancer/memnet"}

// siblings are the imports within a layer that are meant: the page holds figures.
var siblings = map[string][]string{"reports/html": {"reports/chart"}}

type listed struct {
	ImportPath, Dir string
	Imports         []string
	GoFiles         []string
}

func packages(t *testing.T) map[string]listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-json", module+"/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	all := map[string]listed{}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimPrefix(p.ImportPath, module+"/")] = p
	}
}

func layerOf(name string) int {
	for n, names := range layers {
		if slices.Contains(names, name) {
			return n
		}
	}
	return -1
}

func TestImportsPointDown(t *testing.T) {
	for name, p := range packages(t) {
		from := layerOf(name)
		if from < 0 {
			t.Errorf("%s is in no layer: add it to one", name)
			continue
		}
		for _, imp := range p.Imports {
			to, ours := strings.CutPrefix(imp, module+"/")
			if !ours {
				continue
			}
			n := layerOf(to)
			below := strings.HasPrefix(to, name+"/")
			switch {
			case strings.HasPrefix(name, to+"/") && !(from > n): // a parent in a lower layer is another matter
				t.Errorf("%s imports its parent %s", name, to)
			case n > from:
				t.Errorf("%s (L%d) imports %s (L%d)", name, from, to, n)
			case n == from && from > 0 && !below && !slices.Contains(siblings[name], to) && !(from == 1 && slices.Contains(shared, to)):
				t.Errorf("%s imports its neighbour %s", name, to)
			}
		}
	}
}

// The lowest layer is pure: no sockets, no clock, no timers, no goroutine, no YAML.
func TestLowestLayerIsPure(t *testing.T) {
	forbiddenImports := []string{"net", "net/http", "os", "os/exec", "os/signal", "syscall", "log", "log/slog", "math/rand", "math/rand/v2", "context", "runtime", "sync"}
	forbiddenTime := []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick"}
	all := packages(t)
	for _, name := range layers[0] {
		p := all[name]
		for _, imp := range p.Imports {
			first, _, _ := strings.Cut(imp, "/")
			switch {
			case slices.Contains(forbiddenImports, imp):
				t.Errorf("%s imports %s", name, imp)
			case strings.Contains(first, ".") && !strings.HasPrefix(imp, module) && imp != "github.com/HdrHistogram/hdrhistogram-go":
				t.Errorf("%s imports %s: only the histogram library is allowed", name, imp)
			}
		}
		for _, file := range p.GoFiles {
			fset := token.NewFileSet()
			f, err := parser.ParseFile(fset, filepath.Join(p.Dir, file), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(f, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.GoStmt:
					t.Errorf("%s starts a goroutine", fset.Position(n.Pos()))
				case *ast.SelectorExpr:
					if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains(forbiddenTime, n.Sel.Name) {
						t.Errorf("%s uses time.%s", fset.Position(n.Pos()), n.Sel.Name)
					}
				case *ast.FuncDecl:
					if n.Name.Name == "init" && n.Recv == nil {
						t.Errorf("%s has an init", fset.Position(n.Pos()))
					}
				}
				return true
			})
		}
	}
}

// The simulator links the lowest layer only, and nothing that speaks to a network: what it needs of a balancer and of a client are plain
// types.
func TestSimulatorIsLight(t *testing.T) {
	for _, imported := range packages(t)["scenarios/sim"].Imports {
		if own, ok := strings.CutPrefix(imported, module+"/"); ok && !slices.Contains(layers[0], own) {
			t.Errorf("scenarios/sim imports %s", own)
		}
	}
	for _, name := range []string{"scenarios/plan", "scenarios/sim"} {
		out, err := exec.Command("go", "list", "-deps", module+"/"+name).Output()
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		linked := strings.Fields(string(out))
		if !slices.Contains(linked, module+"/balancer/exchange") && name == "scenarios/sim" {
			t.Errorf("%s does not even link the exchange: %d packages", name, len(linked))
		}
		for _, heavy := range []string{"net/http", "crypto/tls", "github.com/prometheus/client_golang/prometheus", module + "/balancer", module + "/balancer/proxy", module + "/loadgen/client"} {
			if slices.Contains(linked, heavy) {
				t.Errorf("%s links %s", name, heavy)
			}
		}
	}
}

// Nothing stands at the top but what belongs there, and what building and running leave.
func TestTopLevel(t *testing.T) {
	allowed := []string{
		"cmd", "loadgen", "chaos", "balancer", "reports", "scenarios", "go.mod", "go.sum", "Makefile", "README.md", "LICENSE", "CHANGELOG.md",
		"CONTRIBUTING.md", "shakedown", "shakedown-out",
	}
	entries, err := os.ReadDir("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && !slices.Contains(allowed, e.Name()) {
			t.Errorf("%s does not belong at the top level", e.Name())
		}
	}
	for _, dir := range []string{"cmd", "loadgen", "chaos", "balancer", "reports", "scenarios"} {
		if _, err := os.Stat(filepath.Join("../..", dir, "README.md")); err != nil {
			t.Errorf("%s tells nobody what it holds: %v", dir, err)
		}
	}
}
