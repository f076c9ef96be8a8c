package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

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
		p, diff, n := compare(x)
		for i, s := range p {
			if i < 40 {
				t.Error(s)
			}
		}
		t.Log(dir, len(p), n, len(d), len(rows))
		for i, s := range diff {
			if i < 12 {
				t.Log("   ", s)
			}
		}
	}
}
