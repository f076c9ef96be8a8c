package reports

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Every output is made from the result alone, and always the same.
func TestGoldens(t *testing.T) {
	r := fixture(t)
	for _, f := range Formats() {
		if f.Write == nil { // it holds every request, and a result does not
			continue
		}
		var b bytes.Buffer
		if err := f.Write(&b, r); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", "golden-"+f.File)
		if *update {
			if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(want, b.Bytes()) {
			t.Errorf("%s differs from its golden file; look at it, then run with -update", f.File)
		}
	}
}

func TestWhatIsWrittenReadsBack(t *testing.T) {
	dir := t.TempDir()
	r := fixture(t)
	formats, err := FindFormats([]string{"json"}, true)
	if err != nil {
		t.Fatal(err)
	}
	paths, err := WriteFiles(dir, r, formats)
	if err != nil || len(paths) != 1 {
		t.Fatal(paths, err)
	}
	again, err := Read(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	var a, b bytes.Buffer
	if WriteJSON(&a, r) != nil || WriteJSON(&b, again) != nil || !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("the result changed on the way")
	}
	if leftovers, _ := filepath.Glob(filepath.Join(dir, "*.tmp")); len(leftovers) > 0 {
		t.Errorf("left behind: %v", leftovers)
	}
	if _, err := WriteFiles(filepath.Join(dir, "nowhere"), r, formats); err == nil {
		t.Error("a folder that is not there was written into")
	}
}

func TestReportOfAnEmptyRun(t *testing.T) {
	var b bytes.Buffer
	if err := WriteHTML(&b, &Result{Schema: Schema, Name: "<script>alert(1)</script>", Verdict: Interrupted}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "<script>") {
		t.Error("a name was not escaped")
	}
}

func FuzzRead(f *testing.F) {
	whole, err := os.ReadFile("testdata/result.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"schema": "shakedown.result/v1", "name": "x"}`))
	f.Add([]byte(`{"schema": 5}`))
	f.Add([]byte("{"))
	f.Add(whole[:4000])
	f.Add([]byte(`{"schema": "shakedown.result/v1", "windows": [{"start_ms": 0, "end_ms": 400}]}`)) // stopped before its first request
	f.Add([]byte(`{"schema": "shakedown.result/v1", "duration_ms": 1500, "windows": [{"start_ms": 0, "end_ms": 400}, {"start_ms": 900, "end_ms": 2000, "ended": {}}],
		"faults": [{"injected_ms": 3, "window": {}}], "validity": {"stalls": [{"from_ms": 5, "to_ms": 1}], "bracket": {}}, "gates": [{"observed": 1, "lower": 2, "metric": "p"}, null],
		"targets": [{"state_changes": [{"at_ms": 1, "to": "healthy"}]}], "scaling": [{"decisions": [{"at_ms": 1e300}]}], "parts": {}}`))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(dir, "result.json")
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		r, err := Read(path)
		if err != nil {
			return
		}
		for _, format := range Formats() { // what was read can be written, or refused, but must not panic
			if format.Write == nil {
				continue
			}
			_ = format.Write(&bytes.Buffer{}, r)
		}
		_ = Summary(r, plain)
	})
}
