package vegeta

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/seed-8025779b/shakedown/loadgen/mix"
)

func noFile(name string) ([]byte, error) {
	if name == "order.json" {
		return []byte(`{"sku": 1}`), nil
	}
	return nil, errors.New("no such file")
}

func TestReadTargets(t *testing.T) {
	got, err := ReadTargets(strings.Join([]string{
		"# two targets", "", "GET http://example.org:8080/a?b={{c}}", "GET http://example.org:8080/",
		"POST http://example.org:8080/orders", "X-Case: 1", "# a comment", "x-case: 2", "Content-Length: 99", "@order.json",
		"PUT http://u:p@example.org:8080/last", "",
	}, "\r\n"), noFile)
	if err != nil {
		t.Fatal(err)
	}
	want := []mix.Request{
		{Name: "GET /a", Method: "GET", Path: `/a?b={{"{{"}}c}}`, Weight: 1},
		{Name: "GET /", Method: "GET", Path: "/", Weight: 1},
		{Name: "POST /orders", Method: "POST", Path: "/orders", Weight: 1, Body: `{"sku": 1}`, Headers: []mix.Header{{Name: "X-Case", Value: "1"}, {Name: "x-case", Value: "2"}}},
		{Name: "PUT /last", Method: "PUT", Path: "/last", Weight: 1, Headers: []mix.Header{{Name: "Authorization", Value: "Basic dTpw"}}},
	}
	if got.Base != "http://example.org:8080" || !got.Set.InTurn || fmt.Sprint(got.Set.Requests) != fmt.Sprint(want) {
		t.Errorf("%+v", got)
	}
	fromJSON, err := ReadTargets("\n{\"method\":\"POST\",\"url\":\"http://h/x\",\"header\":{\"B\":[\"1\",\"2\"],\"A\":[\"3\"]},\"body\":\"aGk=\"}\n", noFile)
	want = []mix.Request{{Name: "POST /x", Method: "POST", Path: "/x", Weight: 1, Body: "hi", Headers: []mix.Header{{Name: "A", Value: "3"}, {Name: "B", Value: "1"}, {Name: "B", Value: "2"}}}}
	if err != nil || fromJSON.Base != "http://h" || fmt.Sprint(fromJSON.Set.Requests) != fmt.Sprint(want) {
		t.Errorf("%+v, %v", fromJSON, err)
	}
	var many strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&many, "GET /item/%d\n", i)
	}
	paths, err := ReadTargets(many.String(), noFile)
	if err != nil || paths.Base != "" || len(paths.Set.Requests) != 1000 || paths.Set.Requests[7].Name != "GET" || paths.Set.Requests[7].Path != "/item/7" {
		t.Errorf("%v, %v", paths.Set.Requests[7], err)
	}
}

func TestBadTargetsAreToldByLine(t *testing.T) {
	good := strings.Repeat("GET http://h/\n", 36)
	for in, want := range map[string]string{
		"":                                    "holds no target",
		"GET":                                 "line 1: \"GET\" is not a target",
		"# nothing\n":                         "holds no target",
		good + "GET":                          "line 37: \"GET\" is not a header",
		good + "get http://h/":                "line 37",
		good + "GET http://[::1/":             "line 37: \"http://[::1/\" is not a URL",
		good + "GET ftp://h/":                 "line 37",
		good + "GET h/x":                      "line 37",
		good + "GET http://other/":            "line 37: the host is \"http://other\"",
		good + "GET /x":                       "line 37: the host is \"\"",
		good + "GET http://h/\nA:b\nnonsense": "line 39: \"nonsense\" is not a header",
		good + "GET http://h/\nA b: c":        "line 38",
		good + "GET http://h/\n@nowhere":      "line 38: body: no such file",
		"GET http://h/\nA: b\nGET http://h/":  "line 3: an empty line",
		`{"method":"GET","url":"http://h/"}` + "\n{":                 "line 2: not one object in JSON",
		`{"method":"GET"}`:                                           "line 1",
		`{"url":"http://h/"}`:                                        "line 1: not a target: target: required method is missing",
		`{"method":"GET","url":"http://h/"} {}`:                      "line 1: not one object",
		`{"method":"GET","url":"http://h/","header":{"a\nb":["c"]}}`: "line 1: header",
	} {
		if _, err := ReadTargets(in, noFile); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v", in, err)
		}
	}
}

// What we accept vegeta accepts too, and reads the same.
func FuzzTargets(f *testing.F) {
	for _, s := range []string{
		"GET http://h/\n", "# c\nPOST http://h/a?b\nA: b\n\nGET http://h/", "GET /a\nGET /b\n@x", "GET http://h/\n#\n@order.json\nGET http://h/",
		`{"method":"GET","url":"http://h/","header":{"A":["b"]},"body":"aGk="}`, "{}", "GET http://h/ x", "GET  http://h/", "\x00", "GET http://h/\n\t\nA:b",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		if strings.Contains(in, "@") { // vegeta would read the file itself
			return
		}
		got, err := ReadTargets(in, noFile)
		if err != nil {
			return
		}
		targeter := vegeta.NewHTTPTargeter(strings.NewReader(in), nil, nil)
		if strings.HasPrefix(strings.TrimLeft(in, " \t\r\n"), "{") {
			targeter = vegeta.NewJSONTargeter(strings.NewReader(in+"\n"), nil, nil)
		}
		theirs, err := vegeta.ReadAllTargets(targeter)
		if err != nil {
			t.Fatalf("we accept what vegeta refuses: %v", err)
		}
		if len(theirs) != len(got.Set.Requests) {
			t.Fatalf("%d targets, vegeta reads %d", len(got.Set.Requests), len(theirs))
		}
		m, err := mix.New(1, got.Set)
		if err != nil {
			t.Fatalf("read, but can't be sent: %v", err)
		}
		for i, v := range theirs {
			r := got.Set.Requests[i]
			body := m.Texts(i).Body
			if r.Method != v.Method || !bytes.Equal([]byte(body.String(0)), v.Body) {
				t.Fatalf("target %d: %+v, vegeta reads %+v", i, r, v)
			}
			for _, h := range m.Texts(i).Headers {
				if !slices.Contains(v.Header[h.Name], h.Value.String(0)) {
					t.Fatalf("target %d: header %s is not among vegeta's %v", i, h.Name, v.Header)
				}
			}
		}
	})
}
