package admin

import (
	"bytes"
	_ "embed" // the page
	"html/template"
	"net/http"
	"slices"

	"github.com/seed-8025779b/shakedown/balancer/group"
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"present": func(targets []group.Status) []group.Status {
		return slices.DeleteFunc(slices.Clone(targets), func(t group.Status) bool { return t.State == group.Gone })
	},
	"add": func(a, b uint64) uint64 { return a + b },
}).Parse(pageText))

// page answers with what a person wants to see at a glance. It has no script; it asks for itself again.
func page(w http.ResponseWriter, b Balancer) {
	var out bytes.Buffer
	if err := pageTemplate.Execute(&out, struct {
		Counts Counts
		Groups []Group
	}{b.Counts(), b.Groups()}); err != nil {
		answer(w, http.StatusInternalServerError, map[string]string{"error": err.Error()})
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	w.Header().Set("Refresh", "2")
	_, _ = w.Write(out.Bytes()) // whoever asked may have gone
}
