package balancer

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestAdmin(t *testing.T) {
	one, two := server(t, "one"), server(t, "two")
	r := start(t, settings(one), nil)
	api := httptest.NewServer(r.Admin("secret"))
	defer api.Close()
	call := func(method, path, body string) (int, string) {
		t.Helper()
		req, err := http.NewRequest(method, api.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer secret")
		req.Close = true
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(b)
	}
	names := func(n int) (seen map[string]int) {
		seen = map[string]int{}
		for range n {
			_, body := get(t, r.url)
			name, _, _ := strings.Cut(body, " ")
			seen[name]++
		}
		return seen
	}
	if code, body := call("POST", "/groups/web/targets", `{"id": "two", "address": "`+address(two)+`", "weight": 3, "zone": "b"}`); code != 201 {
		t.Fatalf("%d %s", code, body)
	}
	if got := names(10); got["one"] != 5 || got["two"] != 5 {
		t.Errorf("%v", got)
	}
	if code, body := call("PATCH", "/groups/web/targets/two", `{"maintenance": true, "weight": 7}`); code != 200 {
		t.Errorf("%d %s", code, body)
	}
	if got := names(4); got["one"] != 4 {
		t.Errorf("a target in maintenance answers: %v", got)
	}
	code, body := call("GET", "/targets", "")
	var listed map[string][]struct {
		ID, State, Zone string
		Weight          int
	}
	if err := json.Unmarshal([]byte(body), &listed); err != nil || code != 200 || len(listed["web"]) != 2 || listed["web"][1].State != "maintenance" || listed["web"][1].Weight != 7 || listed["web"][1].Zone != "b" {
		t.Errorf("%d %s", code, body)
	}
	if code, _ := call("PATCH", "/groups/web/targets/two", `{"maintenance": false}`); code != 200 {
		t.Error(code)
	}
	if code, _ := call("DELETE", "/groups/web/targets/web-1", ""); code != 202 {
		t.Error(code)
	}
	if got := names(4); got["two"] != 4 {
		t.Errorf("%v", got)
	}
	_, metrics := call("GET", "/metrics", "")
	for _, want := range []string{
		"shakedown_balancer_requests_total 18", `shakedown_balancer_target_weight{group="web",target="two"} 7`,
		`shakedown_balancer_target_state{group="web",state="healthy",target="two"} 1`, `shakedown_balancer_target_requests_total{group="web",target="two"} 9`,
	} {
		if !strings.Contains(metrics, want+"\n") {
			t.Errorf("%s is missing in\n%s", want, metrics)
		}
	}
	for _, tc := range []struct{ method, path, body, want string }{
		{"POST", "/groups/web/targets", `{"address": "nonsense"}`, "not HOST:PORT"},
		{"POST", "/groups/web/targets", `{"adress": "a:1"}`, "unknown field"},
		{"POST", "/groups/web/targets", `{"id": "two", "address": "a:1"}`, "already has a target two"},
		{"POST", "/groups/nowhere/targets", `{"address": "a:1"}`, "no group"},
		{"POST", "/groups/web/targets", `{"address": "a:1", "weight": 5000}`, "not within"},
		{"POST", "/groups/web/targets", `{"address": ":"}`, "not HOST:PORT"},
		{"POST", "/groups/web/targets", `{"address": ":80"}`, "not HOST:PORT"},
		{"POST", "/groups/web/targets", `{"address": "a:"}`, "not HOST:PORT"},
		{"POST", "/groups/web/targets", `{"address": "a:0"}`, "not HOST:PORT"},
		{"POST", "/groups/web/targets", `{"address": "a:99999"}`, "not HOST:PORT"},
		{"POST", "/groups/web/targets", `{"address": "a:http"}`, "not HOST:PORT"},
		{"POST", "/groups/web/targets", `{"address": "a b:80"}`, "not HOST:PORT"},
		{"POST", "/groups/web/targets", `{"id": "a\nb", "address": "a:1"}`, "can't be an id"},
		{"POST", "/groups/web/targets", `{"id": "a\u001bb", "address": "a:1"}`, "can't be an id"},
		{"POST", "/groups/web/targets", `{"address": "a:1", "zone": "b\r\nc"}`, "can't be a zone"},
		{"PATCH", "/groups/web/targets/two", `{}`, "nothing to change"},
		{"PATCH", "/groups/web/targets/two", `{"weight": 0}`, "not within 1 to 1000"},
		{"PATCH", "/groups/web/targets/nobody", `{"weight": 2}`, "no target nobody"},
		{"DELETE", "/groups/web/targets/nobody", "", "no target nobody"},
	} {
		if code, body := call(tc.method, tc.path, tc.body); code != 400 || !strings.Contains(body, tc.want) {
			t.Errorf("%s %s %s: %d %s", tc.method, tc.path, tc.body, code, body)
		}
	}
	if code, page := call("GET", "/", ""); code != 200 || !strings.Contains(page, `<td class="healthy">healthy</td>`) || strings.Contains(page, "web-1") {
		t.Errorf("the page: %d %s", code, page)
	}
	open := httptest.NewServer(r.Admin(""))
	defer open.Close()
	for what, change := range map[string]func(*http.Request){
		"another site's page":             func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"a name that was made to be ours": func(r *http.Request) { r.Host = "rebound.example" },
	} {
		req, err := http.NewRequest("DELETE", open.URL+"/groups/web/targets/two", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Close = true
		change(req)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != 403 {
			t.Errorf("%s: %d", what, res.StatusCode)
		}
	}
	res, err := http.Get(api.URL + "/targets")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if res.StatusCode != 401 {
		t.Errorf("without a token: %d", res.StatusCode)
	}
}
