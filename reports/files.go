package reports

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/seed-8025779b/shakedown/loadgen/vegeta"
	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// Format is a way to write a result.
type Format struct {
	Name  string                             // as --format takes it
	File  string                             // its name in a run's folder
	Write func(w io.Writer, r *Result) error // nil for a format that holds every request

	// Encoding is vegeta's, of a format that holds every request; nil for the format "samples". Only a run can write
	// these, while it goes on.
	Encoding vegeta.Encoding
}

// Formats is the table of formats.
func Formats() []Format {
	return []Format{
		{Name: "html", File: "report.html", Write: WriteHTML},
		{Name: "json", File: "result.json", Write: WriteJSON},
		{Name: "junit", File: "junit.xml", Write: WriteJUnit},
		{Name: "markdown", File: "summary.md", Write: WriteMarkdown},
		{Name: "csv", File: "windows.csv", Write: WriteCSV},
		{Name: "hgrm", File: "response.hgrm", Write: WriteHgrm},
		{Name: "hlog", File: "response.hlog", Write: WriteHlog},
		{Name: "samples", File: "samples.csv"},
		{Name: "vegeta", File: "vegeta.bin", Encoding: vegeta.Gob},
		{Name: "vegeta-json", File: "vegeta.json", Encoding: vegeta.JSON},
		{Name: "vegeta-csv", File: "vegeta.csv", Encoding: vegeta.CSV},
	}
}

// FormatNames lists the formats' names; without those that hold every request when there is only a result.
func FormatNames(resultOnly bool) []string {
	var names []string
	for _, f := range Formats() {
		if !resultOnly || f.Write != nil {
			names = append(names, f.Name)
		}
	}
	return names
}

// FindFormats returns the formats of the given names.
func FindFormats(names []string, resultOnly bool) ([]Format, error) {
	known := FormatNames(resultOnly)
	var out []Format
	for _, n := range names {
		i := slices.IndexFunc(Formats(), func(f Format) bool { return f.Name == n })
		switch {
		case i < 0:
			return nil, fmt.Errorf("unknown format %q%s: there are %s", n, spec.Suggest(n, known), strings.Join(known, ", "))
		case !slices.Contains(known, n):
			return nil, fmt.Errorf("format %s holds every request, and a result does not: only a run can write it", n)
		}
		out = append(out, Formats()[i])
	}
	return out, nil
}
