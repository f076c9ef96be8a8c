package scenarios

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// sources parses the package's files whose names match, tests left out.
func sources(t *testing.T, pattern string) (files []*ast.File) {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	if len(files) == 0 {
		t.Fatalf("no file matches %s", pattern)
	}
	return files
}

// readers are the functions that look for a key, with the place of its name among their arguments.
var readers = map[string]int{"value": 0, "key": 0, "require": 0, "list": 0, "toggle": 1, "pairs": 1, "oneOrMore": 1, "optional": 0}

// keysRead lists the keys that the decoder names where it reads them.
func keysRead(t *testing.T) (keys []string) {
	add := func(x ast.Expr) {
		if lit, ok := x.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			key, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(keys, key) {
				keys = append(keys, key)
			}
		}
	}
	for _, f := range append(sources(t, "decode_*.go"), sources(t, "decode.go")...) {
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				at, reads := readers[calledName(n)]
				if reads && at < len(n.Args) {
					add(n.Args[at])
				}
			case *ast.CompositeLit:
				for _, p := range paramsIn(n) {
					add(p)
				}
			}
			return true
		})
	}
	return append(keys, Methods()...)
}

// paramsIn returns the names of the parameters that a literal holds.
func paramsIn(lit *ast.CompositeLit) (names []ast.Expr) {
	isParam := func(x ast.Expr) bool {
		s, ok := x.(*ast.SelectorExpr)
		return ok && s.Sel.Name == "Param"
	}
	params := []ast.Expr{lit}
	if list, ok := lit.Type.(*ast.ArrayType); ok && isParam(list.Elt) {
		params = lit.Elts
	} else if !isParam(lit.Type) {
		return nil
	}
	for _, p := range params {
		p, ok := p.(*ast.CompositeLit)
		if !ok {
			continue
		}
		for _, x := range p.Elts {
			if kv, ok := x.(*ast.KeyValueExpr); ok && kv.Key.(*ast.Ident).Name == "Name" {
				names = append(names, kv.Value)
			}
		}
	}
	return names
}

func calledName(c *ast.CallExpr) string {
	switch f := c.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	}
	return ""
}

// tablesUsed lists the calls that bring tables of parameters or kinds, such as group.RetryParams.
func tablesUsed(t *testing.T, patterns ...string) (tables []string) {
	for _, pattern := range patterns {
		for _, f := range sources(t, pattern) {
			ast.Inspect(f, func(n ast.Node) bool {
				c, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				name, pkg := calledName(c), ""
				if s, ok := c.Fun.(*ast.SelectorExpr); ok {
					if x, ok := s.X.(*ast.Ident); ok {
						pkg = x.Name + "."
					}
				}
				if strings.HasSuffix(name, "Params") || strings.HasSuffix(name, "Param") || slices.Contains([]string{"Kinds", "Times", "Timings", "profiles"}, name) {
					tables = append(tables, pkg+name)
				}
				return true
			})
		}
	}
	return tables
}

// Whatever key the decoder knows stands in the reference: those that it names itself, and every table that it reads by.
func TestReferenceHasEveryKeyOfTheDecoder(t *testing.T) {
	keys := keysRead(t)
	if len(keys) < 60 {
		t.Fatalf("only %d keys were found in the decoder: %q", len(keys), keys)
	}
	for _, key := range append(keys, "p99", "p99.9", "p50_all", "load", "drain", "strict", "forward", "recover") {
		if _, err := FindReference(key); err != nil {
			t.Errorf("the decoder knows %q: %v", key, err)
		}
	}
	printed := tablesUsed(t, "reference.go", "params.go")
	decoded := tablesUsed(t, "decode.go", "decode_*.go")
	if len(decoded) < 40 {
		t.Fatalf("only %d tables were found in the decoder: %q", len(decoded), decoded)
	}
	for _, table := range decoded {
		if name, _ := strings.CutPrefix(table, "b."); name == "param" || slices.Contains(printed, table) {
			continue
		}
		t.Errorf("the decoder reads by %s, which the reference does not print", table)
	}
}

// A name that is a metric and a parameter is found as both; a parameter is shown alone.
func TestFindReferenceOfAParameter(t *testing.T) {
	found := func(name string) (list []string) {
		sections, err := FindReference(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range sections {
			for _, e := range s.Entries {
				text := s.Where + " " + e.Name
				if len(e.Params) == 1 {
					text += " " + e.Params[0].Name
				}
				list = append(list, text)
			}
		}
		return list
	}
	for name, want := range map[string][]string{
		"p99":    {"gates.N pN", "top of the file objective p99", "topology.groups.NAME.service.time lognormal p99"},
		"p99.9":  {"gates.N pN"},
		"drain":  {"topology.groups.NAME group drain"},
		"strict": {"topology.listeners.N listener strict"},
	} {
		if got := found(name); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
