package route

import (
	"path"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func compile(t *testing.T, table Table) Table {
	t.Helper()
	out, err := table.Compile()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func request(method, host, target, source string, headers ...string) *Request {
	return &Request{Method: []byte(method), Host: []byte(host), Target: []byte(target), Source: source, Header: func(name string) []byte {
		for i := 0; i < len(headers); i += 2 {
			if headers[i] == name {
				return []byte(headers[i+1])
			}
		}
		return nil
	}}
}

func TestFirstMatchWins(t *testing.T) {
	table := compile(t, Table{{Path: "/api/v1", Forward: "exact"}, {Path: "/api/*", Forward: "api"}, {Path: "*.png", Forward: "images"}, {Path: "/v?/x", Forward: "versions"}, {Forward: "web"}})
	for target, want := range map[string]string{
		"/api/v1": "exact", "/api/v1?x=/y": "exact", "/api/v1/": "api", "/api/": "api", "/api": "web", "/": "web", "/apiary": "web",
		"/a/b.png": "images", "/a.png?x": "images", "/a.pngx": "web", "/v1/x": "versions", "/v10/x": "web",
	} {
		if got := table.Match(request("GET", "a", target, "")).Forward; got != want {
			t.Errorf("%s goes to %q, want %q", target, got, want)
		}
	}
	if got := compile(t, Table{{Path: "/api/*", Forward: "api"}}).Match(request("GET", "a", "/x", "")); got != nil {
		t.Errorf("a path that no rule matches goes to %v", got)
	}
}

func TestConditions(t *testing.T) {
	for _, tc := range []struct {
		name string
		rule Rule
		r    *Request
		want bool
	}{
		{"host", Rule{Host: "*.Example.org"}, request("GET", "api.EXAMPLE.org:8080", "/", ""), true},
		{"another host", Rule{Host: "*.example.org"}, request("GET", "example.com", "/", ""), false},
		{"an IPv6 host", Rule{Host: "[::1]"}, request("GET", "[::1]:80", "/", ""), true},
		{"method", Rule{Methods: []string{"PUT", "POST"}}, request("POST", "a", "/", ""), true},
		{"another method", Rule{Methods: []string{"PUT"}}, request("POST", "a", "/", ""), false},
		{"header", Rule{Headers: []Pair{{"x-beta", "1*"}}}, request("GET", "a", "/", "", "x-beta", "12"), true},
		{"a header with another value", Rule{Headers: []Pair{{"x-beta", "1*"}}}, request("GET", "a", "/", "", "x-beta", "2"), false},
		{"a header that is not there", Rule{Headers: []Pair{{"x-beta", "*"}}}, request("GET", "a", "/", ""), false},
		{"query", Rule{Query: []Pair{{"v", "2"}, {"w", "*"}}}, request("GET", "a", "/?w&v=2", ""), true},
		{"a parameter with another value", Rule{Query: []Pair{{"v", "2"}}}, request("GET", "a", "/?v=3", ""), false},
		{"source in a block", Rule{Sources: []string{"192.168.0.0/16", "10.1.2.3/8"}}, request("GET", "a", "/", "10.9.9.9"), true},
		{"source outside", Rule{Sources: []string{"10.0.0.0/8"}}, request("GET", "a", "/", "11.0.0.1"), false},
		{"source as an address", Rule{Sources: []string{"::1"}}, request("GET", "a", "/", "::1"), true},
		{"a mapped source", Rule{Sources: []string{"10.0.0.1"}}, request("GET", "a", "/", "::ffff:10.0.0.1"), true},
		{"all of them", Rule{Path: "/x", Host: "a", Methods: []string{"GET"}, Query: []Pair{{"v", "1"}}}, request("GET", "a", "/x?v=1", ""), true},
		{"all but one", Rule{Path: "/x", Host: "a", Methods: []string{"GET"}, Query: []Pair{{"v", "1"}}}, request("GET", "a", "/x?v=2", ""), false},
	} {
		tc.rule.Forward = "web"
		if got := compile(t, Table{tc.rule}).Match(tc.r) != nil; got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}

func TestSplit(t *testing.T) {
	r := Rule{Split: []Share{{"a", 9}, {"b", 1}, {"c", 0}}}
	n := map[string]int{}
	for i := range 1000 {
		n[r.Group(float64(i)/1000)]++
	}
	if n["a"] != 900 || n["b"] != 100 || n["c"] != 0 {
		t.Errorf("%v", n)
	}
}

func TestRewriteAndRedirect(t *testing.T) {
	for _, tc := range []struct{ prefix, to, target, want string }{
		{"/api", "/", "/api/x?y", "/x?y"}, {"/api", "/v2", "/api/x", "/v2/x"}, {"/api/", "/", "/api/x", "/x"}, {"/api", "/", "/api", "/"}, {"/api", "/x/", "/api?y", "/x/?y"}, {"/other", "/", "/api", "/api"},
	} {
		r := Rule{Rewrite: &Rewrite{tc.prefix, tc.to}}
		if got := string(r.AppendTarget(nil, []byte(tc.target))); got != tc.want {
			t.Errorf("%+v: %s", tc, got)
		}
	}
	d := Redirect{To: "https://{host}:{port}{path}?{query}&from={protocol}"}
	if got := d.Location(request("GET", "a.b:80", "/x/y?z=1", ""), "8443", false); got != "https://a.b:8443/x/y?z=1&from=http" {
		t.Errorf("%s", got)
	}
}

func TestBadRules(t *testing.T) {
	for want, r := range map[string]Rule{
		"does not start with a slash":  {Path: "a", Forward: "w"},
		"exactly one of":               {Path: "/"},
		"needs exactly one of":         {Forward: "w", Respond: &Respond{Status: 200}},
		"all weights are 0":            {Split: []Share{{"a", 0}}},
		"with weight -1":               {Split: []Share{{"a", -1}}},
		"is not a status of redirects": {Redirect: &Redirect{To: "/", Status: 200}},
		"is not an address":            {Redirect: &Redirect{To: "a b", Status: 301}},
		"is not a status to respond":   {Respond: &Respond{Status: 99}},
		"must start with a slash":      {Forward: "w", Rewrite: &Rewrite{"a", "/"}},
		"go with forward only":         {Respond: &Respond{Status: 200}, Remove: []string{"a"}},
		"can't be set":                 {Forward: "w", Set: []Pair{{"a b", "c"}}},
		"neither an address nor":       {Forward: "w", Sources: []string{"x"}},
	} {
		if _, err := (Table{r}).Compile(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

// Where a text holds no slash, path.Match knows the same patterns.
func TestGlobAgreesWithPathMatch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringMatching(`[ab*?]{0,8}`).Draw(t, "pattern")
		text := rapid.StringMatching(`[abc]{0,10}`).Draw(t, "text")
		want, err := path.Match(pattern, text)
		if err != nil {
			t.Fatal(err)
		}
		if Glob(pattern, []byte(text)) != want {
			t.Fatalf("%q against %q: want %v", pattern, text, want)
		}
	})
}

func TestMatchingDoesNotAllocate(t *testing.T) {
	table := compile(t, Table{
		{Path: "/x/*", Host: "b", Forward: "x"}, {Methods: []string{"PUT"}, Forward: "y"}, {Headers: []Pair{{"a", "b*"}}, Query: []Pair{{"q", "1"}}, Forward: "z"}, {Forward: "w"},
	})
	r := request("GET", "a", "/path?q=2", "127.0.0.1")
	value := []byte("bcd")
	r.Header = func(string) []byte { return value }
	if n := testing.AllocsPerRun(100, func() { table.Match(r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
