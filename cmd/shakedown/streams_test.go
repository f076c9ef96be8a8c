package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
	"github.com/seed-8025779b/shakedown/reports"
)

// A file of requests that could not be written is told of, the others and the verdict are there all the same.
func TestAStreamThatFailsCostsNoOther(t *testing.T) {
	out, err := openOutput(t.TempDir(), "x")
	if err != nil {
		t.Fatal(err)
	}
	formats, err := reports.FindFormats([]string{"vegeta-csv", "vegeta-json", "json"}, false)
	if err != nil {
		t.Fatal(err)
	}
	s, err := out.openStreams(formats, func(uint64) (string, string) { return "GET", "http://127.0.0.1/" }, "live", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s.list[0].file.Close() // what is written to it fails from now on
	s.sink()(&reports.SampleRow{Sample: &measure.Sample{Due: 1, Offered: 2, Sent: 3, Done: 4}, Phase: "main"})
	var terminal bytes.Buffer
	err = out.finish(io.Discard, &reports.Result{Verdict: reports.Passed}, formats, s, &ui{w: &terminal}, false)
	if err == nil || !strings.Contains(err.Error(), "vegeta.csv is not whole") || strings.Contains(err.Error(), "vegeta.json") {
		t.Error(err)
	}
	if s := terminal.String(); !strings.Contains(s, "PASSED") || !strings.Contains(s, "result.json") || !strings.Contains(s, "vegeta.json") || strings.Contains(s, "vegeta.csv") {
		t.Errorf("the terminal says\n%s", s)
	}
}

// Two equal simulated runs differ in their environment alone: stamps of vegeta's files count from its start.
func TestStampsOfASimulatedRunCountFromItsStart(t *testing.T) {
	began := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	out, err := openOutput(t.TempDir(), "x")
	if err != nil {
		t.Fatal(err)
	}
	formats, err := reports.FindFormats([]string{"vegeta-csv"}, false)
	if err != nil {
		t.Fatal(err)
	}
	s, err := out.openStreams(formats, func(uint64) (string, string) { return "GET", "http://127.0.0.1/" }, "sim", began)
	if err != nil {
		t.Fatal(err)
	}
	s.sink()(&reports.SampleRow{Sample: &measure.Sample{Due: 2 * time.Second, Offered: 2 * time.Second, Sent: 2 * time.Second, Done: 3 * time.Second}})
	paths, err := s.close()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(paths[0])
	if want := fmt.Sprint(began.Add(2 * time.Second).UnixNano()); err != nil || !strings.HasPrefix(string(b), want+",") {
		t.Errorf("%s, %v: want %s first", b, err, want)
	}
}

// A file of requests that has filled the disk gives up its end: the result and the reports need room.
func TestAFullDiskKeepsTheResult(t *testing.T) {
	for _, tc := range []struct {
		failure error
		want    int64
	}{
		{syscall.ENOSPC, 6<<20 - roomForResult},
		{syscall.EIO, 6 << 20},
		{nil, 6 << 20},
	} {
		f, err := os.CreateTemp(t.TempDir(), "samples")
		if err != nil {
			t.Fatal(err)
		}
		file := &streamFile{File: f}
		if _, err := file.Write(make([]byte, 6<<20)); err != nil {
			t.Fatal(err)
		}
		s := &streams{list: []stream{{file: file, close: func() error { return tc.failure }}}}
		paths, err := s.close()
		info, statErr := os.Stat(f.Name())
		if statErr != nil || info.Size() != tc.want || (len(paths) == 1) != (tc.failure == nil) || !errors.Is(err, tc.failure) {
			t.Errorf("%v: %v bytes are left of 6 MiB, want %d; %v, %v", tc.failure, info.Size(), tc.want, paths, err)
		}
	}
}
