package route

import (
	"path"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/seed-8025779b/shakedown/balancer/ratelimit"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

func compile(t *testing.T, table Table) Table {
	t.Helper()
	out, err := table.Compile(1)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func request(method, host, target, source string, headers ...string) *Request {
	return &Request{Method: []byte(method), Host: []byte(host), Target: []byte(target), Source: source, Header: func(name string, from int) ([]byte, int) {
		for i := from; i < len(headers); i += 2 {
			if headers[i] == name {
				return []byte(headers[i+1]), i + 2
			}
		}
		return nil, len(headers)
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
		{"a host in full", Rule{Host: "example.org"}, request("GET", "example.org.:80", "/", ""), true},
		{"a pattern in full", Rule{Host: "*.example.org."}, request("GET", "a.example.org", "/", ""), true},
		{"method", Rule{Methods: []string{"PUT", "POST"}}, request("POST", "a", "/", ""), true},
		{"another method", Rule{Methods: []string{"PUT"}}, request("POST", "a", "/", ""), false},
		{"header", Rule{Headers: []Pair{{"x-beta", "1*"}}}, request("GET", "a", "/", "", "x-beta", "12"), true},
		{"a header with another value", Rule{Headers: []Pair{{"x-beta", "1*"}}}, request("GET", "a", "/", "", "x-beta", "2"), false},
		{"the second header of a name", Rule{Headers: []Pair{{"X-Beta", "1*"}}}, request("GET", "a", "/", "", "x-beta", "2", "x-other", "1", "x-beta", "12"), true},
		{"a header that is not there", Rule{Headers: []Pair{{"x-beta", "*"}}}, request("GET", "a", "/", ""), false},
		{"query", Rule{Query: []Pair{{"v", "2"}, {"w", "*"}}}, request("GET", "a", "/?w&v=2", ""), true},
		{"a parameter with another value", Rule{Query: []Pair{{"v", "2"}}}, request("GET", "a", "/?v=3", ""), false},
		{"the second parameter of a name", Rule{Query: []Pair{{"v", "2"}}}, request("GET", "a", "/?v=1&v=2", ""), true},
		{"a parameter in escapes", Rule{Query: []Pair{{"v", "a/%2Fb"}}}, request("GET", "a", "/?%76=%61/%2f%62", ""), true},
		{"a pattern in escapes", Rule{Query: []Pair{{"v", "%2f%61*"}}}, request("GET", "a", "/?v=%2Fa", ""), true},
		{"what is no escape", Rule{Query: []Pair{{"v", "%zz"}}}, request("GET", "a", "/?v=%zz", ""), true},
		{"a path in escapes", Rule{Path: "/caf%c3%a9/*"}, request("GET", "a", "/caf%C3%A9/x", ""), true},
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
		{"/api", "/v2", "/apiary", "/apiary"}, {"/api", "/v2", "/api.json", "/api.json"}, {"/", "/v2", "/x", "/v2x"}, {"/", "/v2/", "/x", "/v2/x"},
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
		"never matches":                {Path: "/a/../b", Forward: "w"},
		"path \"/a//b\" never":         {Path: "/a//b", Forward: "w"},
		"path \"/%2e/*\"":              {Path: "/%2e/*", Forward: "w"},
		"no path begins with":          {Forward: "w", Rewrite: &Rewrite{"/%61", "/"}},
		"begins with \"//a\"":          {Forward: "w", Rewrite: &Rewrite{"//a", "/"}},
		"all weights are 0":            {Split: []Share{{"a", 0}}},
		"with weight -1":               {Split: []Share{{"a", -1}}},
		"is not a status of redirects": {Redirect: &Redirect{To: "/", Status: 200}},
		"is not an address":            {Redirect: &Redirect{To: "a b", Status: 301}},
		"status 204 has no body":       {Respond: &Respond{Status: 204, Body: "x"}},
		"status 205 has no body":       {Respond: &Respond{Status: 205, Body: "x"}},
		"status 304 has no body":       {Respond: &Respond{Status: 304, Body: "x"}},
		"is not a status to respond":   {Respond: &Respond{Status: 99}},
		"must start with a slash":      {Forward: "w", Rewrite: &Rewrite{"a", "/"}},
		"go with forward only":         {Respond: &Respond{Status: 200}, Remove: []string{"a"}},
		"can't be set":                 {Forward: "w", Set: []Pair{{"a b", "c"}}},
		"neither an address nor":       {Forward: "w", Sources: []string{"x"}},
	} {
		if _, err := (Table{r}).Compile(1); err == nil || !strings.Contains(err.Error(), want) {
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
	r.Header = func(_ string, from int) ([]byte, int) {
		if from > 0 {
			return nil, from
		}
		return value, 1
	}
	if n := testing.AllocsPerRun(100, func() { table.Match(r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Keys of limits come from what rules see, and whoever writes it in another way has the same.
func TestKeysOfLimits(t *testing.T) {
	for _, tc := range []struct {
		by     string
		a, b   *Request
		shared bool
	}{
		{"path", request("GET", "a", "/x?1", ""), request("GET", "a", "/x?2", ""), true},
		{"path", request("GET", "a", "/x", ""), request("GET", "a", "/y", ""), false},
		{"query:user", request("GET", "a", "/?user=ab", ""), request("GET", "a", "/?us%65r=%61b", ""), true},
		{"query:user", request("GET", "a", "/?user=a", ""), request("GET", "a", "/?user=b", ""), false},
		{"header:X-Key", request("GET", "a", "/", "", "x-key", "a"), request("GET", "a", "/", "", "x-key", "a"), true},
		{"cookie:c", request("GET", "a", "/", "", "cookie", "c=1"), request("GET", "a", "/", "", "cookie", "x=y", "cookie", "c=1"), true},
		{"cookie:c", request("GET", "a", "/", "", "cookie", "c=1"), request("GET", "a", "/", "", "cookie", "c=2"), false},
		{"address", request("GET", "a", "/", "10.0.0.1"), request("GET", "a", "/", "10.0.0.1"), true},
		{"address", request("GET", "a", "/", "10.0.0.1"), request("GET", "a", "/", "10.0.0.2"), false},
	} {
		table := compile(t, Table{{Forward: "w", Limit: limit(t, tc.by)}})
		if ok, _ := table[0].Allow(time.Second, tc.a); !ok {
			t.Errorf("%s: the first has to wait", tc.by)
		}
		if ok, _ := table[0].Allow(time.Second, tc.b); ok == tc.shared {
			t.Errorf("%s: %s and %s share a bucket: %v", tc.by, tc.a.Target, tc.b.Target, !ok)
		}
	}
}

func limit(t *testing.T, by string) *ratelimit.Config {
	t.Helper()
	v := spec.Defaults(ratelimit.Params())
	v["rate"], v["by"] = .001, by
	c, err := ratelimit.New(v)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A rule with the limit and the conditions of an earlier one goes on with its buckets, wherever it stands and wherever it leads.
func TestBucketsAreAdopted(t *testing.T) {
	x := request("GET", "a", "/login", "10.0.0.1")
	earlier := compile(t, Table{{Path: "/login", Forward: "w", Limit: limit(t, "address")}, {Forward: "w"}})
	if ok, _ := earlier[0].Allow(time.Second, x); !ok {
		t.Fatal("the first request has to wait")
	}
	faster := limit(t, "address")
	faster.Burst = 2
	for _, tc := range []struct {
		name string
		rule Rule
		kept bool
	}{
		{"the same", Rule{Path: "/login", Forward: "w", Limit: limit(t, "address")}, true},
		{"to another group", Rule{Path: "/login", Forward: "other", Limit: limit(t, "address")}, true},
		{"another limit", Rule{Path: "/login", Forward: "w", Limit: faster}, false},
		{"another path", Rule{Path: "/*", Forward: "w", Limit: limit(t, "address")}, false},
		{"another header", Rule{Path: "/login", Headers: []Pair{{"a", "b"}}, Forward: "w", Limit: limit(t, "address")}, false},
	} {
		table := compile(t, Table{{Path: "/x", Forward: "w", Limit: limit(t, "address")}, tc.rule})
		table.Adopt(earlier)
		if ok, _ := table[1].Allow(time.Second, x); ok == tc.kept {
			t.Errorf("%s: the bucket was kept: %v", tc.name, !ok)
		}
		if ok, _ := table[0].Allow(time.Second, x); !ok {
			t.Errorf("%s: a new rule has used buckets", tc.name)
		}
	}
	// One rule's buckets go to one rule.
	twice := compile(t, Table{{Path: "/login", Forward: "w", Limit: limit(t, "address")}, {Path: "/login", Forward: "w", Limit: limit(t, "address")}})
	twice.Adopt(earlier)
	if ok, _ := twice[1].Allow(time.Second, x); !ok {
		t.Error("two rules have the same buckets")
	}
}
