// Package html renders a report as one file: no script, no external request of any kind, readable with
// stylesheets blocked, in light and dark, on a desk and on a phone.
//
// A Page is plain data: sections of text, figures and tables. What stands in them is decided elsewhere.
package html

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"io"

	"github.com/seed-8025779b/shakedown/reports/chart"
)

//go:embed page.html
var pageText string

//go:embed style.css
var style string

// Page is a report.
type Page struct {
	Title    string
	Lead     string
	Verdict  string // one word
	Tone     Tone
	Reasons  []string
	Facts    []Fact
	Sections []Section
	Footer   string
}

// Tone is how something should look: it becomes a class.
type Tone string

// The tones.
const (
	Neutral Tone = ""
	Good    Tone = "good"
	Bad     Tone = "bad"
	Warn    Tone = "warn"
)

// Fact is one figure at the top of the page.
type Fact struct{ Label, Value, Note string }

// Section is one part of a page.
type Section struct {
	ID, Title string
	Text      []string
	Blocks    []Block
}

// Block is a figure, a table or preformatted text; what is set is shown.
type Block struct {
	Figure *chart.Figure
	Table  *Table
	Pre    string
	Fold   string // when set, the block is folded away under this title
}

// Table is a table. A cell's tone colours it. Notes stand below it.
type Table struct {
	Head  []string
	Rows  [][]Cell
	Notes []string
}

// Cell is one cell.
type Cell struct {
	Text string
	Tone Tone
	Num  bool // set to the right
}

// Text and Num make cells.
func Text(s string) Cell { return Cell{Text: s} }
func Num(s string) Cell  { return Cell{Text: s, Num: true} }

// Write renders the page.
func Write(w io.Writer, p *Page) error {
	sum := sha256.Sum256([]byte(style))
	t, err := template.New("page").Funcs(template.FuncMap{
		"wide": func(f *chart.Figure) template.HTML { return template.HTML(f.SVG(chart.WideWidth, chart.WideHeight)) },
		"narrow": func(f *chart.Figure) template.HTML {
			return template.HTML(f.SVG(chart.NarrowWidth, chart.NarrowHeight))
		},
		"css": func() template.CSS { return template.CSS(style) },
		"policy": func() string {
			return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'"
		},
	}).Parse(pageText)
	if err != nil {
		return err
	}
	return t.Execute(w, p)
}
