package scenarios

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/mix"
	"github.com/seed-8025779b/shakedown/scenarios/library"
	"github.com/seed-8025779b/shakedown/scenarios/plan"
)

func source(t testing.TB, name string) Source {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return Source{Name: name, Text: b, Dir: "testdata"}
}

func decode(t testing.TB, src Source, set ...Override) *Decoded {
	t.Helper()
	d, err := Decode(src, set...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestEveryLibraryScenarioIsCorrect(t *testing.T) {
	for _, name := range library.Names() {
		text, err := library.Text(name)
		if err != nil {
			t.Fatal(err)
		}
		if d := decode(t, Source{Name: "library:" + name, Text: text}); d.Name != name {
			t.Errorf("%s calls itself %s", name, d.Name)
		}
	}
}

// The design's own example must be read as it stands.
func TestLaunchDay(t *testing.T) {
	s := decode(t, source(t, "launch-day.yaml")).Scenario
	if s.Name != "launch-day" || s.Seed != 42 || s.Length() != 32*time.Second || len(s.Faults) != 2 || len(s.Gates) != 5 {
		t.Fatalf("%+v", s)
	}
	if f := s.Faults[0]; f.ID != "kill-one" || f.At != 21*time.Second || f.Values.Duration("restart_after") != 4*time.Second {
		t.Errorf("%+v", f)
	}
	api := s.Group("api")
	if api.Strategy.Kind != "p2c" || api.Targets.Run != plan.Command || api.Targets.Command[2] != "{port}" {
		t.Errorf("%+v", api)
	}
	if got := s.Load.Phases[2]; got.Name != "spike" || got.Start != 12*time.Second || got.End != 20*time.Second {
		t.Errorf("%+v", got)
	}
	if c := s.Scaling[0].Policy.Policies[0]; c.Values.Int("datapoints") != 2 {
		t.Errorf("timing's datapoints do not reach the policy: %+v", c)
	}
}

// What is resolved is a scenario itself, and resolves to the same.
func TestResolvedReadsBack(t *testing.T) {
	for _, name := range []string{"launch-day.yaml", "minimal.yaml", "requests.yaml"} {
		first := decode(t, source(t, name))
		again := decode(t, Source{Name: name, Text: first.Scenario.Resolved, Dir: "testdata"})
		if string(again.Scenario.Resolved) != string(first.Scenario.Resolved) {
			t.Errorf("%s:\n%s\n%s", name, first.Scenario.Resolved, again.Scenario.Resolved)
		}
		if !json.Valid(first.Scenario.Resolved) {
			t.Errorf("%s: not JSON", name)
		}
	}
}

// What a scenario names is read, and the engine follows from what is asked for.
func TestRequestsAndFiles(t *testing.T) {
	s := decode(t, source(t, "requests.yaml")).Scenario
	m, err := mix.New(s.Seed, s.Load.Set)
	if err != nil {
		t.Fatal(err)
	}
	if s.Client.Engine != "wire" || s.Client.PerConn != 100 || !s.Client.Cookies || s.Client.Stages.FirstByte != 2*time.Second {
		t.Errorf("%+v", s.Client)
	}
	if got := m.Texts(0).Path.String(1); !strings.HasPrefix(got, "/users/8?trace=") {
		t.Errorf("%s", got)
	}
	if got := m.Texts(1).Headers; len(got) != 3 || got[1].Name != "x-color" || !strings.Contains("red green", got[1].Value.String(1)) || got[2].Value.String(1) != "plain" {
		t.Errorf("%v", got)
	}
	if got := m.Texts(1).Body.String(1); !regexp.MustCompile(`^\{"sku": [1-9], "id": "[0-9a-f-]{36}"\}\n$`).MatchString(got) {
		t.Errorf("%s", got)
	}
	sched, err := s.Schedule()
	if err != nil {
		t.Fatal(err)
	}
	// Two seconds at twice 10/s and two at twice 30/s, drawn; then what was recorded.
	var dues []time.Duration
	w := sched.Walk()
	for _, due, ok := w.Next(); ok; _, due, ok = w.Next() {
		dues = append(dues, due)
	}
	if n := len(dues); n < 100 || n > 220 || !slices.Equal(dues[n-3:], []time.Duration{4 * time.Second, 4250 * time.Millisecond, 5 * time.Second}) {
		t.Errorf("%d arrivals, the last %v", n, dues[max(n-3, 0):])
	}
	for text, engine := range map[string]string{"http2: true": "vegeta", "redirects: 3": "vegeta", "timeout: 2s": "wire"} {
		src := Source{Name: "x", Text: []byte("version: 1\ntarget: http://127.0.0.1:1\nclient: {" + text + "}\nload: {phases: [{name: a, rate: 1/s, for: 1s}]}\n")}
		if got := decode(t, src).Client.Engine; got != engine {
			t.Errorf("%s chooses %s", text, got)
		}
	}
	src := edit(t, "  phases:", "  targets: paths.txt\n  phases:")
	if set := decode(t, src).Load.Set; !set.InTurn || len(set.Requests) != 2 || set.Requests[1].Headers[0].Value != "y" {
		t.Errorf("%+v", set)
	}
}

// Eight mistakes, eight messages, each at its place.
func TestAllMistakesAtOnce(t *testing.T) {
	_, err := Decode(source(t, "eight-mistakes.yaml"))
	var p *Problems
	if !errors.As(err, &p) {
		t.Fatalf("%v", err)
	}
	want := []struct {
		line    int
		message string
	}{
		{4, `the scenario has no key "sede" (did you mean "seed"?)`},
		{10, `unknown strategy "least_request" (did you mean "least_requests"?)`},
		{11, `interval: "1" is not a duration such as 1.5s`},
		{17, `unknown rate "fast": there are a rate such as 100/s, or hold, ramp, steps`},
		{18, `two phases are called "ramp"`},
		{21, `at: 1m40s is outside the run`},
		{22, `count 9 is more than group "web" ever has: 3`},
		{25, `no phase, fault or request is called "spyke" (did you mean "spike"?)`},
	}
	if len(p.List) != len(want) {
		t.Fatalf("%d problems:\n%v", len(p.List), err)
	}
	for i, w := range want {
		got := p.List[i]
		if got.Line != w.line || got.Column == 0 || !strings.Contains(got.Message, w.message) {
			t.Errorf("problem %d: %d:%d %s; want line %d: %s", i, got.Line, got.Column, got.Message, w.line, w.message)
		}
	}
	if text := err.Error(); !strings.Contains(text, "eight-mistakes.yaml:4:1: ") || !strings.Contains(text, "    4 | sede: 42\n      | ^") {
		t.Errorf("no caret:\n%s", text)
	}
}

// edit returns the minimal scenario with something replaced.
func edit(t testing.TB, old, new string) Source {
	src := source(t, "minimal.yaml")
	text := strings.Replace(string(src.Text), old, new, 1)
	if text == string(src.Text) && old != "" {
		t.Fatalf("%q does not stand in minimal.yaml", old)
	}
	src.Text = []byte(text)
	return src
}

func TestMistakes(t *testing.T) {
	const target = "targets: {count: 2}"
	for _, tc := range []struct{ old, new, message string }{
		{"version: 1", "version: 2", "version 2 is not known"},
		{"version: 1\n", "", `needs "version"`},
		{"version: 1", "version: 1\nversion: 1", "stands here twice"},
		{"version: 1", "version: [1]", "must be a whole number, not a list"},
		{"version: 1", "version: 1\nregions: {}", `"regions" is not supported yet`},
		{"version: 1", "version: 1\nname: a/b", "letters, digits"},
		{"version: 1", "version: 1\ntarget: http://127.0.0.1:1", "exclude each other"},
		{"version: 1", "version: 1\n\tx: 1", "not valid YAML"},
		{target, "targets: {image: x}", `"image" is not supported yet`},
		{target, "targets: {command: [./server]}", "no argument holds {port}"},
		{target, "targets: {command: [s, '{port}'], addresses: [a:1]}", "exclude each other"},
		{target, "targets: {addresses: [nonsense]}", "is not HOST:PORT"},
		{target, "targets: {count: 0}", "the least is 1"},
		{target, "targets: 3", "must be a mapping"},
		{target, target + "\n      strategy: {kind: maglev, table: 100}", "must be a prime"},
		{target, target + "\n      strategy: {kind: ring_hash, key: header}", `key "header" is none of`},
		{target, "targets: {count: 2, weights: [1, 0]}", "weights: 0 is too small"},
		{target, target + "\n      strategy: {kind: p2c, choises: 2}", `did you mean "choices"`},
		{target, target + "\n      service: {time: {kind: lognormal, mean: 10ms, p99: 1s}}", "no lognormal"},
		{target, target + "\n      health: {unhealthy: 99}", "the most is 10"},
		{target, target + "\n      retry: {on: always}", "is not one of connect, error, 5xx"},
		{target, target + "\n      retry: {budget: 120%}", "the most is 100%"},
		{target, target + "\n      fail_open: {share: 2}", "is not a share"},
		{target, target + "\n      health: {matcher: 2xx}", "is not made of statuses"},
		{target, target + "\n      health: {kind: icmp}", "is not one of http, tcp, grpc"},
		{target, target + "\n      health: {kind: grpc, matcher: 404}", "is not made of statuses"},
		{target, target + "\n      http2: true", "the sample backend speaks plain HTTP/1.1"},
		{target, target + "\n      sticky: {cookie: 'a b'}", "is no name for a cookie"},
		{target, target + "\n      zones: {}", `zones needs "own"`},
		{target, target + "\n      limits: {requests: 0}", "the least is 1"},
		{target, "targets: {addresses: ['127.0.0.1:1']}\n      tls: {ca: none.pem}", "no such file"},
		{"groups:", "balancer: {profile: elb}\n  groups:", "is not one of alb, haproxy, envoy, nginx"},
		{"groups:", "listeners: [{tls: on, rules: [{forward: web}]}]\n  groups:", "neither off, auto nor"},
		{"groups:", "listeners: [{tls: {}, rules: [{forward: web}]}]\n  groups:", "needs either certificates or auto"},
		{"groups:", "listeners: [{tls: {certificates: [{cert: a.pem, key: b.pem}]}, rules: [{forward: web}]}]\n  groups:", "no such file"},
		{"groups:", "listeners: [{proxy_protocol: true, rules: [{forward: web}]}]\n  groups:", "has no PROXY header"},
		{"groups:", "listeners: [{headers: {via: 'a b'}, rules: [{forward: web}]}]\n  groups:", "can't be written in a header"},
		{"groups:", "listeners: [{headers: {ambiguous: drop}, rules: [{forward: web}]}]\n  groups:", "is not one of remove, refuse, pass"},
		{"groups:", "listeners: [{limits: {headers: 0}, rules: [{forward: web}]}]\n  groups:", "the least is 1"},
		{"groups:", "listeners: [{strict: maybe, rules: [{forward: web}]}]\n  groups:", "is not true or false"},
		{"groups:", "listeners: [{rules: [{path: /a/../b, forward: web}]}]\n  groups:", "never matches"},
		{"groups:", "listeners: [{rules: [{forward: web, rewrite: {prefix: //a}}]}]\n  groups:", "no path begins with"},
		{"groups:", "listeners: [{rules: [{forward: web, limit: {rate: 5/s, by: header}}]}]\n  groups:", `key "header" is none of`},
		{"groups:", "listeners: [{rules: [{forward: web, limit: {burst: 5}}]}]\n  groups:", `limit needs "rate"`},
		{target, target + "\n      health: {path: x}", "does not start with a slash"},
		{target, target + "\n    spare:\n      targets: {count: 1}", "topology needs listeners"},
		{"groups:", "listeners: [{rules: [{forward: web}, {path: /x, forward: web}]}]\n  groups:", "never reached"},
		{"groups:", "listeners: [{rules: [{path: x, forward: web}]}]\n  groups:", "does not start with a slash"},
		{"groups:", "listeners: [{rules: [{path: /x, priority: 2, forward: web}, {priority: 1, forward: web}]}]\n  groups:", "never reached"},
		{"groups:", "listeners: [{rules: [{path: /x}, {forward: web}]}]\n  groups:", "exactly one of forward, redirect and respond"},
		{"groups:", "listeners: [{rules: [{forward: {web: 1, wbe: 2}}]}]\n  groups:", `did you mean "web"`},
		{"groups:", "listeners: [{rules: [{forward: {web: 0}}]}]\n  groups:", "all weights are 0"},
		{"groups:", "listeners: [{rules: [{path: /x, redirect: {status: 301}}, {forward: web}]}]\n  groups:", `needs "to"`},
		{"groups:", "listeners: [{rules: [{path: /x, respond: {status: 99}}, {forward: web}]}]\n  groups:", "the least is 200"},
		{"groups:", "listeners: [{rules: [{source: [x], forward: web}]}]\n  groups:", "neither an address nor"},
		{"groups:", "listeners: [{rules: [{header: 3, forward: web}]}]\n  groups:", "must be a mapping"},
		{"groups:", "listeners: [{timeouts: {idle: 0s}, rules: [{forward: web}]}]\n  groups:", "the least is"},
		{"groups:", "listeners: [{rules: [{forward: wbe}]}]\n  groups:", `did you mean "web"`},
		{"groups:", "listeners: [{address: nonsense, rules: [{forward: web}]}]\n  groups:", "is not HOST:PORT"},
		{"groups:", "balancer: {replicas: 2}\n  groups:", "more than one balancer is not supported yet"},
		{"rate: 100/s", "rate: 0/s", "must be more than 0/s"},
		{"rate: 100/s", "rate: -5/s", "must be more than 0/s"},
		{"rate: 100/s", "rate: 1e12/s", "the most is"},
		{"rate: 100/s, for: 2s", "rate: 1000000/s, for: 24h", "the load asks for 8.64e+10 requests"},
		{"rate: 100/s", "rate: 100", "is not a rate"},
		{"rate: 100/s", "rate: {kind: replay}", `rate replay needs "file"`},
		{"rate: 100/s", "rate: {kind: replay, file: nowhere.csv}", "no such file"},
		{"rate: 100/s", "rate: {kind: replay, file: users.csv}", `users.csv: line 2: "a@example.org" is not a rate`},
		{"rate: 100/s", "rate: {kind: replay, file: .}", "not a regular file"},
		{"rate: 100/s", "rate: {kind: sine, mean: 5/s, amplitude: 6/s, period: 1s}", "can't be negative"},
		{"rate: 100/s", "rate: {kind: spike, base: 5/s, peak: 6/s, width: 3s}", "as long as the whole"},
		{"rate: 100/s", "rate: {kind: steps, from: 5/s, to: 6/s, count: 1}", "the least is 2"},
		{"rate: 100/s", "rate: {kind: ramp, from: 0/s, to: 0/s}", "never asks for a request"},
		{"rate: 100/s", "users: 5, rate: 4/s", "exclude each other"},
		{"rate: 100/s", "users: 5000", "need as many connections"},
		{"rate: 100/s", "users: 0", "the least is 1"},
		{"rate: 100/s, ", "", `needs "rate"`},
		{"for: 2s", "for: 2s, discard: true", "every phase is discarded"},
		{"for: 2s", "for: 2s, discard: true}\n    - {name: rest, rate: pause, for: 2s", "every phase that sends requests is discarded"},
		{"rate: 100/s, for: 2s", "users: 5, for: 2s, discard: true}\n    - {name: rest, rate: pause, for: 2s", "every phase that sends requests is discarded"},
		{"for: 2s", "for: 0s", "must be more than 0s"},
		{"  phases:", "  requests: [{get: x}]\n  phases:", "must start with a slash"},
		{"  phases:", "  requests: [{get: /, post: /}]\n  phases:", "two methods"},
		{"  phases:", "  requests: [{get: /, weight: 0}]\n  phases:", "must be more than 0"},
		{"  phases:", "  requests: [{weight: 1}]\n  phases:", "needs a method"},
		{"  phases:", "  requests: [{get: /, expect: {status: 99}}]\n  phases:", "the least is 100"},
		{"  phases:", "  requests: [{get: /, expect: {headers: {a: {b: c}}}}]\n  phases:", "must be text"},
		{"  phases:", "  requests: [{get: '/{{sek}}'}]\n  phases:", `unknown function "sek" (did you mean "seq"?)`},
		{"  phases:", "  requests: [{get: '/{{users.id}}'}]\n  phases:", `no data called "users"`},
		{"  phases:", "  data: {users: users.csv}\n  requests: [{get: '/{{users.emial}}'}]\n  phases:", `no column "emial" (did you mean "email"?)`},
		{"  phases:", "  data: {users: {file: users.csv, order: rand}}\n  phases:", "is not one of in_turn, random"},
		{"  phases:", "  data: {users: nowhere.csv}\n  phases:", "no such file"},
		{"  phases:", "  data: {a.b: users.csv}\n  phases:", "the dot stands between"},
		{"  phases:", "  requests: [{post: /, body: {file: nowhere}}]\n  phases:", "no such file"},
		{"  phases:", "  requests: [{get: '/a#b'}]\n  phases:", "a fragment is never sent"},
		{"  phases:", "  requests: [{get: /, headers: {content-length: 3}}]\n  phases:", "follows from the body"},
		{"  phases:", "  targets: targets.txt\n  phases:", "names a host: with a topology write paths"},
		{"  phases:", "  targets: users.csv\n  phases:", `line 1: "id,email" is not a target`},
		{"  phases:", "  targets: paths.txt\n  requests: [{get: /}]\n  phases:", "exclude each other"},
		{"load:", "client: {timeout: 1s, connect_timeout: 2s}\nload:", "more than the timeout of the whole"},
		{"load:", "client: {timeout: 1s, min_attempt: 1001ms}\nload:", "min_attempt 1.001s is more than the timeout of the whole, 1s"},
		{"load:", "client: {min_attempt: -1ms}\nload:", "the least is 0s"},
		{"load:", "client: {pause_after_failure: -1ms}\nload:", "the least is 0s"},
		{"load:", "client: {cert: a.pem}\nload:", "needs both files"},
		{"load:", "client: {http2: true}\nload:", "not supported yet"},
		{"load:", "client: {unix_socket: /run/x}\nload:", "needs a target"},
		{"load:", "client: {engine: wire, redirects: 3}\nload:", "engine wire has no redirects"},
		{"load:", "client: {engine: vegeta, cookies: true}\nload:", "engine vegeta has no cookies"},
		{"load:", "client: {redirects: 2, cookies: true}\nload:", "engine wire has no redirects"},
		{"gates:", "faults: [{id: f, at: 1s, kind: kil, target: {group: web, all: true}}]\ngates:", `did you mean "kill"`},
		{"gates:", "faults: [{id: f, at: 1s, kind: pause, target: {group: web, all: true}}]\ngates:", "not supported yet"},
		{"gates:", "faults: [{id: f, at: mein+1s, kind: kill, target: {group: web, all: true}}]\ngates:", `did you mean "main"`},
		{"gates:", "faults: [{id: f, at: 1s, for: 9s, kind: error, target: {group: web, all: true}}]\ngates:", "after the run"},
		{"gates:", "faults: [{id: f, at: 1s, for: 1s, kind: kill, target: {group: web, all: true}}]\ngates:", "use restart_after"},
		{"gates:", "faults: [{id: f, at: 1s, kind: kill, target: {group: web}}]\ngates:", "exactly one of"},
		{"gates:", "faults: [{id: f, at: 1s, kind: kill, target: {group: web, id: web-9}}]\ngates:", "never has a target"},
		{"gates:", "faults: [{id: f, at: 1s, kind: kill, target: {group: web, zone: z}}]\ngates:", "can match no target"},
		{"gates:", "faults: [{id: f, at: 1s, kind: kill, target: {balancer: active}}]\ngates:", `"balancer" is not supported yet`},
		{"gates:", "faults: [{id: f, at: 1s, kind: latency, target: {group: web, all: true}}]\ngates:", `needs "delay"`},
		{"gates:", "faults: [{id: main, at: 1s, kind: kill, target: {group: web, all: true}}]\ngates:", "name of a phase too"},
		{"gates:", "faults: [{id: f, at: 1s, kind: error, where: target, target: {group: web, all: true}}]\ngates:", "not supported yet"},
		{"gates:", "scaling: [{group: web, max: 1, policies: [{kind: target_tracking, target: 60%}]}]\ngates:", "not within 1 to 1"},
		{"gates:", "scaling: [{group: web, max: 4}]\ngates:", "needs policies"},
		{"gates:", "scaling: [{group: web, max: 4, policies: [hpa]}]\ngates:", `policy "hpa" is not supported yet`},
		{"gates:", "abort: [{when: p99 > 1s}]\ngates:", "only error_rate is"},
		{"p99 < 1s", "p99 < 1s, p99 < 1s", "stands here twice"},
		{"p99 < 1s", "p98765432 < 1s", "unknown metric"},
		{"p99 < 1s", "lost(f) < 1", "no fault has the id"},
	} {
		_, err := Decode(edit(t, tc.old, tc.new))
		if err == nil || !strings.Contains(err.Error(), tc.message) {
			t.Errorf("%s:\n  got  %v\n  want %s", tc.new, err, tc.message)
			continue
		}
		var p *Problems
		if errors.As(err, &p) && len(p.List) != 1 {
			t.Errorf("%s: one mistake has %d messages:\n%v", tc.new, len(p.List), err)
		}
	}
	for _, text := range []string{"", "   \n# nothing\n", "[]", "5", "a: [", "&a [*a]"} {
		if _, err := Decode(Source{Name: "x.yaml", Text: []byte(text)}); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}

func TestOverrides(t *testing.T) {
	src := source(t, "launch-day.yaml")
	set := func(s ...string) (out []Override) {
		for _, x := range s {
			o, err := ParseOverride(x)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, o)
		}
		return out
	}
	d := decode(t, src, set("topology.groups.web.strategy=p2c", "faults.slow.delay=300ms", "load.phases.spike.rate=2000/s", "scaling.web.max=9", "seed=7",
		"topology.groups.web.strategy.choices=3")...)
	if d.Group("web").Strategy.Values.Int("choices") != 3 || d.Faults[1].Values.Duration("delay") != 300*time.Millisecond ||
		d.Load.Phases[2].Rate.Values.Float("rate") != 2000 || d.Scenario.Scaling[0].Policy.Max != 9 || d.Seed != 7 {
		t.Errorf("%s", d.Scenario.Resolved)
	}
	var b strings.Builder
	if err := Explain(&b, d); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"faults.slow.delay", "--set faults.slow.delay", "default", "line 5", "fault kill-one: kill on 1 target of group web, chosen at that time"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("explain does not say %q:\n%s", want, b.String())
		}
	}
	for _, tc := range []struct{ set, message string }{
		{"faults.slo.delay=1s", `no member is called "slo": there are kill-one, slow`},
		{"load.phases.spike.rate=0/s", "--set load.phases.spike.rate: rate: "},
		{"sede=4", `--set sede: the scenario has no key "sede"`},
	} {
		if _, err := Decode(src, set(tc.set)...); err == nil || !strings.Contains(err.Error(), tc.message) {
			t.Errorf("%s: %v", tc.set, err)
		}
	}
	if _, err := ParseOverride("nonsense"); err == nil {
		t.Error("an override without a value was accepted")
	}
}

func FuzzDecode(f *testing.F) {
	for _, name := range []string{"launch-day.yaml", "minimal.yaml", "requests.yaml", "eight-mistakes.yaml"} {
		f.Add(source(f, name).Text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := Decode(Source{Name: "fuzz.yaml", Text: text, Dir: "testdata"})
		if err != nil {
			_ = err.Error() // must not panic either
			return
		}
		if _, err := d.Schedule(); err != nil {
			t.Fatalf("a scenario that was accepted has no schedule: %v", err)
		}
		if _, err := Decode(Source{Name: "fuzz.yaml", Text: d.Scenario.Resolved, Dir: "testdata"}); err != nil {
			t.Fatalf("what was resolved is refused: %v\n%s", err, d.Scenario.Resolved)
		}
	})
}
