package route

import "testing"

func TestFirstMatchWins(t *testing.T) {
	table := Table{{"/api/v1", "exact"}, {"/api/*", "api"}, {"", "web"}}
	for path, want := range map[string]string{
		"/api/v1": "exact", "/api/v1/": "api", "/api/": "api", "/api": "web", "/": "web", "/apiary": "web",
	} {
		if got := table.Group(path); got != want {
			t.Errorf("%s goes to %q, want %q", path, got, want)
		}
	}
	if got := (Table{{"/api/*", "api"}}).Group("/x"); got != "" {
		t.Errorf("a path that no rule matches goes to %q", got)
	}
}

func TestCheckPath(t *testing.T) {
	for path, ok := range map[string]bool{"": true, "/": true, "/a/*": true, "a": false, "/*/b": false, "/a*b*": false} {
		if err := CheckPath(path); (err == nil) != ok {
			t.Errorf("%q: %v", path, err)
		}
	}
}
