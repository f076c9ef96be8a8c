package reports

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
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

	// Encoding is of a format that holds every request: only a run can write it, while it goes on.
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

// WriteFiles writes a result into a folder in each of the formats and returns the files' paths. A file
// appears under its name only when it is whole.
func WriteFiles(dir string, r *Result, formats []Format) ([]string, error) {
	var paths []string
	for _, f := range formats {
		if f.Write == nil { // it was written while the run went on
			paths = append(paths, filepath.Join(dir, f.File))
			continue
		}
		var b bytes.Buffer
		if err := f.Write(&b, r); err != nil {
			return paths, fmt.Errorf("%s: %w", f.File, err)
		}
		path := filepath.Join(dir, f.File)
		if err := os.WriteFile(path+".tmp", b.Bytes(), 0o644); err != nil {
			return paths, err
		}
		if err := os.Rename(path+".tmp", path); err != nil {
			return paths, err
		}
		paths = append(paths, path)
	}
	return paths, nil
}

// WriteJSON writes result.json.
func WriteJSON(w io.Writer, r *Result) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

// Read reads a result.json, or vegeta's results in any of its encodings. It reports what is wrong with a
// file: truncated, not a result, or of another schema.
func Read(path string) (*Result, error) {
	if isVegeta(path) {
		return readVegeta(path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var head struct {
		Schema *string `json:"schema"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return nil, fmt.Errorf("%s: %w", path, describe(b, err))
	}
	switch {
	case head.Schema == nil:
		return nil, fmt.Errorf("%s: not a shakedown result: it names no schema", path)
	case *head.Schema != Schema:
		return nil, fmt.Errorf("%s: schema %q is not %q: it was written by another version of shakedown", path, *head.Schema, Schema)
	}
	var r Result
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, describe(b, err))
	}
	return &r, nil
}

// describe adds the place to an error of encoding/json.
func describe(b []byte, err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	offset := int64(0)
	switch {
	case len(bytes.TrimSpace(b)) == 0:
		return errors.New("the file is empty")
	case errors.As(err, &syntax):
		offset = syntax.Offset
	case errors.As(err, &kind):
		offset = kind.Offset
	default:
		return err
	}
	if offset >= int64(len(b)) {
		return fmt.Errorf("the file is truncated after %d bytes: %w", len(b), err)
	}
	return fmt.Errorf("line %d: not a shakedown result: %w", 1+bytes.Count(b[:offset], []byte("\n")), err)
}
