package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func elsewhere(path string) bool {
	for _, p := range []string{"events", "timeline", "scaling", "environment", "warnings", "reasons", "about", "seed", "schema", "world", "duration_ms", "planned_dur", "validity.generator", "validity.lag_limit", "validity.stalled_ms", "validity.valid", "objective", "balancer"} {
		if strings.HasPrefix(path, p) {
			return true
		}
	}
	for _, p := range []string{"retries", "name", "end_ms", "start_ms", "length", "discarded"} {
		if strings.HasSuffix(path, p) {
			return true
		}
	}
	return false
}

func TestRecomputeDir(t *testing.T) {
	for _, dir := range strings.Fields(os.Getenv("RDIR")) {
		d, err := readDocument(filepath.Join("/tmp/rc/"+dir, "result.json"))
		if err != nil {
			t.Fatal(err)
		}
		rows, err := readRows(filepath.Join("/tmp/rc/"+dir, "samples.csv"))
		if err != nil {
			t.Fatal(err)
		}
		x := &played{d, rows}
		p := problems(d, x.recompute())
		for i, s := range p {
			if i < 40 {
				t.Error(s)
			}
		}
		t.Log(dir, len(p), len(d), len(rows))
	}
}
