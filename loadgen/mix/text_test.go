package mix

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/seed-8025779b/shakedown/scenarios/draw"
)

func data(t *testing.T) []*Data {
	t.Helper()
	d, err := ParseData("id,email\n7,a@example.org\n8,\"b c@example.org\"\n")
	if err != nil {
		t.Fatal(err)
	}
	d.Name, d.InTurn = "users", true
	return []*Data{d}
}

func TestTexts(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"plain", "^plain$"},
		{"", "^$"},
		{"a{{seq}}b", "^a5b$"},
		{"{{ uuid }}", "^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"},
		{"{{int 3 4}}{{int -9 -9}}", "^[34]-9$"},
		{`{{pick red "light green"}}`, "^(red|light green)$"},
		{"{{users.id}} {{users.email}}", "^8 b c@example.org$"}, // the row of sequence number 5
		{`{{"{{"}}x{{"}}"}}`, `^\{\{x\}\}$`},
		{"{ {x} }", `^\{ \{x\} \}$`},
	} {
		text, err := parse(tc.in, 1, data(t), inBody)
		if err != nil {
			t.Errorf("%s: %v", tc.in, err)
			continue
		}
		if got := text.String(5); !regexp.MustCompile(tc.want).MatchString(got) {
			t.Errorf("%s gives %q", tc.in, got)
		}
	}
}

func TestTextsAreDrawnByIdentity(t *testing.T) {
	fill := func(s string, seed draw.Seed, seq uint64) string {
		text, err := parse(s, seed, nil, inBody)
		if err != nil {
			t.Fatal(err)
		}
		return text.String(seq)
	}
	if a, b := fill("{{uuid}}", 1, 9), fill("x{{ uuid }}", 1, 9); "x"+a != b {
		t.Errorf("one expression gave %s and %s in one request", a, b)
	}
	if fill("{{uuid}}", 1, 9) == fill("{{uuid b}}", 1, 9) || fill("{{uuid}}", 1, 9) == fill("{{uuid}}", 1, 10) || fill("{{uuid}}", 1, 9) == fill("{{uuid}}", 2, 9) {
		t.Error("different draws are equal")
	}
}

func TestBadTexts(t *testing.T) {
	for in, want := range map[string]string{
		"{{seq":                   "without }}",
		"{{}}":                    "nothing to fill in",
		"{{sek}}":                 `did you mean "seq"`,
		"{{seq 1}}":               "takes nothing",
		"{{int 1}}":               "least and the largest",
		"{{int a b}}":             "two whole numbers",
		"{{int 2 1}}":             "more than",
		"{{int 0 1e9}}":           "two whole numbers",
		"{{pick}}":                "words to choose from",
		`{{pick "a}}`:             "without }}",
		"{{user.id}}":             `did you mean "users"`,
		"{{users.mail}}":          `did you mean "email"`,
		"{{users.id 3}}":          "unknown function",
		`{{int 0 9999999999999}}`: "span is too large",
	} {
		if _, err := parse(in, 1, data(t), inBody); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", in, err)
		}
	}
	lines := &Data{Name: "d", Columns: []string{"c"}, Rows: [][]string{{"a\nb"}}}
	for _, in := range []string{"a\nb", `{{pick "a\nb"}}`, `{{"a\r"}}`, "{{d.c}}"} {
		if _, err := parse(in, 1, []*Data{lines}, inHeader); err == nil || !strings.Contains(err.Error(), "more than one line") {
			t.Errorf("header %q: %v", in, err)
		}
	}
}

// Whatever the data holds, a request's first line stays one line of three words.
func TestTargetsCanBeSent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := &Data{Name: "d", Columns: []string{"c"}, Rows: [][]string{{rapid.String().Draw(t, "value")}}}
		text, err := parse("/a/{{d.c}}?x={{d.c}}", 1, []*Data{d}, inTarget)
		if err != nil {
			t.Fatal(err)
		}
		got := text.String(0)
		if strings.ContainsAny(got, " \t\r\n\x00#\"<>\\^`{|}") || !strings.HasPrefix(got, "/a/") {
			t.Fatalf("%q", got)
		}
		for i := range got {
			if got[i] == '%' && (i+2 >= len(got) || !isHex(got[i+1]) || !isHex(got[i+2])) {
				t.Fatalf("%q", got)
			}
		}
	})
	text, err := parse("/a b/é%41?q=100%", 1, nil, inTarget)
	if got := text.String(0); err != nil || got != "/a%20b/%C3%A9%41?q=100%25" {
		t.Fatalf("%q, %v", got, err)
	}
}

func TestFillingInDoesNotAllocate(t *testing.T) {
	text, err := parse("/{{seq}}/{{uuid}}/{{int 1 9}}/{{pick a b}}/{{users.id}}", 1, data(t), inTarget)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 0, 256)
	seq := uint64(0)
	if n := testing.AllocsPerRun(100, func() { buf = text.Append(buf[:0], seq); seq++ }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestBadData(t *testing.T) {
	for in, want := range map[string]string{
		"":              "empty",
		"a,b\n":         "no row",
		"a,a\n1,2\n":    "line 1: column 2",
		"a,\n1,2\n":     "line 1: column 2",
		"a,b\n1,2\n3\n": "line 3",
		"a\n\"x\n":      "line",
	} {
		if _, err := ParseData(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestInTurn(t *testing.T) {
	m, err := New(1, Set{InTurn: true, Requests: []Request{{Name: "a", Weight: 1}, {Name: "b", Weight: 9}, {Name: "c", Weight: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for seq := range uint64(7) {
		got += m.At(seq).Name
	}
	if got != "abcabca" {
		t.Error(got)
	}
}
