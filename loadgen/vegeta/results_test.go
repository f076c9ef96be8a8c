package vegeta

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
	"github.com/tsenart/vegeta/v12/lib/plot"

	"github.com/seed-8025779b/shakedown/loadgen/attempt"
	"github.com/seed-8025779b/shakedown/loadgen/client"
	"github.com/seed-8025779b/shakedown/loadgen/measure"
)

// samples are a run of 40 requests: each tenth refused, each tenth not as expected, each tenth a 404 as expected, one
// dropped, one cancelled.
func samples() (list []*measure.Sample) {
	for i := range 40 {
		at := time.Duration(i) * 25 * time.Millisecond
		s := &measure.Sample{Seq: uint64(i), Request: "x", Due: at, Offered: at, Sent: at, Done: at + time.Duration(i+1)*time.Millisecond, Status: 200, BytesIn: 5, BytesOut: 2}
		switch {
		case i == 38:
			s.Outcome, s.Class, s.Detail, s.Status = measure.Dropped, measure.NoConnection, "waited 950ms for one of 2 connections to become free", 0
		case i == 39:
			s.Outcome = measure.Cancelled
		case i%10 == 3:
			s.Outcome, s.Class, s.Detail, s.Status = measure.Failed, measure.Refused, "connect: connection refused", 0
		case i%10 == 4:
			s.Outcome, s.Class, s.Detail = measure.Failed, measure.Expectation, "no header a: b, which was expected"
		case i%10 == 5:
			s.Status = 404
		}
		list = append(list, s)
	}
	return list
}

// Vegeta's own report and plot take what we write, and the counts agree; so do those of what we read back.
func TestResultsInEveryEncoding(t *testing.T) {
	for name, encoding := range map[string]Encoding{"gob": Gob, "json": JSON, "csv": CSV} {
		var b bytes.Buffer
		w := NewResults(&b, encoding, func(seq uint64) (string, string) { return "GET", fmt.Sprintf("http://h/p%d?q", seq%2) })
		for _, s := range samples() {
			w.Add(s)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "results")
		if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		var m vegeta.Metrics
		p := plot.New()
		decode := vegeta.DecoderFor(&b)
		for {
			var r vegeta.Result
			if err := decode(&r); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			m.Add(&r)
			if err := p.Add(&r); err != nil {
				t.Fatal(err)
			}
		}
		m.Close()
		p.Close()
		if m.Requests != 39 || m.StatusCodes["200"] != 30 || m.StatusCodes["0"] != 9 || len(m.Errors) != 3 || m.Latencies.Max != 39*time.Millisecond || m.BytesIn.Total != 39*5 {
			t.Errorf("%s: vegeta reports %+v", name, m)
		}
		if n, err := p.WriteTo(io.Discard); err != nil || n == 0 {
			t.Errorf("%s: vegeta plots %d bytes, %v", name, n, err)
		}

		var tally measure.Tally
		names := map[string]int{}
		if !IsResults(file) {
			t.Fatalf("%s: not recognised", name)
		}
		err := ReadResults(file, func(i Info) func(*measure.Sample) {
			if i.Count != 39 || i.Attack != "shakedown" || i.Length != 38*25*time.Millisecond {
				t.Errorf("%s: %+v", name, i)
			}
			return func(s *measure.Sample) { tally.Add(s); names[s.Request]++ }
		})
		if err != nil || tally.Succeeded != 30 || tally.Failed != 9 || tally.Errors[measure.Refused] != 4 || tally.Errors[measure.Expectation] != 4 || tally.Errors[measure.NoConnection] != 1 {
			t.Errorf("%s: read back %+v, %v", name, tally.Errors, err)
		}
		if names["GET /p0"] != 20 || names["GET /p1"] != 19 {
			t.Errorf("%s: %v", name, names)
		}
	}
}

// What an engine says of a failure is read back as the class it was.
func TestClassesAreReadBack(t *testing.T) {
	c := attempt.Config{Timeout: time.Second, Connections: 2}
	dropped, late := measure.Sample{}, measure.Sample{Offered: 2 * time.Second}
	c.Drop(&dropped, LagLimit)
	c.Drop(&late, LagLimit)
	for detail, class := range map[string]measure.Class{
		dropped.Detail: measure.NoConnection, late.Detail: measure.NoConnection, tooManyRedirects(3).Error(): measure.Redirects,
	} {
		if got := classOf(&vegeta.Result{Error: detail}); got != class {
			t.Errorf("%q: %s, was %s", detail, got, class)
		}
	}
	full := &net.OpError{Op: "dial", Net: "unix", Addr: &net.UnixAddr{Name: "s", Net: "unix"}, Err: os.NewSyscallError("connect", syscall.EAGAIN)}
	for stage := client.Connecting; stage <= client.Reading; stage++ {
		for _, err := range []error{os.ErrDeadlineExceeded, syscall.ECONNRESET, syscall.EPIPE, io.EOF, syscall.ECONNREFUSED, full} {
			class, detail := client.Classify(err, stage, &measure.Sample{}, &c)
			if got := classOf(&vegeta.Result{Error: detail}); got != class {
				t.Errorf("%q: %s, was %s", detail, got, class)
			}
		}
	}
}

func TestFilesThatAreNoResults(t *testing.T) {
	for name, text := range map[string]string{"empty": "", "text": "hello\n", "json": "{\"a\": 1}\n", "ours": "{\n \"schema\": \"x\"}"} {
		file := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if IsResults(file) {
			t.Errorf("%s was taken for results", name)
		}
		if err := ReadResults(file, func(Info) func(*measure.Sample) { return func(*measure.Sample) {} }); name != "json" && err == nil {
			t.Errorf("%s was read", name)
		}
	}
	var b bytes.Buffer
	w := NewResults(&b, JSON, func(uint64) (string, string) { return "GET", "http://h/" })
	for _, s := range samples() {
		w.Add(s)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "cut")
	if err := os.WriteFile(file, b.Bytes()[:b.Len()-30], 0o600); err != nil {
		t.Fatal(err)
	}
	if err := ReadResults(file, func(Info) func(*measure.Sample) { return func(*measure.Sample) {} }); err == nil || !strings.Contains(err.Error(), "truncated") {
		t.Errorf("a file cut off: %v", err)
	}
}
