// Package route says which group a request goes to: listener rules, first match wins.
package route

import (
	"fmt"
	"strings"
)

// Rule forwards the requests that match to a group.
type Rule struct {
	Path    string `json:"path,omitempty"` // "/api/*" for a prefix, "/api" for that path alone, "" for every path
	Forward string `json:"forward"`
}

// CheckPath reports what is wrong with a rule's path.
func CheckPath(path string) error {
	if path == "" {
		return nil
	}
	if path[0] != '/' {
		return fmt.Errorf("%q does not start with a slash", path)
	}
	if i := strings.IndexByte(path, '*'); i >= 0 && i != len(path)-1 {
		return fmt.Errorf("%q has a * before its end: only a prefix can be matched", path)
	}
	return nil
}

// Table is the rules of a listener, in order.
type Table []Rule

// Group returns the group of a path, or "" when no rule matches. The path is compared as it was sent,
// without its query.
func (t Table) Group(path string) string {
	for i := range t {
		if t[i].matches(path) {
			return t[i].Forward
		}
	}
	return ""
}

func (r *Rule) matches(path string) bool {
	if r.Path == "" {
		return true
	}
	if prefix, ok := strings.CutSuffix(r.Path, "*"); ok {
		return strings.HasPrefix(path, prefix)
	}
	return path == r.Path
}
