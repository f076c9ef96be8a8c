package reports

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-8025779b/shakedown/loadgen/measure"
)

func sampleRow() *SampleRow {
	return &SampleRow{
		Sample: &measure.Sample{
			Seq: 7, Request: "GET /a,b", Due: 1, Offered: 1_000_001, Sent: 2_500_000, First: 123_456_789, Done: time.Hour,
			Wait: 1_400_000, Connect: 300_000, Handshake: 200_000, Reconnect: 1, Outcome: measure.Failed, Class: measure.Status5xx, Status: 502,
			Detail: "it \"broke\",\nand how", BytesIn: 12, BytesOut: 34, ClientAttempts: 2, Retried: []measure.Class{measure.Reset, measure.FirstByteTimeout}, Attempts: 2, Target: "web-1", Fault: "slow", Stalled: 42 * time.Millisecond,
		},
		Phase: "main", Discarded: true,
	}
}

func TestSamplesReadBack(t *testing.T) {
	var b bytes.Buffer
	s := NewSamples(&b)
	s.Add(sampleRow())
	s.Add(&SampleRow{Sample: &measure.Sample{Seq: 8, Request: " spaces ", Due: time.Second, Outcome: measure.Cancelled}, Phase: "main"})
	s.Add(&SampleRow{Sample: &measure.Sample{Seq: 9, Request: "GET /", Due: time.Second, Offered: time.Second, Done: 3 * time.Second, Outcome: measure.Dropped, Class: measure.NoConnection}, Phase: "main"})
	s.Add(&SampleRow{Sample: &measure.Sample{Seq: 10, Request: "GET /", Done: 1, First: 1, Status: 200}, Phase: "main"}) // simulated: due, offered and sent at 0
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&b).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		strings.Split(strings.TrimSpace(samplesHeader), ","),
		{
			"7", "GET /a,b", "main", "true", "0.000001", "1.000001", "2.500000", "123.456789", "3600000.000000", "1.400000", "0.300000", "0.200000",
			"failed", "status_5xx", "502", "12", "34", "1", "2", "reset first_byte_timeout", "2", "web-1", "slow", "42.000000", "it \"broke\",\nand how",
		},
		{"8", " spaces ", "main", "false", "1000.000000", "", "", "", "", "", "", "", "cancelled", "", "", "0", "0", "0", "", "", "", "", "", "0.000000", ""},
		{"9", "GET /", "main", "false", "1000.000000", "1000.000000", "", "", "3000.000000", "", "", "", "dropped", "no_connection", "", "0", "0", "0", "", "", "", "", "", "0.000000", ""},
		{"10", "GET /", "main", "false", "0.000000", "0.000000", "0.000000", "0.000001", "0.000001", "", "", "", "succeeded", "", "200", "0", "0", "0", "", "", "", "", "", "0.000000", ""},
	}
	for i := range want {
		if i >= len(rows) || !slices.Equal(rows[i], want[i]) {
			t.Errorf("row %d:\n%q, want\n%q", i, rows[min(i, len(rows)-1)], want[i])
		}
	}
	if len(rows) != len(want) {
		t.Errorf("%d rows", len(rows))
	}
}

// The README has a line for each column, in their order.
func TestTheReadmeTellsEveryColumn(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "### Every request")
	section, _, _ = strings.Cut(section, "Response time is")
	var told []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| .+ \\|$").FindAllStringSubmatch(section, -1) {
		told = append(told, row[1])
	}
	if got := strings.Join(told, ",") + "\n"; got != samplesHeader {
		t.Errorf("the README tells\n%swant\n%s", got, samplesHeader)
	}
}

// Rows come out in the order they came in, however many buffers they fill.
func TestManySamplesKeepTheirOrder(t *testing.T) {
	const n = 3 * samplesBuffer / 64 // more than one buffer of rows, which are some 130 bytes
	var b bytes.Buffer
	s := NewSamples(&b)
	row := sampleRow()
	for i := range n {
		row.Seq = uint64(i)
		s.Add(row)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&b).ReadAll()
	if err != nil || len(rows) != n+1 {
		t.Fatal(len(rows), err)
	}
	var text []byte
	for i, row := range rows[1:] {
		if text = appendPositive(text[:0], i); i > 0 && row[0] != string(text) {
			t.Fatalf("row %d is of request %s", i, row[0])
		}
	}
}

// brokenDisk fails from the first write on.
type brokenDisk struct{ writes int }

var errBroken = errors.New("broken")

func (d *brokenDisk) Write([]byte) (int, error) { d.writes++; return 0, errBroken }

func TestSamplesOnABrokenDiskHoldNothingUp(t *testing.T) {
	d := &brokenDisk{}
	s := NewSamples(d)
	for range 2 * samplesBuffers * samplesBuffer / 128 { // more rows than all buffers hold
		s.Add(sampleRow())
	}
	if err := s.Close(); !errors.Is(err, errBroken) || d.writes != 1 {
		t.Errorf("%v after %d writes", err, d.writes)
	}
}

func TestAddingASampleDoesNotAllocate(t *testing.T) {
	row, b := sampleRow(), make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() { b = appendSample(b[:0], row) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkSamples(b *testing.B) {
	s, row := NewSamples(io.Discard), sampleRow()
	b.ReportAllocs()
	for b.Loop() {
		s.Add(row)
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}
