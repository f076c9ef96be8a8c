package scenarios

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func override(t *testing.T, set string) Override {
	t.Helper()
	o, err := ParseOverride(set)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// keyed is a scenario whose group web has a strategy, and whose load has requests, a client and phases.
func keyed(strategy, requests, client, phases string) Source {
	return Source{Name: "keyed", Text: fmt.Appendf(nil, `version: 1
topology:
  listeners:
    - rules: [{path: /api/*, forward: api}, {path: /gone, respond: {status: 410}}, {forward: web}]
  groups:
    web: {strategy: %s, targets: {count: 3}}
    api: {strategy: random, targets: {count: 3}}
load:
  requests: %s
  phases: [%s]
client: {%s}
`, strategy, requests, phases, client)}
}

// A warning stands where the keys that a group's strategy sees do not differ, and nowhere else.
func TestWarningsOfKeys(t *testing.T) {
	const (
		alone  = "all requests come from one client address, so one target gets them all"
		open   = "{name: main, rate: 10/s, for: 1s}"
		closed = "{name: main, users: 5, for: 1s}"
		get    = "[{get: /}]"
	)
	for _, tc := range []struct{ name, strategy, requests, client, phases, want string }{
		{"address", "ring_hash", get, "", open, "group web: ring_hash by address: " + alone + "; set client: {addresses: N}"},
		{"address, modulo", "ip_hash", get, "", open, "group web: ip_hash by address: " + alone + "; set client: {addresses: N}"},
		{"address, bounded", "bounded_hash", get, "", open, "group web: bounded_hash by address: all requests come from one client address, so they fill one target up to its bound, and then the next; set client: {addresses: N}"},
		{"several addresses", "maglev", get, "addresses: 20", open, ""},
		{"several addresses, one connection", "maglev", get, "addresses: 20, connections: 1", open, "client.addresses: at most 1 of 20 client addresses can be seen: a connection keeps its address, and there are no more of client.connections|group web: maglev by address: " + alone},
		{"fewer connections than addresses", "maglev", get, "addresses: 20, connections: 19", open, "client.addresses: at most 19 of 20 client addresses can be seen: a connection keeps its address, and there are no more of client.connections"},
		{"as many connections as addresses", "maglev", get, "addresses: 20, connections: 20", open, ""},
		{"fewer users than addresses", "maglev", get, "addresses: 20, connections: 5", closed, "client.addresses: at most 5 of 20 client addresses can be seen: a connection keeps its address, and there are no more of the users"},
		{"fewer users, but connections", "maglev", get, "addresses: 20", closed + ", {name: then, rate: 1/s, for: 1s}", ""},
		{"no key", "p2c", get, "", open, ""},
		{"one path", "{kind: rendezvous, key: path}", get, "", open, "group web: rendezvous by path: all requests that come to it have the same path, so one target gets them all"},
		{"one path, several queries", "{kind: rendezvous, key: path}", "[{get: '/?x={{seq}}'}]", "", open, "group web: rendezvous by path: all requests that come to it have the same path, so one target gets them all"},
		{"two paths", "{kind: rendezvous, key: path}", "[{get: /}, {get: /x}]", "", open, ""},
		{"two paths, one elsewhere", "{kind: rendezvous, key: path}", "[{get: /}, {get: /api/x}, {get: /gone}]", "", open, "group web: rendezvous by path: all requests that come to it have the same path, so one target gets them all"},
		{"a path that is filled in", "{kind: rendezvous, key: path}", "[{get: '/{{int 1 9}}'}]", "", open, ""},
		{"none reaches the group", "{kind: rendezvous, key: path}", "[{get: /api/x}]", "", open, ""},
		{"the generator's user agent", "{kind: ring_hash, key: 'header:User-Agent'}", get, "", open, "group web: ring_hash by header:User-Agent: all requests that come to it have the same header, so one target gets them all"},
		{"no header", "{kind: ring_hash, key: 'header:X-User'}", get, "", open, "group web: ring_hash by header:X-User: no request that comes to it has that header, so each goes to any target, as with random"},
		{"one header", "{kind: ring_hash, key: 'header:X-User'}", "[{get: /, headers: {x-user: a}}]", "", open, "group web: ring_hash by header:X-User: all requests that come to it have the same header, so one target gets them all"},
		{"one header, and none", "{kind: ring_hash, key: 'header:X-User'}", "[{get: /, headers: {x-user: a}}, {get: /x}]", "", open, "group web: ring_hash by header:X-User: all requests that have that header have the same value of it, so one target gets them all"},
		{"headers", "{kind: ring_hash, key: 'header:X-User'}", "[{get: /, headers: {x-user: '{{uuid}}'}}, {get: /x}]", "", open, ""},
		{"the number of each request", "{kind: ring_hash, key: 'header:shakedown-seq'}", get, "", open, ""},
		{"the number, not sent", "{kind: ring_hash, key: 'header:shakedown-seq'}", get, "identify: false", open, "group web: ring_hash by header:shakedown-seq: no request that comes to it has that header, so each goes to any target, as with random"},
		{"the host", "{kind: ring_hash, key: 'header:host'}", get, "", open, "group web: ring_hash by header:host: all requests that come to it have the same header, so one target gets them all"},
		{"no cookie", "{kind: ring_hash, key: 'cookie:session'}", "[{get: /, headers: {cookie: a=b}}]", "", open, "group web: ring_hash by cookie:session: no request that comes to it has that cookie, so each goes to any target, as with random"},
		{"cookies that targets set", "{kind: ring_hash, key: 'cookie:session'}", get, "cookies: true", open, ""},
		{"cookies", "{kind: ring_hash, key: 'cookie:session'}", "[{get: /, headers: {cookie: 'session={{uuid}}'}}]", "", open, ""},
		{"no parameter", "{kind: ring_hash, key: 'query:id'}", "[{get: /?x=1}]", "", open, "group web: ring_hash by query:id: no request that comes to it has that parameter of the query, so each goes to any target, as with random"},
		{"parameters", "{kind: ring_hash, key: 'query:id'}", "[{get: '/?id={{seq}}'}]", "", open, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := Warnings(decode(t, keyed(tc.strategy, tc.requests, tc.client, tc.phases)).Scenario)
			if text := strings.Join(got, "|"); text != tc.want {
				t.Errorf("got  %s\nwant %s", text, tc.want)
			}
		})
	}
	for _, tc := range []struct{ limit, requests, client, want string }{
		{"{rate: 5/s}", get, "", "rule for /: limit by address: all requests come from one client address, so they share one limit, as with by: everybody; set client: {addresses: N}"},
		{"{rate: 5/s}", get, "addresses: 20", ""},
		{"{rate: 5/s}", "[{get: /api/x}]", "", ""},
		{"{rate: 5/s, by: everybody}", get, "", ""},
		{"{rate: 5/s, by: 'header:x-user'}", get, "", "rule for /: limit by header:x-user: no request that comes to it has that header, so they share one limit, as with by: everybody"},
		{"{rate: 5/s, by: 'header:x-user'}", "[{get: /, headers: {x-user: a}}, {get: /api/x, headers: {x-user: b}}]", "", "rule for /: limit by header:x-user: all requests that come to it have the same header, so they share one limit, as with by: everybody"},
		{"{rate: 5/s, by: 'header:x-user'}", "[{get: /, headers: {x-user: '{{seq}}'}}]", "", ""},
	} {
		src := keyed("random", tc.requests, tc.client, open)
		src.Text = []byte(strings.Replace(string(src.Text), "{path: /gone", "{path: /, forward: web, limit: "+tc.limit+"}, {path: /gone", 1))
		if got := strings.Join(Warnings(decode(t, src).Scenario), "|"); got != tc.want {
			t.Errorf("limit %s, requests %s\ngot  %s\nwant %s", tc.limit, tc.requests, got, tc.want)
		}
	}
	// With a single target there is nothing to spread over, unless the group is scaled; and without a topology no strategy.
	src := keyed("ring_hash", get, "", open)
	one := decode(t, src, override(t, "topology.groups.web.targets.count=1"))
	if got := Warnings(one.Scenario); len(got) > 0 {
		t.Errorf("one target: %q", got)
	}
	src.Text = append(src.Text, "scaling: [{group: web, min: 1, max: 3, policies: [{kind: target_tracking, metric: cpu, target: 60%}]}]\n"...)
	scaled := decode(t, src, override(t, "topology.groups.web.targets.count=1"))
	if got := Warnings(scaled.Scenario); len(got) != 1 {
		t.Errorf("one target, scaled: %q", got)
	}
	of := decode(t, Source{Name: "target", Text: []byte("version: 1\ntarget: http://127.0.0.1:1\nclient: {addresses: 3, connections: 2}\nload: {phases: [{name: a, rate: 1/s, for: 1s}]}\n")})
	if got := Warnings(of.Scenario); len(got) != 1 || !strings.HasPrefix(got[0], "client.addresses: at most 2 of 3 client addresses can be seen") {
		t.Errorf("a target: %q", got)
	}
}

// A run's result has the warnings, whatever the world, and a person hears of them before the load begins.
func TestAResultHasTheWarningsOfKeys(t *testing.T) {
	s := decode(t, keyed("{kind: ip_hash}", "[{get: /}]", "", "{name: main, rate: 10/s, for: 1s}")).Scenario
	var said []string
	r, err := Play(t.Context(), s, Options{World: "sim", Say: func(text string) { said = append(said, text) }})
	if err != nil {
		t.Fatal(err)
	}
	want := Warnings(s)
	if len(want) != 1 || !slices.Contains(r.Warnings, want[0]) || !slices.Contains(said, "warning: "+want[0]) {
		t.Errorf("warnings %q, said %q, want %q", r.Warnings, said, want)
	}
}

// A second listener gets no load, which is told.
func TestWarningOfListenersWithoutLoad(t *testing.T) {
	const text = `version: 1
topology:
  listeners: [{rules: [{forward: web}]}MORE]
  groups: {web: {targets: {count: 1}}}
load: {phases: [{name: main, rate: 10/s, for: 1s}]}
`
	for more, want := range map[string]string{
		"":                            "",
		", {rules: [{forward: web}]}": "listeners: the load goes to the first of 2, and the others get no request",
		", {rules: [{forward: web}]}, {rules: [{forward: web}]}": "listeners: the load goes to the first of 3, and the others get no request",
	} {
		s := decode(t, Source{Name: "x", Text: []byte(strings.Replace(text, "MORE", more, 1))}).Scenario
		if got := strings.Join(Warnings(s), "|"); got != want {
			t.Errorf("%q: %q, want %q", more, got, want)
		}
	}
}
