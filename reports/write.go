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
)

// WriteFiles writes a result into a folder in each of the formats and returns the paths of the files that are
// there, and what went wrong with the others, joined. result.json comes first: every other output can be made
// again from it. A file appears under its name only when it is whole and on the disk, and one that fails costs no
// other. Formats that hold every request are left out: they were written while the run went on.
func WriteFiles(dir string, r *Result, formats []Format) ([]string, error) {
	return writeFiles(dir, r, formats, create)
}

// file is what an output is written to.
type file interface {
	io.WriteCloser
	Sync() error
}

func create(path string) (file, error) { return os.Create(path) }

func writeFiles(dir string, r *Result, formats []Format, create func(path string) (file, error)) (paths []string, err error) {
	ordered := slices.Clone(formats)
	slices.SortStableFunc(ordered, func(a, b Format) int { return jsonFirst(a) - jsonFirst(b) })
	for _, f := range ordered {
		if f.Write == nil {
			continue
		}
		path := filepath.Join(dir, f.File)
		if wrong := writeFile(path, r, f, create); wrong != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", f.File, wrong))
			continue
		}
		paths = append(paths, path)
	}
	return paths, err
}

func jsonFirst(f Format) int {
	if f.Name == "json" {
		return 0
	}
	return 1
}

// writeFile writes one output beside its place and moves it there. Nothing is left behind when it fails.
func writeFile(path string, r *Result, f Format, create func(path string) (file, error)) error {
	text, err := render(r, f)
	if err != nil {
		return err
	}
	tmp := path + ".tmp"
	out, err := create(tmp)
	if err != nil {
		return err
	}
	_, err = out.Write(text)
	if err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return nil
}

// render makes an output in memory. A library of figures panics on data that it can't draw: that must cost this
// output, not those after it.
func render(r *Result, f Format) (text []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("rendering failed: %v", p)
		}
	}()
	var b bytes.Buffer
	err = f.Write(&b, r)
	return b.Bytes(), err
}

// WriteJSON writes result.json.
func WriteJSON(w io.Writer, r *Result) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	e.SetEscapeHTML(false)
	return e.Encode(r)
}
