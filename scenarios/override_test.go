package scenarios

import (
	"strings"
	"testing"

	"github.com/seed-8025779b/shakedown/scenarios/library"
)

// everyForm is a scenario in which values stand in the short forms that a path goes through.
const everyForm = `version: 1
name: forms
topology:
  groups:
    web.front: &group
      strategy: p2c
      retry: on
      outliers: off
      sticky: {secret: hunter2}
      targets: {count: 2, weights: [3, 1]}
      service: {time: 5ms, queue: unlimited}
    api:
      targets: {command: [./server, "--port={port}", "a, b", "#c", "null", ""]}
  listeners:
    - rules:
        - {path: /api/*, method: get, header: {x-beta: "1*"}, forward: {web.front: 9, api: 1}}
        - {path: "/a: b", respond: {status: 503, body: "two\nlines"}}
        - {forward: web.front}
load:
  data: {users: users.csv}
  requests:
    - {get: "/a.html?x=1"}
    - {post: /orders, body: '{"sku": 1}', headers: {x.y: [a, "b: c"], empty: ""}, expect: {status: 201}}
  phases:
    - {name: one, rate: 100/s, for: 2s}
    - {name: two.three, rate: max, for: 2s}
gates:
  - p99[one] < 1s
  - p50 < 1s
abort: [{when: error_rate > 60%}]
`

// Every value that explain prints can be given to --set as it is printed, and changes nothing.
func TestEveryExplainedPathCanBeSet(t *testing.T) {
	sources := map[string]Source{"forms": {Name: "forms.yaml", Text: []byte(everyForm), Dir: "testdata"}}
	for _, name := range library.Names() {
		text, err := library.Text(name)
		if err != nil {
			t.Fatal(err)
		}
		sources[name] = Source{Name: "library:" + name, Text: text}
	}
	for _, name := range []string{"launch-day.yaml", "minimal.yaml", "requests.yaml"} {
		sources[name] = source(t, name)
	}
	for name, src := range sources {
		want := decode(t, src)
		rows := want.Resolved.rows()
		if len(rows) < 30 {
			t.Errorf("%s: explain prints only %d values", name, len(rows))
		}
		for _, x := range rows {
			o, err := ParseOverride(x.path + "=" + x.value)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			got, err := Decode(src, o)
			if err != nil {
				t.Errorf("%s: --set %s=%s: %v", name, x.path, x.value, err)
				continue
			}
			if string(got.Scenario.Resolved) != string(want.Scenario.Resolved) {
				t.Errorf("%s: --set %s=%s changes the scenario:\n%s\n%s", name, x.path, x.value, want.Scenario.Resolved, got.Scenario.Resolved)
			}
		}
	}
}

// valueOf returns a value as explain prints it.
func valueOf(t *testing.T, d *Decoded, path string) (value, origin string) {
	t.Helper()
	for _, x := range d.Resolved.rows() {
		if x.path == path {
			return x.value, x.origin
		}
	}
	t.Errorf("explain does not print %s", path)
	return "", ""
}

func TestPathsThatAreSet(t *testing.T) {
	forms := Source{Name: "forms.yaml", Text: []byte(everyForm), Dir: "testdata"}
	minimal := source(t, "minimal.yaml")
	for _, tc := range []struct {
		src              Source
		set, path, value string // path: as explain prints it, when it is not the one that is set
	}{
		{forms, "gates.1=p99 < 2s", "", "p99 < 2s"},
		{forms, `load.requests."GET /a.html?x=1".weight=3`, "", "3"},
		{forms, `load.requests.1.weight=3`, `load.requests."GET /a.html?x=1".weight`, "3"},
		{forms, `load.requests.POST /orders.weight=3`, `load.requests."POST /orders".weight`, "3"},
		{forms, "load.phases.two.three.for=9s", `load.phases."two.three".for`, "9s"},
		{forms, "load.phases.1.rate.rate=5/s", "load.phases.one.rate.rate", "5/s"},
		{forms, "topology.groups.web.front.strategy.choices=3", `topology.groups."web.front".strategy.choices`, "3"},
		{forms, "topology.groups.web.front.retry.attempts=2", `topology.groups."web.front".retry.attempts`, "2"},
		{forms, "topology.groups.web.front.outliers.consecutive=2", `topology.groups."web.front".outliers.consecutive`, "2"},
		{forms, "topology.groups.web.front.service.time.mean=7ms", `topology.groups."web.front".service.time.mean`, "7ms"},
		{forms, "topology.listeners.1.rules.1.forward.api=5", "", "5"},
		{forms, "load.data.users.order=random", "", "random"},
		{minimal, "topology.listeners.1.address=127.0.0.1:9999", "", "127.0.0.1:9999"},
		{minimal, "topology.groups.web.strategy.kind=p2c", "", "p2c"},
		{minimal, "topology.groups.web.service.time.mean=7ms", "", "7ms"},
		{minimal, "load.requests.GET /.weight=2", `load.requests."GET /".weight`, "2"},
	} {
		o, err := ParseOverride(tc.set)
		if err != nil {
			t.Error(err)
			continue
		}
		d, err := Decode(tc.src, o)
		if err != nil {
			t.Errorf("--set %s: %v", tc.set, err)
			continue
		}
		if tc.path == "" {
			tc.path = o.Path
		}
		if value, origin := valueOf(t, d, tc.path); value != tc.value || origin != "--set "+o.Path {
			t.Errorf("--set %s: %s is %s (%s)", tc.set, tc.path, value, origin)
		}
	}
}

// What one --set brings in for the path's sake is a default like any other: a later one may still change whose.
func TestAnImpliedListTakesLaterDefaults(t *testing.T) {
	d := decode(t, source(t, "minimal.yaml"), Override{"topology.listeners.1.address", "127.0.0.1:0"}, Override{"topology.balancer.profile", "alb"})
	if value, origin := valueOf(t, d, "topology.listeners.1.limits.head"); value != "65536" || origin != "profile alb" {
		t.Errorf("limits.head is %s (%s)", value, origin)
	}
}

// A path names one place: what shares an anchor with it stays as it is.
func TestSetLeavesOtherAliasesAlone(t *testing.T) {
	src := edit(t, "web:\n      targets: {count: 2}", "web: &g\n      targets: {count: 2}\n    api: *g\n  listeners: [{rules: [{path: /a, forward: api}, {forward: web}]}]")
	d := decode(t, src, Override{"topology.groups.api.targets.count", "5"})
	if d.Group("web").Targets.Count != 2 || d.Group("api").Targets.Count != 5 {
		t.Errorf("web has %d targets, api %d", d.Group("web").Targets.Count, d.Group("api").Targets.Count)
	}
}

func TestPathsThatCannotBeSet(t *testing.T) {
	forms := Source{Name: "forms.yaml", Text: []byte(strings.Replace(everyForm, "name: one,", "name: two,", 1)), Dir: "testdata"}
	forms.Text = []byte(strings.Replace(string(forms.Text), "p99[one]", "p99[two]", 1))
	for set, message := range map[string]string{
		"gates.3=p99 < 1s":                "there are 1 to 2",
		"gates.0=p99 < 1s":                "there are 1 to 2",
		"seed.x=3":                        "there is nothing below seed",
		"client.insecure.x=3":             "there is nothing below client.insecure",
		"load..x=3":                       "a step of the path is empty",
		`load."x=3`:                       "expected PATH=VALUE",
		`load."x"y=3`:                     `after "x" there must be a dot`,
		"abort.2.over=3s":                 "there are 1 to 1",
		"mask.1=x":                        `mask has no member "1": there is none at all, and --set adds none`,
		"topology.groups.api.strategy.x=": `strategy round_robin has no key "x"`,
	} {
		o, err := ParseOverride(set)
		if err == nil {
			_, err = Decode(forms, o)
		}
		if err == nil || !strings.Contains(err.Error(), message) {
			t.Errorf("--set %s: %v; want %q", set, err, message)
		}
	}
	without := "version: 1\ntopology: {groups: {web: {targets: {count: 1}}}}\nload: {phases: [{name: main, rate: 1/s, for: 1s}]}\n"
	for set, message := range map[string]string{
		"scaling.web.max=3":    `scaling has no member "web": there is none at all`,
		"faults.slow.at=1s":    `faults has no member "slow": there is none at all`,
		"abort.1.over=1s":      `abort has no member "1": there is none at all`,
		"gates.1=p99 < 1s":     `gates has no member "1": there is none at all`,
		"load.phases.x.for=1s": `no member is called "x": there are main`,
	} {
		path, value, _ := strings.Cut(set, "=")
		list, _, _ := strings.Cut(path, ".")
		for _, empty := range []string{"", list + ":\n"} {
			if list == "load" && empty != "" {
				continue
			}
			if _, err := Decode(Source{Name: "x", Text: []byte(without + empty)}, Override{path, value}); err == nil || !strings.Contains(err.Error(), message) {
				t.Errorf("--set %s without it, %q: %v; want %q", set, empty, err, message)
			}
		}
	}
	twin := Source{Name: "twin.yaml", Dir: "testdata", Text: []byte(strings.ReplaceAll(strings.Replace(everyForm, "    api:", "    web:\n      targets: {count: 1}\n    api:", 1), "- {forward: web.front}", "- {path: /w, forward: web}\n        - {forward: web.front}"))}
	twin.Text = []byte(strings.Replace(string(twin.Text), "    web:\n", "    web:\n      front: x\n", 1))
	if _, err := Decode(twin, Override{"topology.groups.web.front", "x"}); err == nil || !strings.Contains(err.Error(), `both "web" and "web.front" are there`) {
		t.Errorf("an ambiguous path: %v", err)
	}
}

func FuzzSet(f *testing.F) {
	for _, s := range []string{"gates.1=p99 < 1s", `load.requests."GET /".weight=3`, "topology.listeners.1.rules.1.forward=web", `"a\"b".c=x`, "seed=&a [*a]"} {
		f.Add(s)
	}
	minimal := source(f, "minimal.yaml")
	f.Fuzz(func(t *testing.T, text string) {
		o, err := ParseOverride(text)
		if err != nil {
			return
		}
		steps, err := parsePath(o.Path)
		if err != nil {
			t.Fatalf("%s was parsed, and then not: %v", o.Path, err)
		}
		names := make([]string, len(steps))
		for i, s := range steps {
			names[i] = s.name
		}
		if again, err := parsePath(writePath(names)); err != nil || join(again) != join(steps) {
			t.Fatalf("%s is written as %s: %v", o.Path, writePath(names), err)
		}
		if _, err := Decode(minimal, o); err != nil {
			_ = err.Error() // must not panic either
		}
	})
}
