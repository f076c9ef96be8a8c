package reports

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// diskFile is a file on a disk with room for so many bytes.
type diskFile struct {
	file
	room    *int
	written int
	full    bool
}

func (f *diskFile) Write(b []byte) (int, error) {
	n := min(len(b), *f.room)
	*f.room -= n
	f.written += n
	if _, err := f.file.Write(b[:n]); err != nil {
		return 0, err
	}
	if n < len(b) {
		f.full = true
		return n, syscall.ENOSPC
	}
	return n, nil
}

// Close gives the room of a file back that did not fit: it is removed next.
func (f *diskFile) Close() error {
	if f.full {
		*f.room += f.written
	}
	return f.file.Close()
}

// folder lists what stands in a folder.
func folder(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestAFullDiskKeepsWhatFits(t *testing.T) {
	r := fixture(t)
	formats, err := FindFormats([]string{"html", "junit", "json", "csv"}, true)
	if err != nil {
		t.Fatal(err)
	}
	var whole bytes.Buffer
	if err := WriteJSON(&whole, r); err != nil {
		t.Fatal(err)
	}
	dir, room := t.TempDir(), whole.Len()+2000 // the small junit.xml fits too; neither the page nor the CSV does
	paths, err := writeFiles(dir, r, formats, func(path string) (file, error) {
		f, err := create(path)
		return &diskFile{file: f, room: &room}, err
	})
	if got := folder(t, dir); !slices.Equal(got, []string{"junit.xml", "result.json"}) || len(paths) != 2 {
		t.Errorf("on the disk: %v; told: %v", got, paths)
	}
	for _, name := range []string{"report.html", "windows.csv"} {
		if err == nil || !strings.Contains(err.Error(), name+": no space left on device") {
			t.Errorf("%s is not told of: %v", name, err)
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Error(err)
	}
	if b, err := os.ReadFile(paths[0]); err != nil || !bytes.Equal(b, whole.Bytes()) {
		t.Error("result.json is not what it should be", err)
	}
}

func TestOneFailingOutputCostsNoOther(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"report.html", "summary.md.tmp"} { // one can't be replaced, the other not begun
		if err := os.MkdirAll(filepath.Join(dir, name, "x"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	formats, err := FindFormats([]string{"html", "markdown", "csv", "json"}, true)
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	formats = append([]Format{
		{Name: "fails", File: "fails", Write: func(w io.Writer, _ *Result) error { _, _ = io.WriteString(w, "half"); return broken }},
		{Name: "panics", File: "panics", Write: func(io.Writer, *Result) error { panic("a range without length") }},
	}, formats...)
	paths, err := WriteFiles(dir, fixture(t), formats)
	if want := []string{filepath.Join(dir, "result.json"), filepath.Join(dir, "windows.csv")}; !slices.Equal(paths, want) {
		t.Errorf("written: %v", paths)
	}
	if got := folder(t, dir); !slices.Equal(got, []string{"report.html", "result.json", "summary.md.tmp", "windows.csv"}) {
		t.Errorf("left behind: %v", got)
	}
	for _, part := range []string{"fails: broken", "panics: rendering failed: a range without length", "report.html: ", "summary.md: "} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not told: %v", part, err)
		}
	}
}

// errFile fails where it is asked to.
type errFile struct {
	file
	sync, close error
}

func (f *errFile) Sync() error  { return errors.Join(f.sync, f.file.Sync()) }
func (f *errFile) Close() error { return errors.Join(f.close, f.file.Close()) }

func TestWhatIsNotOnTheDiskHasNoName(t *testing.T) {
	formats, err := FindFormats([]string{"json"}, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []errFile{{sync: syscall.EIO}, {close: syscall.EDQUOT}} {
		dir := t.TempDir()
		paths, err := writeFiles(dir, fixture(t), formats, func(path string) (file, error) {
			f, err := create(path)
			bad.file = f
			return &bad, err
		})
		if err == nil || len(paths) > 0 || len(folder(t, dir)) > 0 {
			t.Errorf("%v, %v; left behind: %v", paths, err, folder(t, dir))
		}
	}
}
