package mask

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestURLs(t *testing.T) {
	for in, want := range map[string]string{
		"http://user:pass@host/path":               "http://***@host/path",
		"see https://u:p@a and http://u@b:1/x@y":   "see https://***@a and http://***@b:1/x@y",
		"http://u:p%zz@host":                       "http://***@host",
		"http://u:p@ss@host":                       "http://***@host",
		"http://host/a@b":                          "http://host/a@b",
		"http://host?x=a@b":                        "http://host?x=a@b",
		"mail me@example.org":                      "mail me@example.org",
		`"http://user:pass@host" is not what "x@"`: `"http://***@host" is not what "x@"`,
	} {
		if got := URLs(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

func TestCommand(t *testing.T) {
	n := New([]string{"X-Api-Key"})
	for _, tc := range []struct{ in, want []string }{
		{[]string{"attack", "http://u:p@h", "--rate", "5/s"}, []string{"attack", "http://***@h", "--rate", "5/s"}},
		{[]string{"--header", "Authorization: Bearer x", "--header", "accept: y"}, []string{"--header", "Authorization: ***", "--header", "accept: y"}},
		{[]string{"--header=cookie:a=b", "--header=x-api-key: k"}, []string{"--header=cookie: ***", "--header=x-api-key: ***"}},
		{[]string{"--header", "Authorization Bearer x"}, []string{"--header", "Authorization ***"}},
		{[]string{"--set", `load.requests."GET /".headers.authorization=Bearer x`}, []string{"--set", `load.requests."GET /".headers.authorization=***`}},
		{[]string{"--set=load.requests=[{get: /, headers: {X-API-Key: k}}]"}, []string{"--set=load.requests=***"}},
		{[]string{"--set", "topology.groups.web.sticky.secret=hunter2"}, []string{"--set", "topology.groups.web.sticky.secret=***"}},
		{[]string{"--set", "topology.groups.web.sticky={secret: hunter2}"}, []string{"--set", "topology.groups.web.sticky=***"}},
		{[]string{"--set", "target=http://u:p@h"}, []string{"--set", "target=http://***@h"}},
		{[]string{"--set", "topology.groups.web.sticky.cookie=SESSION"}, []string{"--set", "topology.groups.web.sticky.cookie=SESSION"}},
		{[]string{"--set", "topology.groups.web.strategy={kind: maglev, key: 'cookie:id'}"}, []string{"--set", "topology.groups.web.strategy={kind: maglev, key: 'cookie:id'}"}},
		{[]string{"--admin-token", "t", "--admin-token=t"}, []string{"--admin-token", "***", "--admin-token=***"}},
		{[]string{"--header"}, []string{"--header"}},
	} {
		if got := n.Command(tc.in); !slices.Equal(got, tc.want) {
			t.Errorf("%q: %q, want %q", tc.in, got, tc.want)
		}
	}
}

func TestLine(t *testing.T) {
	n := New([]string{"x-api-key"})
	for _, tc := range []struct{ line, want string }{
		{"target: http://u:p@h", "target: http://***@h"},
		{"  headers: {Authorization: Bearer x, accept: y}", "  headers: {Authorization: ***"},
		{`{"cookie": "a=\"b\"", "accept": "y"}`, `{"cookie": ***, "accept": "y"}`},
		{"x-api-key: 'k' # mine", "x-api-key: *** # mine"},
		{"not-authorization: x", "not-authorization: x"},
		{"sticky: {secret: s}", "sticky: {secret: ***"},
		{"cookie: http://u:p@h", "cookie: ***"},
		{"", ""},
	} {
		if got, _ := n.Line(tc.line, 1); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.line, got, tc.want)
		}
	}
	const line = "ü: {at: http://u:p@h, b: c, cookie: 'x', d: e}"
	for _, word := range []string{"ü", "at", "@h", "b", "c,", "cookie", "d:", "e}"} {
		got, column := n.Line(line, utf8.RuneCountInString(line[:strings.Index(line, word)])+1)
		if runes := []rune(got); !strings.HasPrefix(string(runes[column-1:]), word) {
			t.Errorf("the column of %s is %d in %s", word, column, got)
		}
	}
	if got, column := n.Line(line, 17); column != utf8.RuneCountInString("ü: {at: http://")+1 {
		t.Errorf("a column within a secret is %d in %s", column, got)
	}
}

// A line without a secret stays, and so does its column; any line keeps its columns within it.
func TestLineKeepsColumns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		line := rapid.StringOf(rapid.RuneFrom([]rune("ab:@/ é{}'\"\\"))).Draw(t, "line")
		column := rapid.IntRange(1, utf8.RuneCountInString(line)+2).Draw(t, "column")
		got, at := Names{}.Line(line, column)
		if got == line && at != column {
			t.Fatalf("%q: column %d became %d", line, column, at)
		}
		if at < 1 || at > utf8.RuneCountInString(got)+2 {
			t.Fatalf("%q: column %d is outside of %q", line, at, got)
		}
	})
}

func TestAsked(t *testing.T) {
	for _, tc := range []struct{ args, want []string }{
		{[]string{"run", "x.yaml"}, nil},
		{[]string{"run", "--set", "mask=[X-Api-Key]"}, []string{"X-Api-Key"}},
		{[]string{"run", "--set=mask=[A, 'B',\"C\"]", "--set", "seed=1", "--set", "mask=D"}, []string{"A", "B", "C", "D"}},
		{[]string{"run", "--set"}, nil},
		{[]string{"run", "mask=[A]"}, nil},
	} {
		if got := Asked(tc.args); !slices.Equal(got, tc.want) {
			t.Errorf("%q: %q, want %q", tc.args, got, tc.want)
		}
	}
	args := []string{"attack", "--header", "X-Api-Key: hunter2", "--set", "mask=[X-Api-Key]"}
	if got := New(Asked(args)).Command(args); strings.Contains(strings.Join(got, " "), "hunter2") {
		t.Errorf("%q", got)
	}
}
