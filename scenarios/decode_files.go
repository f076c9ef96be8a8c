package scenarios

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v4"

	"github.com/seed-8025779b/shakedown/scenarios/spec"
)

// maxFile bounds a file that a scenario names: it is held in memory.
const maxFile = 256 << 20

// path is where a file that the scenario names lies: names are relative to the scenario's own folder.
func (d *decoder) path(name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(d.dir, name)
}

// read reads a file that the scenario names.
func (d *decoder) read(name string) ([]byte, error) {
	if name == "" {
		return nil, errors.New("no file is named")
	}
	path := d.path(name)
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("%s is larger than %d MiB", path, maxFile>>20)
	}
	return b, err
}

// content reads the file that a node names.
func (d *decoder) content(n *yaml.Node) (spec.Content, error) {
	b, err := d.read(n.Value)
	return spec.Content{Name: n.Value, Text: string(b)}, err
}
